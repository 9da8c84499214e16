"""The PyTorch side of `jsra crosscheck`: run by an interpreter with PyTorch, in a separate process.

    PYTHON worker.py FOLDER

Reads FOLDER/request.json and given.safetensors, writes FOLDER/answer.safetensors, or error.json with a message of one line.
It needs only PyTorch, neither jsra nor NumPy.
"""

import ctypes
import importlib.util
import json
import math
import os
import struct
import sys
import traceback

FLOAT, INT = "F32", "I32"


class Wrong(Exception):
    """An error with a message for the user, in one line."""


def read(path):
    """{name: tensor} from a safetensors file with float32 and int32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        dtype = {FLOAT: torch.float32, INT: torch.int32}[entry["dtype"]]
        begin, end = entry["data_offsets"]
        empty = torch.zeros(entry["shape"], dtype=dtype)
        tensors[name] = (
            torch.frombuffer(bytearray(data[begin:end]), dtype=dtype).reshape(entry["shape"]) if end > begin else empty
        )
    return tensors


def write(path, tensors):
    """{name: tensor} as a safetensors file of float32 and int32."""
    header, parts, place = {}, [], 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().to(torch.float32 if tensor.is_floating_point() else torch.int32).contiguous()
        part = ctypes.string_at(tensor.data_ptr(), 4 * tensor.numel())
        kind = FLOAT if tensor.is_floating_point() else INT
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [place, place + len(part)]}
        parts.append(part)
        place += len(part)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def load_module(spec, settings):
    """The module that FILE.py:Class (or a function instead of the class) makes from the layer's settings."""
    path, _, name = spec.rpartition(":")
    if not os.path.isfile(path):
        raise Wrong(f"there is no file {path}")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    definition = importlib.util.spec_from_file_location("crosschecked", path)
    file = importlib.util.module_from_spec(definition)
    sys.modules["crosschecked"] = file
    guarded(f"{path} cannot be imported", definition.loader.exec_module, file)
    make = getattr(file, name, None)
    if make is None:
        raise Wrong(f"{path} does not define {name}")
    return guarded(f"{name}({', '.join(f'{k}={v!r}' for k, v in settings.items())})", make, **settings)


