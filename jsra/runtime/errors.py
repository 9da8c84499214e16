"""Exceptions that travel between processes."""

from __future__ import annotations

import pickle


def portable(error: Exception) -> Exception:
    """The exception itself if it survives pickling, else a RuntimeError with the same text."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
