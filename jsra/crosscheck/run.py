"""Runs a cross-check, from settings to the table: each framework in a separate process; tensors are exchanged in files."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from typing import NamedTuple

import numpy as np

from jsra import registry
from jsra.arguments import parameters
from jsra.convert.files import read_weights
from jsra.crosscheck import ours
from jsra.crosscheck.case import random_inputs, scales_of
from jsra.crosscheck.weights import random_weights
from jsra.registry import ConfigError, nearest
from jsra.runtime.prepare import user_environment
from jsra.runtime.seed import set_seed

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
# Settings of our layers that change the way of computation or the initial weights, not the function.
OURS_ALONE = ("type", "form", "initial_logit_std", "position_gain")


class Case(NamedTuple):
    """layer: the built layer. request: settings as plain data; given: {name: array}; both sides read these."""

    layer: object
    request: dict
    given: dict


def make_case(settings, module, count=24, size=(20, 28), pyramid=False, degenerate=False, steps=0, lr=0.01, seed=0,
              double=False, weights=None, renamed=()) -> Case:  # fmt: skip
    """The Case for a RoI layer's settings (a dict with `type`) and a PyTorch module, FILE.py:Class.

    count: number of boxes; size: of the map, in cells; pyramid: four maps; degenerate: also invalid boxes. double: in
    float64. steps, lr: of SGD with momentum 0.9. weights: a weights file; None: random weights. renamed: [(our name, their
    name)] of weights and intermediates; beginnings of names are allowed. Raises ConfigError, WeightsError.
    """
    set_seed(seed)
    layer = registry.build(settings, "layer", "roi_layer")
    state = layer.state_dict()
    shapes = {name: tuple(var.shape) for name, var in state.items()}
    arrays = random_weights(shapes, getattr(layer, "gamma", 1.0)) if weights is None else _chosen(weights, shapes)
    request = {
        "module": module,
        "settings": {key: value for key, value in settings.items() if key not in OURS_ALONE},
        "weights": {name: _rename(name, renamed) for name in state},
        "trained": [name for name, var in state.items() if not var.is_stop_grad()],
        "scales": scales_of(pyramid),
        "pyramid": bool(pyramid),
        "double": bool(double),
        "steps": int(steps),
        "lr": float(lr),
    }
    given = {f"weight/{name}": array for name, array in arrays.items()}
    rng, shape = np.random.default_rng(seed), None
    for prefix, result in (("", "cotangent"), *((f"step{i}/", f"step{i}/target") for i in range(steps))):
        inputs = random_inputs(rng, _channels(settings), count, size, pyramid, degenerate)
        given.update({f"{prefix}{name}": array for name, array in inputs.items()})
        shape = shape or ours.output_shape(layer, request, given)
        given[result] = rng.standard_normal(shape).astype(np.float32)
    return Case(layer, request, given)


def _channels(settings):
    """C of the maps: that of the layer, or 16 for a layer that works with any number of channels."""
    taken = parameters(registry.get(settings["type"])).get("in_channels")
    return settings.get("in_channels", 16 if taken is None else taken.default)


def _chosen(path, shapes):
    """The layer's weights from a file with the weights of the layer or of a whole detector."""
    arrays = read_weights(path)
    first = next(iter(shapes), "")
    prefix = next((name[: -len(first)] for name in arrays if name == first or name.endswith(f".{first}")), "")
    for name, shape in shapes.items():
        if f"{prefix}{name}" not in arrays:
            raise ConfigError(f"{path}: has no {prefix}{name}, a weight of the layer{nearest(name, arrays)}")
        found = arrays[f"{prefix}{name}"].shape
        if found != shape:
            raise ConfigError(
                f"{path}: {prefix}{name} has the shape {list(found)}, the layer has {list(shape)}: give the layer the "
                "settings that the weights were trained with (--set)"
            )
    return {name: arrays[f"{prefix}{name}"] for name in shapes}


def _rename(name, pairs):
    """The name on the other side, by the pair (from, to) with the longest `from` that is the name or a beginning of it."""
    for begin, other in sorted(pairs, key=lambda pair: -len(pair[0])):
        if name == begin or name.startswith(begin + "."):
            return other + name[len(begin) :]
    return name


def answer_here(case) -> dict:
    """The results of our side: {name: array}."""
    found = ours.answer(case.layer, case.request, case.given)
    if case.request["steps"]:
        found["losses"] = np.float32(ours.losses(case.layer, case.request, case.given))
    return found


def answer_there(case, python, renamed=()) -> dict:
    """The results of the PyTorch module, run by the interpreter `python`. Raises ConfigError with its message if it fails."""
    from safetensors.numpy import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        save_file({n: np.ascontiguousarray(a) for n, a in case.given.items()}, os.path.join(folder, "given.safetensors"))
        with open(os.path.join(folder, "request.json"), "w", encoding="utf8") as file:
            json.dump(case.request, file)
        try:
            done = subprocess.run(
                [python, WORKER, folder], env=user_environment(), stderr=subprocess.PIPE, text=True, errors="replace"
            )
        except OSError as error:
            raise ConfigError(f"--torch {python}: cannot be run ({error.strerror})") from None
        problem = os.path.join(folder, "error.json")
        if os.path.exists(problem):
            with open(problem, encoding="utf8") as file:
                raise ConfigError(f"{case.request['module']} in {python}: {json.load(file)}")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ConfigError(f"{python} ended with code {done.returncode} while it ran {case.request['module']}: {last}")
        found = load_file(os.path.join(folder, "answer.safetensors"))
    back, start = [(theirs, mine) for mine, theirs in renamed], "intermediate/"
    return {start + _rename(n[len(start) :], back) if n.startswith(start) else n: a for n, a in found.items()}
