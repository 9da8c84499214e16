"""A cross-check from its settings to its table: each framework in a process of its own, tensors in files between them."""

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
# Settings of our layers that say how they compute or begin, not what.
OURS_ALONE = ("type", "form", "initial_logit_std", "position_gain")


class Case(NamedTuple):
    """layer: built. request: the plain settings that both sides read. given: {name: array} that both sides read."""

    layer: object
    request: dict
    given: dict


def make_case(settings, module, count=24, size=(20, 28), pyramid=False, degenerate=False, steps=0, lr=0.01, seed=0,
              double=False, weights=None, renamed=()) -> Case:  # fmt: skip
    """The case of a RoI layer's settings (a dict with `type`) and of FILE.py:Class.

    count boxes on maps of `size`; pyramid: on four of them; degenerate: also boxes that are none. double: in float64.
    steps, lr: of SGD with momentum 0.9. weights: a file of weights; None draws them. renamed: [(ours, theirs)], names or the
    first parts of names of weights and intermediates. Raises ConfigError, WeightsError.
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
    """C of the maps: what the layer is built for; 16 for a layer that takes any."""
    taken = parameters(registry.get(settings["type"])).get("in_channels")
    return settings.get("in_channels", 16 if taken is None else taken.default)


def _chosen(path, shapes):
    """The layer's weights out of a file of the layer's or of a whole detector's."""
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
    """The other side's name: by the longest pair (from, to) that is the name or a first part of it."""
    for begin, other in sorted(pairs, key=lambda pair: -len(pair[0])):
        if name == begin or name.startswith(begin + "."):
            return other + name[len(begin) :]
    return name


def answer_here(case) -> dict:
    """What this side answers: {name: array}."""
    found = ours.answer(case.layer, case.request, case.given)
    if case.request["steps"]:
        found["losses"] = np.float32(ours.losses(case.layer, case.request, case.given))
    return found


def answer_there(case, python, renamed=()) -> dict:
    """What the PyTorch module answers, run by the interpreter `python`. ConfigError with its one line if it cannot."""
    from safetensors.numpy import load_file, save_file

    with tempfile.TemporaryDirectory() as folder:
        save_file({n: np.ascontiguousarray(a) for n, a in case.given.items()}, os.path.join(folder, "given.safetensors"))
        with open(os.path.join(folder, "request.json"), "w", encoding="utf8") as file:
            json.dump(case.request, file)
        try:
            done = subprocess.run([python, WORKER, folder], env=user_environment(), stderr=subprocess.PIPE, text=True)
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
