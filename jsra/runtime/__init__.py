"""Everything that must happen before Jittor is imported: quiet, offline, and respectful of the user's settings."""

from jsra.runtime.prepare import prepare

__all__ = ["prepare"]
