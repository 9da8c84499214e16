"""Exceptions that are sent between processes."""

from __future__ import annotations

import pickle


def portable(error: Exception) -> Exception:
    """The exception itself if it can be pickled, otherwise a RuntimeError with the same text."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
