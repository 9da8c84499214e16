"""Replaces the script python3.X-config, which Jittor needs, if Python was installed without it.

Jittor looks for the script next to the interpreter (a virtual environment has none) and in the system's directories, and
fails without it. It needs only two values from the script, and Python itself knows both.
"""

from __future__ import annotations

import os
import sys
import sysconfig

PACKAGE = f"python3.{sys.version_info.minor}-dev"  # Debian's and Ubuntu's, with Python.h


def headers() -> str:
    """The directory of Python.h, '' if it is not installed."""
    folder = sysconfig.get_path("include")
    return folder if folder and os.path.isfile(os.path.join(folder, "Python.h")) else ""


def found() -> str:
    """The script that Jittor will use, '' if it will find none."""
    minor, folder = sys.version_info.minor, os.path.dirname(sys.executable)
    places = [
        os.environ.get("python_config_path", ""),
        os.path.join(folder, f"python3.{minor}-config"),
        f"{sys.executable}-config",
        f"/usr/bin/python3.{minor}-config",
        f"/usr/local/bin/python3.{minor}-config",
        os.path.join(folder, "python3-config"),
    ]
    return next((place for place in places if place and os.path.isfile(place)), "")


def provide(parent: str) -> str:
    """If Jittor would not find the script, write one under `parent`; returns one sentence about what was found."""
    if found():
        return found()
    if not headers():
        return f"missing: Python.h, which Jittor compiles against (apt-get install {PACKAGE})"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    script = os.path.join(parent, f"python{suffix}-config")
    text = f"""#!/bin/sh
# Written by jsra for Jittor.
case $1 in
  --includes) echo '-I{headers()}' ;;
  --extension-suffix) echo '{suffix}' ;;
  *) exit 1 ;;
esac
"""
    os.makedirs(parent, exist_ok=True)
    unfinished = f"{script}.{os.getpid()}"
    with open(unfinished, "w", encoding="utf8") as f:
        f.write(text)
    os.chmod(unfinished, 0o755)
    os.replace(unfinished, script)
    os.environ["python_config_path"] = script
    return f"generated for the headers in {headers()}"
