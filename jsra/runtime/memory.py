"""What to say when the memory of this process is not enough."""
from __future__ import annotations

# How Python and Jittor say that a thread or an array could not be made.
_SIGNS = ("can't start new thread", "Resource temporarily unavailable", "Cannot allocate memory", "bad_alloc")


def _limit():
    """The number of bytes that `ulimit -v` allows; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if allowed == resource.RLIM_INFINITY else allowed


def no_memory() -> str:
    """The reason, in words, with the limit if there is one."""
    allowed = _limit()
    more = "" if allowed is None else f": `ulimit -v` allows this process {allowed >> 20} MiB; raise it"
    return f"there is not enough memory{more}"


def lacks_memory(error: Exception) -> bool:
    """Whether an exception means that the memory is not enough. A limit also makes threads fail, with other exceptions."""
    return isinstance(error, MemoryError) or (_limit() is not None and any(sign in str(error) for sign in _SIGNS))
