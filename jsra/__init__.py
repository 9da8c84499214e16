"""jsra: Semantic RoI Align (AAAI 2024) and every RoI feature extractor it is compared with, for Jittor.

Importing jsra prepares the process for Jittor (see `jsra.runtime`), so import jsra before jittor.
"""
import os
import sys

try:
    # This file has no syntax that an old Python does not know, so that it can say so.
    if sys.version_info < (3, 8):  # noqa: UP036
        raise ImportError("jsra needs Python 3.8 to 3.12, and this is " + sys.version.split()[0] + ": " + sys.executable)
    _missing = ""
    try:
        import numpy  # noqa: F401
    except ImportError as error:
        _missing = str(error)
    if _missing:
        raise ImportError(_missing + ": `pip install .` in the folder of jsra's source installs it in " + sys.prefix)
    from jsra.runtime import prepare

    prepare()
except (ImportError, OSError) as error:
    # The commands (`jsra`, `python -m jsra`) end with the message; other programs get the exception.
    if os.path.basename(sys.argv[0]) not in ("jsra", "-m"):
        raise
    sys.stderr.write("jsra: " + str(error) + "\n")
    sys.exit(2)

from jsra.version import __version__  # noqa: E402

__all__ = ["Detector", "__version__"]


def __getattr__(name):
    # Detector imports Jittor, which takes a second (the first time: minutes), so it is imported only when used.
    if name == "Detector":
        from jsra.inference import Detector

        return Detector
    raise AttributeError("module 'jsra' has no attribute " + repr(name))
