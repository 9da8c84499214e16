"""What to say when the memory of this process is not enough, or is limited to less than Jittor needs."""
from __future__ import annotations

import mmap

# How Python and Jittor say that a thread or an array could not be made.
_SIGNS = ("can't start new thread", "Resource temporarily unavailable", "Cannot allocate memory", "bad_alloc")
# The smallest training was measured at 1.1 GiB of addresses. With less, Jittor's code ends with a segmentation fault, or
# Python waits without end for a thread that had no memory to begin.
LEAST = 2 << 30
# What a new thread may take at once: its stack and an arena of the C library.
_THREAD = 128 << 20
_LIMITS = {"RLIMIT_AS": "ulimit -v", "RLIMIT_DATA": "ulimit -d"}


def _limit():
    """(bytes, name) of the shell's smallest limit of memory for this process; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    allowed = [(resource.getrlimit(getattr(resource, which))[0], name) for which, name in _LIMITS.items()]
    return min([(size, name) for size, name in allowed if size != resource.RLIM_INFINITY], default=None)


def no_memory() -> str:
    """The reason, in words, with the limit if there is one."""
    limit = _limit()
    return "there is not enough memory" + (f": {_allows(*limit)}" if limit else "")


def too_little() -> str:
    """What to say if a limit is below what Jittor needs; '' otherwise."""
    limit = _limit()
    return f"Jittor needs {LEAST >> 20} MiB of memory, and {_allows(*limit)}" if limit and limit[0] < LEAST else ""


def _allows(size, name):
    return f"`{name}` allows this process {size >> 20} MiB; raise it"


def require_room_for_a_thread():
    """Raise MemoryError if a new thread may not begin: Python would wait for it without end."""
    try:
        mmap.mmap(-1, _THREAD).close()
    except OSError:
        raise MemoryError(no_memory()) from None


def lacks_memory(error: Exception) -> bool:
    """Whether an exception means that the memory is not enough. A limit also makes threads fail, with other exceptions."""
    return isinstance(error, MemoryError) or (_limit() is not None and any(sign in str(error) for sign in _SIGNS))
