"""`prepare()` makes `import jittor` work offline and quietly in this process."""

from __future__ import annotations

import os
import sys

import numpy as np

from jsra.runtime import before_jittor, cuda, home, launcher, onednn, python_config

# Variables that jsra sets if the user has not set them, and why.
#   log_silent         Jittor prints a banner and progress to stderr at each import.
#   OMP_WAIT_POLICY    spinning threads make a training step 2 to 10 times slower next to any other busy process.
#   FIX_TORCH_ERROR    Jittor would import PyTorch, if installed, to work around an old conflict.
#   cache_name         Jittor names its cache after the git branch of the folder in which it is installed: in a virtual
#                      environment inside a checkout, everything would be compiled again after each change of branch.
_DEFAULTS = {"log_silent": "1", "OMP_WAIT_POLICY": "passive", "FIX_TORCH_ERROR": "0", "cache_name": "jsra"}

# PATH of a process that has none (a service, a job of a scheduler, `env -i`): the compiler finds its assembler by it, and
# without it the compiler's own path would change, so that everything would be compiled again.
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

prepared = {}


def prepare() -> dict:
    """Set the environment for Jittor and link oneDNN; returns what was done, for `jsra doctor`.

    Does nothing at a second call, or if Jittor is already imported (its setup is then kept).
    Raises OSError, which says what to do, if the cache directory cannot be written, and ImportError if Jittor was imported
    with NumPy 2.
    """
    if prepared:
        return prepared
    if "jittor" in sys.modules:
        before_jittor.refuse_numpy_2()
        prepared["skipped"] = "jittor was imported before jsra: its own set-up is used"
        return prepared
    before_jittor.watch()
    before = dict(os.environ)
    home.expand()
    place = home.writable_home()
    own = os.path.join(place, ".cache", "jittor", "jsra")
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not os.environ.get("PATH"):
        os.environ["PATH"] = _SYSTEM_PATH
    launcher.adopt()
    done = {
        "home": place,
        "python_config": python_config.provide(own),
        "onednn": onednn.link(place),
        "cuda": cuda.choose(place),
    }
    # Jittor's operators are compiled with -Ofast, and loading one sets denormal numbers to zero. NumPy then prints a warning
    # when np.finfo is used for the first time, so it is used here before.
    for kind in (np.float32, np.float64):
        np.finfo(kind)
    done["environment"] = {name: value for name, value in os.environ.items() if before.get(name) != value}
    prepared.update(done)
    return prepared


def user_environment() -> dict:
    """The user's environment, for other programs: without the variables that jsra has set for Jittor."""
    ours = prepare().get("environment", {})
    return {name: value for name, value in os.environ.items() if ours.get(name) != value}
