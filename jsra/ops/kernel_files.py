"""A copy of each kernel's files in Jittor's cache, in a folder named by their content.

Jittor compiles an operator again if its command has changed, and the command has the include path. With the path of a
checkout in it, two checkouts or environments that share a cache compile each other's operators again at every turn.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import threading

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)


@functools.lru_cache(maxsize=None)
def include_path(header: str, source: str, cache: str) -> str:
    """The folder to compile a kernel with: a copy in `cache`, or `source` itself if no copy can be made there.

    Args:
        header: the kernel's lines of #include, with paths below `source`.
        source: the folder with the kernels of all operators.
        cache: Jittor's cache folder.
    """
    files = included(header, source)
    content = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    place = os.path.join(cache, "jsra_kernels", content)
    if not os.path.isdir(place):
        own = f"{place}.{os.getpid()}.{threading.get_ident()}"
        try:
            for name, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(own, name)), exist_ok=True)
                with open(os.path.join(own, name), "wb") as f:
                    f.write(text)
            os.rename(own, place)
        except OSError:  # no space or, most often, another process was faster
            shutil.rmtree(own, ignore_errors=True)
    return place if os.path.isdir(place) else source


def included(header: str, source: str) -> dict:
    """The content (bytes) of each file below `source` that `header` includes, also through other files, by its path there."""
    files, left = {}, _INCLUDE.findall(header)
    while left:
        name = left.pop()
        path = os.path.join(source, name)
        if name not in files and os.path.isfile(path):
            with open(path, "rb") as f:
                files[name] = f.read()
            left += _INCLUDE.findall(files[name].decode())
    return files
