"""Reads and writes weights files of all supported formats; in memory they are {name: NumPy array}."""

from __future__ import annotations

import json
import math
import os
import re
import struct
import sys
import zipfile
from operator import index

import numpy as np

from jsra.convert import jittor_file, torch_file
from jsra.convert.nested import KEYS, inward
from jsra.convert.origin import metadata
from jsra.convert.torch_file import WeightsError
from jsra.folders import is_file

TORCH = (".pth", ".pt", ".bin", ".ckpt")
WRITTEN = (*TORCH, ".pkl", ".safetensors", ".npz")
# Keys of weights that were averaged during training: timm's, torchvision's, ultralytics'. Not mmengine's ema_state_dict: its
# EMAHook exchanges both when it saves, so that state_dict has the averaged weights.
_AVERAGED = ("state_dict_ema", "model_ema", "ema")
_SAFETENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip


def read_weights(path) -> dict:
    """{name: array} of a .pth, .pt, .pkl (Jittor, JDet), .safetensors or .npz file.

    In a checkpoint, the state dict is found automatically; the prefix 'module.' of data-parallel training is removed.
    Floating-point numbers become float32. Raises FileNotFoundError, WeightsError.
    """
    path = os.fspath(path)
    if not is_file(path):
        raise FileNotFoundError(f"{path}: there is no such weights file")
    _check_start(path)
    extension = os.path.splitext(path)[1].lower()
    if extension in (*TORCH, ".pkl"):
        pickled = _is_pickle(path, extension)
        arrays = _state_dict((jittor_file if pickled else torch_file).read(path), path, pickled)
    elif extension == ".safetensors":
        arrays = _read_safetensors(path)
    elif extension == ".npz":
        arrays = _read_npz(path)
    else:
        raise WeightsError(
            f"{path}: {extension or 'a file without extension'} is none of .pth, .pt, .pkl, .safetensors, .npz; if PyTorch "
            "wrote it (.pth.tar, .model, ...), rename it to .pth"
        )
    if arrays and all(name.startswith("module.") for name in arrays):
        arrays = {name[len("module.") :]: array for name, array in arrays.items()}
    odd = next((name for name, a in arrays.items() if a.dtype.kind not in "fiub"), None)
    if odd is not None:
        raise WeightsError(f"{path}: {odd} has dtype {arrays[odd].dtype}, which is none of numbers that weights have")
    with np.errstate(over="ignore"):  # numbers that are too large become infinite; an error names them when they are used
        return {name: a.astype(np.float32) if a.dtype.kind == "f" else a for name, a in arrays.items()}


def _is_pickle(path, extension) -> bool:
    """Whether a file is a pickle, as of jt.save and pickle.dump, and not of torch.save; both write under any of the names."""
    if torch_file.wrote(path):
        return False
    with open(path, "rb") as file:
        return extension == ".pkl" or file.read(1) == b"\x80"


def _check_start(path):
    """Raise WeightsError for files that are often given by mistake instead of weights."""
    with open(path, "rb") as file:
        start = file.read(512)
    if start[8:9] == b"{" and start[5:8] == bytes(3):
        if not path.lower().endswith(".safetensors"):
            raise WeightsError(f"{path}: this is a safetensors file: rename it to .safetensors")
        return  # the length of the header, before it, may look like text
    if path.lower().endswith(".safetensors") and torch_file.wrote(path):
        raise WeightsError(f"{path}: this is a file of torch.save, not of safetensors: rename it to .pth")
    line = _text(start)
    start = start.lstrip().lower()
    if not start:
        raise WeightsError(f"{path}: the file is empty; download it again")
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path}: this is a Git LFS pointer, not the weights: run `git lfs pull` in its repository")
    if start.startswith(b"<"):
        raise WeightsError(f"{path}: this is a web page, not weights: the download returned an error or a log-in page")
    if start.startswith(b"\x1f\x8b"):
        raise WeightsError(f"{path}: compressed by gzip: unpack it (gunzip, or tar xzf)")
    if start.startswith((b"{", b"[")):
        raise WeightsError(f"{path}: this is text (JSON), not weights: the download returned an error, or it is another file")
    if line and path.lower().endswith((*TORCH, ".pkl")):
        raise WeightsError(
            f"{path}: this is text ({line!r}), not weights: the download returned an error, or it is another file"
        )


def _text(start) -> str:
    """The beginning of the first line of a text; "" for anything else, also for a pickle of the oldest protocol."""
    try:
        line = start.decode().strip().splitlines()[0]
    except (UnicodeDecodeError, IndexError):
        return ""
    pickled = re.match(r"[(\]})]|c[\w.]+$", line)
    return "" if pickled or not line.isprintable() else line[:60]


def write_weights(path, arrays: dict, classes=(), config=None, source=None):
    """Write {name: array} as .pth, .pt, .pkl, .safetensors or .npz, atomically. Only .safetensors keeps the names of the
    classes, the settings of the model in the config of the run, and what the source said (jsra.convert.origin.said)."""
    path = os.fspath(path)
    extension = os.path.splitext(path)[1].lower()
    if extension not in WRITTEN:
        raise WeightsError(f"{path}: {extension or 'a file without extension'} is none of {', '.join(WRITTEN)}")
    unfinished = f"{path}.{os.getpid()}.unfinished{extension}"
    try:
        if extension in TORCH:
            torch_file.write(unfinished, arrays)
        elif extension == ".pkl":
            jittor_file.write(unfinished, arrays)
        elif extension == ".npz":
            np.savez(unfinished, **arrays)
        else:
            from safetensors.numpy import save

            with open(unfinished, "wb") as f:
                about = metadata(classes, config, source)
                f.write(save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, about))
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