def guarded(what, function, *args, **kwargs):
    """Calls function(...); an exception becomes a message of one line, with the line in the user's own file."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        own = [f for f in frames if "site-packages" not in f.filename and not f.filename.startswith("<")] or frames
        place = f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""
        text = " ".join(str(error).split())
        raise Wrong(f"{what} raises {type(error).__name__}: {text}{place}") from None


def fitted(tensor, shape, what):
    """The same numbers in another shape, e.g. that of a 1 x 1 convolution. Raises Wrong if the numbers of elements differ."""
    here, there = tuple(tensor.shape), tuple(shape)
    if here[:1] != there[:1] or math.prod(here) != math.prod(there):
        raise Wrong(f"{what} has the shape {list(here)} here and {list(there)} there")
    return tensor.reshape(there)


def set_weights(module, given, names):
    """Copy the weights into the module; names: {our name: their name}."""
    state = module.state_dict()
    missing = [f"{theirs} (here {ours})" if ours != theirs else ours for ours, theirs in names.items() if theirs not in state]
    extra = [n for n in state if n not in names.values() and not n.endswith("num_batches_tracked")]
    if missing or extra:
        parts = [f"it lacks {', '.join(missing)}"] if missing else []
        parts += [f"jsra's layer has no {', '.join(extra)}"] if extra else []
        raise Wrong(f"the module has different weights: {'; '.join(parts)}. If only names differ, use --map OURS=THEIRS")
    new = {theirs: fitted(given[f"weight/{ours}"], state[theirs].shape, ours) for ours, theirs in names.items()}
    module.load_state_dict(new, strict=False)


def maps_of(given, prefix, request):
    """The arguments of the module: (features, rois, spatial_scale[, levels])."""
    features = [given[f"{prefix}features/{i}"].clone().requires_grad_() for i in range(len(request["scales"]))]
    rois = given[f"{prefix}rois"].clone().requires_grad_()
    if request["pyramid"]:
        return features, rois, (features, rois, request["scales"], given[f"{prefix}levels"])
    return features, rois, (features[0], rois, request["scales"][0])


def call(module, inputs):
    """The output [K, C, N]."""
    out = guarded("the call with (features, rois, spatial_scale)", module, *inputs)
    if not isinstance(out, torch.Tensor):
        raise Wrong(f"the module returns {type(out).__name__}, not a tensor [K, C, N] or [K, C, h, w]")
    return out


def intermediates(module, inputs):
    """{name: tensor} of every step: from the module's method `intermediates` if it has one, otherwise the inputs and outputs
    of its parts with weights."""
    if hasattr(module, "intermediates"):
        return guarded("intermediates", module.intermediates, *inputs)
    found, hooks = {}, []
    for name, part in module.named_modules():
        if name and part.state_dict() and not list(part.children()):

            def keep(_, given, out, name=name):
                found.setdefault(f"{name}.in", given[0])
                found.setdefault(name, out)

            hooks.append(part.register_forward_hook(keep))
    call(module, inputs)
    for hook in hooks:
        hook.remove()
    return found


def answer(request, given):
    """{name: tensor} of everything that is compared."""
    module = load_module(request["module"], request["settings"])
    if not isinstance(module, torch.nn.Module):
        raise Wrong(f"{request['module']} makes {type(module).__name__}, not a torch.nn.Module")
    if request["double"]:
        module.double()
        given = {name: x.double() if x.is_floating_point() else x for name, x in given.items()}
    names, found = request["weights"], {}

    def reset(training):
        set_weights(module, given, names)
        module.train(training)

    reset(True)
    with torch.no_grad():
        for name, value in intermediates(module, maps_of(given, "", request)[2]).items():
            if isinstance(value, torch.Tensor) and name != "output":
                found[f"intermediate/{name}"] = value
    reset(True)
    features, rois, inputs = maps_of(given, "", request)
    out = call(module, inputs)
    cotangent = given["cotangent"]
    if out.numel() != cotangent.numel() or out.shape[:2] != cotangent.shape[:2]:
        raise Wrong(f"the output has the shape {list(cotangent.shape)} here and {list(out.shape)} there")
    found["output"] = out.reshape(cotangent.shape)
    state = dict(module.state_dict(keep_vars=True))
    guarded("the backward pass", torch.autograd.backward, (found["output"] * cotangent).sum())
    gradients = {f"features/{i}": x.grad for i, x in enumerate(features)}
    gradients["rois"] = rois.grad
    gradients.update({ours: state[theirs].grad for ours, theirs in names.items()})
    for name, gradient in gradients.items():
        if gradient is not None:
            like = given.get(f"weight/{name}")
            found[f"gradient/{name}"] = gradient if like is None else gradient.reshape(like.shape)
    for ours, theirs in names.items():
        if ours not in request["trained"]:
            found[f"after/{ours}"] = state[theirs].reshape(given[f"weight/{ours}"].shape).clone()
    reset(False)
    with torch.no_grad():
        found["evaluation"] = call(module, maps_of(given, "", request)[2]).reshape(cotangent.shape)
    reset(True)
    losses = []
    weights = list(module.parameters())  # of a layer such as RoI Align: none
    optimizer = torch.optim.SGD(weights, lr=request["lr"], momentum=0.9) if request["steps"] and weights else None
    for step in range(request["steps"]):
        out = call(module, maps_of(given, f"step{step}/", request)[2])
        loss = (out.reshape(cotangent.shape) - given[f"step{step}/target"]).square().mean()
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.detach())
    if losses:
        found["losses"] = torch.stack(losses)
    return found


def main(folder):
    with open(os.path.join(folder, "request.json"), encoding="utf8") as file:
        request = json.load(file)
    given = read(os.path.join(folder, "given.safetensors"))
    found = answer(request, given)
    write(os.path.join(folder, "answer.safetensors"), found)


if __name__ == "__main__":
    try:
        try:
            import torch
        except ImportError as error:
            raise Wrong(f"this Python has no PyTorch ({error})") from None
        main(sys.argv[1])
    except Wrong as error:
        with open(os.path.join(sys.argv[1], "error.json"), "w", encoding="utf8") as file:
            json.dump(str(error), file)
        sys.exit(1)
