"""`prepare()`: make `import jittor` work offline and quietly in this process."""

from __future__ import annotations

import os
import sys

import numpy as np

from jsra.runtime import before_jittor, cuda, home, launcher, onednn, python_config

# What jsra sets where the user has not.
#   log_silent         Jittor prints a banner and progress to stderr at each import.
#   OMP_WAIT_POLICY    spinning threads make a training step 2 to 10 times slower next to any other busy process.
#   FIX_TORCH_ERROR    Jittor would import PyTorch, if installed, to work around an old conflict.
#   cache_name         Jittor names its cache after the git branch of the folder that it is installed in: a virtual
#                      environment inside a checkout would compile all anew after each change of branch.
_DEFAULTS = {"log_silent": "1", "OMP_WAIT_POLICY": "passive", "FIX_TORCH_ERROR": "0", "cache_name": "jsra"}

prepared = {}


def prepare() -> dict:
    """Set the environment for Jittor and link oneDNN; returns what was done, for `jsra doctor`.

    Does nothing the second time, or if Jittor is imported already (then its set-up stands).
    Raises OSError with the cure if the cache directory cannot be written.
    """
    if prepared:
        return prepared
    if "jittor" in sys.modules:
        prepared["skipped"] = "jittor was imported before jsra: its own set-up is used"
        return prepared
    before_jittor.watch()
    before = dict(os.environ)
    place = home.writable_home()
    own = os.path.join(place, ".cache", "jittor", "jsra")
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    launcher.adopt()
    done = {
        "home": place,
        "python_config": python_config.provide(own),
        "onednn": onednn.link(place),
        "cuda": cuda.choose(place),
    }
    # Jittor's operators are built with -Ofast, and loading one makes denormal numbers zero: NumPy warns of that in every
    # program that asks for these limits later, unless it has them already.
    for kind in (np.float32, np.float64):
        np.finfo(kind)
    done["environment"] = {name: value for name, value in os.environ.items() if before.get(name) != value}
    prepared.update(done)
    return prepared


def user_environment() -> dict:
    """The environment for other programs, as the user has it: without what jsra set for Jittor, such as how threads wait."""
    ours = prepare().get("environment", {})
    return {name: value for name, value in os.environ.items() if ours.get(name) != value}
