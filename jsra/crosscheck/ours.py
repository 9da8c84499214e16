"""Our side of a cross-check: one RoI layer with the given weights and inputs. The names of the results are those of
worker.py."""

from __future__ import annotations

import contextlib

import jittor as jt
import numpy as np

from jsra.engine.optimizer import SGD


def answer(layer, request, given) -> dict:
    """{name: array} of everything that is compared, except the losses of the steps."""
    found = {}
    _reset(layer, request, given, True)
    with jt.no_grad():
        for name, value in _intermediates(layer, *_inputs(given, "", request)).items():
            found[f"intermediate/{name}"] = value.numpy()
    _reset(layer, request, given, True)
    features, rois, scale, levels = _inputs(given, "", request)
    out = layer(features, rois, scale, levels)
    state = layer.state_dict()
    weights = [state[name] for name in request["trained"]]
    maps = features if request["pyramid"] else [features]
    loss = (out * _var(given["cotangent"], request).reshape(out.shape)).sum()
    gradients = jt.grad(loss, [*maps, rois, *weights])
    jt.sync([out, *gradients])
    found["output"] = _flat(out)
    names = [f"features/{i}" for i in range(len(maps))] + ["rois", *request["trained"]]
    found.update({f"gradient/{name}": gradient.numpy() for name, gradient in zip(names, gradients)})
    found.update({f"after/{n}": v.numpy() for n, v in layer.state_dict().items() if n not in request["trained"]})
    _reset(layer, request, given, False)
    with jt.no_grad():
        found["evaluation"] = _flat(layer(*_inputs(given, "", request)))
    return found


def output_shape(layer, request, given) -> tuple:
    """The shape (K, C, N) of the layer's output; for [K, C, h, w], N = h * w."""
    _reset(layer, request, given, False)
    with jt.no_grad():
        return _flat(layer(*_inputs(given, "", request))).shape


def losses(layer, request, given) -> list:
    """The loss before each of the steps."""
    _reset(layer, request, given, True)
    state = layer.state_dict()
    weights = [state[name] for name in request["trained"]]
    optimizer = SGD(weights, lr=request["lr"], momentum=0.9) if weights else None
    found = []
    for step in range(request["steps"]):
        out = layer(*_inputs(given, f"step{step}/", request))
        difference = out - _var(given[f"step{step}/target"], request).reshape(out.shape)
        # The mean of each row first: a float32 sum over all numbers in sequence would lose four digits.
        loss = (difference * difference).reshape(out.shape[0] * out.shape[1], -1).mean(1).mean()
        if optimizer is not None:
            optimizer.step(loss)
        found.append(loss.item())
    return found


def _var(array, request):
    """A Var in float32, or in float64 if `double` is requested (by default, Jittor converts float64 to float32)."""
    if array.dtype.kind != "f" or not request["double"]:
        return jt.array(array)
    with jt.flag_scope(auto_convert_64_to_32=0):
        return jt.array(array.astype(np.float64))


def _reset(layer, request, given, training):
    for name in layer.state_dict():
        owner, _, last = name.rpartition(".")
        new = _var(given[f"weight/{name}"], request)
        trained = name in request["trained"]
        setattr(_part(layer, owner), last, new.start_grad() if trained else new.stop_grad())  # update() keeps the old type
    layer.train() if training else layer.eval()


def _part(layer, name):
    """The part of a layer with this name in the state, e.g. 'blocks.0.M_k'."""
    return dict(layer.named_modules())[name] if name else layer


def _inputs(given, prefix, request):
    maps = [_var(given[f"{prefix}features/{i}"], request) for i in range(len(request["scales"]))]
    rois = _var(given[f"{prefix}rois"], request)
    if request["pyramid"]:
        return maps, rois, request["scales"], jt.array(given[f"{prefix}levels"])
    return maps[0], rois, request["scales"][0], None


def _flat(out):
    """[K, C, N], NumPy."""
    array = out.numpy()
    return array.reshape(array.shape[0], array.shape[1], -1) if array.size else array.reshape(*array.shape[:2], 0)


def _intermediates(layer, features, rois, scale, levels):
    """{name: Var} of every step, in order: from the layer's own method `intermediates`, or else the inputs and outputs of its
    parts with weights."""
    if hasattr(layer, "intermediates"):
        return layer.intermediates(features, rois, scale, levels)
    found = {}
    with contextlib.ExitStack() as stack:
        for name, part in layer.named_modules():
            if name and part.state_dict() and not part.children():
                _keep(found, stack, name, part)
        layer(features, rois, scale, levels).sync()
    return found


def _keep(found, stack, name, part):
    """Store the first call of the part in `found`, until the stack is closed."""
    execute = part.execute

    def noting(x):
        out = execute(x)
        found.setdefault(f"{name}.in", x.clone())
        found.setdefault(name, out.clone())
        return out

    part.execute = noting
    stack.callback(part.__dict__.pop, "execute")
