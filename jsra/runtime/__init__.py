"""Everything that must happen before Jittor is imported, quietly, offline and without changing the user's settings."""

from jsra.runtime.prepare import prepare

__all__ = ["prepare"]
