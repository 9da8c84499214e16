"""Gives Jittor the oneDNN of the PyPI wheels, so that it downloads nothing at import.

Jittor looks for oneDNN 2.2 in <home>/.cache/jittor/mkl/dnnl_lnx_2.2.0_cpu_gomp and otherwise downloads it. The wheels
onednn-cpu-gomp and onednn-devel-cpu-gomp 2021.2.0 are the same release; they install into <prefix>/lib and <prefix>/include.
"""

import os
import platform
import sys

WHEELS = "onednn-cpu-gomp==2021.2.0 onednn-devel-cpu-gomp==2021.2.0"
# File that Jittor opens -> file in the wheels.
_LIBRARIES = {
    "libmkldnn.so": "libmkldnn.so.2.2",
    "libmkldnn.so.2": "libmkldnn.so.2.2",
    "libdnnl.so": "libdnnl.so.2.2",
    "libdnnl.so.2": "libdnnl.so.2.2",
}


def supported() -> bool:
    """Whether the wheels exist for this platform."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def place(home: str) -> str:
    """The folder in which Jittor looks for oneDNN."""
    return os.path.join(home, ".cache", "jittor", "mkl", "dnnl_lnx_2.2.0_cpu_gomp")


def find_wheels() -> dict:
    """{'include': dir, 'lib': dir} of the installed wheels, or {} if they are not installed."""
    for prefix in (sys.prefix, os.path.join(os.path.expanduser("~"), ".local"), sys.base_prefix):
        include, lib = os.path.join(prefix, "include"), os.path.join(prefix, "lib")
        if os.path.isfile(os.path.join(include, "dnnl.hpp")) and os.path.isfile(os.path.join(lib, "libmkldnn.so.2.2")):
            return {"include": include, "lib": lib}
    return {}


def _link(target: str, link: str):
    """Make `link` a symbolic link to `target`, atomically; a link to another target is replaced."""
    if os.path.islink(link) and os.readlink(link) == target:
        return
    temporary = f"{link}.{os.getpid()}"
    os.symlink(target, temporary)
    os.replace(temporary, link)


def link(home: str) -> str:
    """Link the wheels' oneDNN into the folder where Jittor looks; returns one sentence about what was found and done.

    An existing oneDNN that is not our link is not changed. Without oneDNN, Jittor is told not to use it (its convolutions are
    then 30 to 150 times slower); otherwise Jittor would download it.
    """
    if os.environ.get("use_mkl") == "0":
        return "off: use_mkl=0 is set in the environment"
    target = place(home)
    library = os.path.join(target, "lib", "libmkldnn.so")
    if os.path.isfile(library) and not os.path.islink(library):
        return f"Jittor's own, in {target}"
    wheels = find_wheels()
    if wheels:
        # A real directory for the headers: Jittor passes it with -I, and the prefix's include may contain other headers.
        for folder in ("include", "lib"):
            os.makedirs(os.path.join(target, folder), exist_ok=True)
        for name in sorted(os.listdir(wheels["include"])):
            if name.startswith(("dnnl", "mkldnn", "oneapi")):
                _link(os.path.join(wheels["include"], name), os.path.join(target, "include", name))
        for name, source in _LIBRARIES.items():
            _link(os.path.join(wheels["lib"], source), os.path.join(target, "lib", name))
        return f"2.2 from the wheels in {wheels['lib']}"
    if os.path.isfile(library):
        return f"an earlier link, {os.path.realpath(library)}"
    os.environ["use_mkl"] = "0"
    cure = f"pip install {WHEELS}" if supported() else "no wheel for this platform"
    return f"missing ({cure}); convolutions run without it, 30 to 150 times slower"
