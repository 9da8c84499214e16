"""`python -m jsra.integrations.jdet SCRIPT ARGUMENTS`: run a script of JDet, e.g. its tools/run_net.py, without changes.

Jittor is prepared as for jsra (offline, also on a machine without a GPU), and jsra's parts are registered in JDet for any
config. If Jittor has no CUDA, the script may still set CUDA flags, as run_net.py does even with --no_cuda.
"""

import os
import runpy
import sys

import jittor as jt


class _Flags:
    """jt.flags, in which setting unknown CUDA flags has no effect."""

    def __init__(self, flags):
        object.__setattr__(self, "_flags", flags)

    def __getattr__(self, name):
        return getattr(self._flags, name)

    def __setattr__(self, name, value):
        if hasattr(self._flags, name) or "cuda" not in name:
            setattr(self._flags, name, value)


def main(arguments):
    if not arguments or not os.path.isfile(arguments[0]):
        missing = f"there is no {arguments[0]}" if arguments else "no script is named"
        sys.exit(f"{missing}; write python -m jsra.integrations.jdet JDET/tools/run_net.py --config-file ...")
    if not jt.has_cuda:
        jt.flags = _Flags(jt.flags)
    sys.argv = list(arguments)
    sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
