"""jsra: Semantic RoI Align (AAAI 2024) and every RoI feature extractor it is compared with, for Jittor.

Importing jsra prepares the process for Jittor (see `jsra.runtime`), so import jsra before jittor.
"""
import os
import sys

from jsra.runtime import prepare
from jsra.version import __version__

__all__ = ["Detector", "__version__"]

try:
    prepare()
except OSError as error:
    # The commands (`jsra`, `python -m jsra`) end with the message; other programs get the exception.
    if os.path.basename(sys.argv[0]) not in ("jsra", "-m"):
        raise
    print(f"jsra: {error}", file=sys.stderr)
    sys.exit(2)


def __getattr__(name):
    # Detector imports Jittor, which takes a second (the first time: minutes), so it is imported only when used.
    if name == "Detector":
        from jsra.inference import Detector

        return Detector
    raise AttributeError(f"module 'jsra' has no attribute {name!r}")
