"""Everything that a result depends on: a config with all defaults, and versions of the code.

    resolved(config)         plain data: all settings, those in the config and the defaults of constructors
    fingerprint(settings)    a short hash of them
    differences(old, new)    what differs, for messages

If the code of a part changes so that the same settings give another result (initial weights, random numbers, a formula), its
class attribute `version` must be increased (1 if there is none; subclasses inherit it). Code that no config names has its
versions in jsra.defaults.CODE.
"""

from __future__ import annotations

import hashlib
import json

from jsra.defaults import CODE, OUTPUT, completed, defaults, plain, without_helpers

# Defaults for keys that a config does not have.
DEFAULTS = {"scheduler": {"type": "StepLR"}, "parameter_groups_generator": {"type": "ParameterGroups"}}


def resolved(config) -> dict:
    """Everything in a config (jsra.config.load_config) that a result depends on, with all defaults, as JSON data.

    At the top level, missing keys and keys with null or false are the same. Workers, output folders and output intervals are
    left out.
    """
    from jsra.evaluation.dataset_evaluator import evaluator_settings

    settings = {**DEFAULTS, **{k: v for k, v in config.items() if v is not None and v is not False}}
    settings = {k: v for k, v in without_helpers(settings).items() if k not in OUTPUT}
    if settings.get("dataset"):
        settings["evaluator"] = evaluator_settings(config, "val")
    if settings.get("feature_cache"):
        settings["feature_cache"] = {"precision": "float16"}
    if settings.get("amp"):
        settings["amp"] = _amp({} if settings["amp"] is True else settings["amp"])
    if settings.get("ema"):
        settings["ema"] = _ema({} if settings["ema"] is True else settings["ema"])
    settings = {key: completed(value) for key, value in settings.items()}
    return plain({**settings, "code": CODE})


def fingerprint(settings: dict) -> str:
    """A short hash of plain settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def _amp(settings):
    from jsra.engine import amp

    return {**defaults(amp.LossScaler), **defaults(amp.enable), **settings}


def _ema(settings):
    from jsra.engine.ema import AveragedOptimizer

    return {**defaults(AveragedOptimizer), **settings}