def _state_dict(content, path, pickled) -> dict:
    """The arrays of a checkpoint's content; pickled: the file is none of torch.save, so torch.load cannot read it."""
    caffe = _is_caffe(content)
    for key, outer in inward(content):
        averaged = next((k for k in _AVERAGED if k != key and isinstance(outer.get(k), dict)), None)
        if averaged:
            print(f"{path}: read {key!r}; the averaged weights, {averaged!r}, are not used", file=sys.stderr)
        content = outer[key]
    if isinstance(content, torch_file.Inert):
        raise WeightsError(_whole(path, "its content"))
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: holds {type(content).__name__}, not a dictionary of tensors")
    unread = [str(name) for name, value in content.items() if isinstance(value, torch_file.Unread)]
    if unread:
        raise WeightsError(
            f"{path}: {len(unread)} tensors are of a kind that is not supported (sparse, quantised, complex, 8-bit floats, "
            f"of another device than CPU and GPU), such as {unread[0]}: save them in PyTorch as dense tensors on the CPU, "
            "torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, 'weights.pth')"
        )
    arrays = {str(name): value for name, value in content.items() if isinstance(value, np.ndarray)}
    whole = next((key for key in (*KEYS, *_AVERAGED) if isinstance(content.get(key), torch_file.Inert)), None)
    if not arrays and whole:
        raise WeightsError(_whole(path, repr(whole)))
    inside = list(_with_arrays(content))
    if not arrays and inside:
        raise WeightsError(
            f"{path}: its tensors are in {', '.join(repr('.'.join(keys)) for keys in inside)}, and only {', '.join(KEYS)} "
            f"are read: save those of the model alone, {_alone(inside[0], pickled)}"
        )
    if not arrays:
        items = [item for d in (content, *content.values()) if isinstance(d, dict) for item in d.values()]
        objects = any(isinstance(item, torch_file.Inert) for item in items)
        hint = "; objects in it, such as arrays of NumPy, are not read: save tensors" if objects else ""
        raise WeightsError(f"{path}: no tensors in it; its keys are {', '.join(map(str, list(content)[:8])) or 'none'}{hint}")
    if caffe and any(name.endswith("layer1.0.conv3.weight") for name in arrays):
        raise WeightsError(
            f"{path}: its config has style='caffe': each block of this ResNet has the stride on its first 1x1 convolution, "
            "ours on the 3x3 one, so the results would be wrong; use weights of style='pytorch'"
        )
    return arrays


def _with_arrays(content, keys=()):
    """The keys, from the outside to the inside, of each dictionary in another one, at most three deep, that has arrays."""
    for key, value in content.items():
        if isinstance(value, dict) and any(isinstance(item, np.ndarray) for item in value.values()):
            yield (*keys, str(key))
        elif isinstance(value, dict) and len(keys) < 2:
            yield from _with_arrays(value, (*keys, str(key)))


def _alone(keys, pickled) -> str:
    """The line of Python that saves the weights under these keys of a FILE alone."""
    inside = "".join(f"[{key!r}]" for key in keys)
    if pickled:
        return f"import pickle; pickle.dump(pickle.load(open(FILE, 'rb')){inside}, open('weights.pkl', 'wb'))"
    return f"in PyTorch: torch.save(torch.load(FILE, weights_only=False){inside}, 'weights.pth')"


def _whole(path, what) -> str:
    return (
        f"{path}: {what} is an object with its class, such as a whole model, which is not loaded: save the weights alone in "
        "PyTorch, torch.save(model.state_dict(), 'weights.pth')"
    )


def _is_caffe(content) -> bool:
    """Whether the config that mmdet stores with its weights has a ResNet in Caffe's form; the names of weights are equal."""
    meta = content.get("meta") if isinstance(content, dict) else None
    texts = [meta.get(key) for key in ("config", "cfg")] if isinstance(meta, dict) else []
    caffe = r"""\bstyle['"]?\s*[=:]\s*['"]caffe['"]"""
    return any(isinstance(text, str) and re.search(caffe, text) for text in texts)


def _read_npz(path) -> dict:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, EOFError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: not an .npz file of arrays, or damaged or truncated ({error})") from None


def _unique(pairs):
    """A dictionary of JSON. Raises ValueError if a key appears twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name appears twice")
    return found


def _read_safetensors(path) -> dict:
    """Read without the library, because its NumPy interface does not support bfloat16."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
        if length > size - 8:
            raise WeightsError(f"{path}: not a safetensors file, or truncated")
        try:
            header = json.loads(file.read(length), object_pairs_hook=_unique)
            entries = {
                name: (entry["dtype"], tuple(map(index, entry["shape"])), *map(index, entry["data_offsets"]))
                for name, entry in header.items() if name != "__metadata__"
            }  # fmt: skip
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsError(f"{path}: the header is damaged: {type(error).__name__}: {error}") from None
        data = file.read()
    arrays = {}
    for name, (dtype, shape, begin, end) in entries.items():
        if not 0 <= begin <= end <= len(data):
            raise WeightsError(f"{path}: {name} is outside the file, which is damaged or truncated")
        stored = "<u2" if dtype == "BF16" else _SAFETENSORS.get(dtype)
        if stored is None:
            raise WeightsError(f"{path}: {name} has dtype {dtype}, which is not supported")
        if min(shape, default=0) < 0 or math.prod(shape) * np.dtype(stored).itemsize != end - begin:
            raise WeightsError(f"{path}: {name} is {list(shape)} of {dtype} in {end - begin} bytes: the file is damaged")
        array = np.frombuffer(data[begin:end], stored)
        arrays[name] = (torch_file.widen_bfloat16(array) if dtype == "BF16" else array).reshape(shape).copy()
    return arrays
