"""Reads and writes PyTorch's .pth files without PyTorch and without executing code in them.

A .pth file is a pickle, which can call any function when it is loaded. The unpickler here supports only tensors and plain
containers; all other objects are replaced by Inert, and modules that run code are refused.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import zipfile

import numpy as np

# Storage class -> dtype; bfloat16 is read as its bits and widened to float32.
_DTYPES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class WeightsError(RuntimeError):
    """A weights file cannot be read or does not fit; the message says why."""


class _Storage:
    """The numbers shared by tensors; they are filled in when the data part of the file is read."""

    def __init__(self, dtype: str, key: str, count: int):
        self.dtype, self.key, self.count = dtype, key, count
        self.data = None

    @property
    def item_size(self) -> int:
        return 2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize

    def fill(self, raw: bytes):
        if len(raw) < self.count * self.item_size:
            raise WeightsError(
                f"storage {self.key!r} holds {len(raw)} bytes, {self.count * self.item_size} were expected"
            )
        bits = np.frombuffer(raw, "<u2" if self.dtype == "bfloat16" else self.dtype, self.count)
        self.data = widen_bfloat16(bits) if self.dtype == "bfloat16" else bits


def widen_bfloat16(bits: np.ndarray) -> np.ndarray:
    """uint16 bit patterns of bfloat16 numbers -> float32, exactly."""
    return (bits.astype("<u4") << 16).view("<f4")


class Tensor:
    """A tensor whose storage may not be read yet."""

    def __init__(self, storage, offset, size, stride, *_):
        if not isinstance(storage, _Storage):
            raise WeightsError(
                "a tensor without a storage: the file is damaged, or pickle.dump wrote it: save the weights in PyTorch with "
                "torch.save"
            )
        self.storage, self.offset, self.size, self.stride = storage, int(offset), tuple(size), tuple(stride)

    def array(self) -> np.ndarray:
        data = self.storage.data
        if any(s == 0 for s in self.size):
            return np.zeros(self.size, data.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride))
        if self.offset < 0 or any(n < 0 or s < 0 for n, s in zip(self.size, self.stride)) or last >= len(data):
            raise WeightsError(f"a tensor of shape {self.size} reaches beyond its storage of {len(data)} numbers")
        strides = [s * data.itemsize for s in self.stride]
        return np.lib.stride_tricks.as_strided(data[self.offset :], self.size, strides).copy()


class Inert:
    """Replaces an object that is not needed for weights: it accepts any arguments and does nothing."""

    def __init__(self, *_, **__):
        pass

    def _ignore(self, *_, **__):
        return None

    __setstate__ = __setitem__ = append = extend = update = add = _ignore


class Unread(Inert):
    """Replaces a tensor of a kind that is not supported: sparse, quantised, of complex numbers or 8-bit floats, or saved from
    another kind of device; and a storage of such numbers."""


def _rebuild_tensor(storage, *arguments):
    return Unread() if isinstance(storage, Unread) else Tensor(storage, *arguments)


def _rebuild_parameter(data, *_):
    return data


def _rebuild_from_type(function, _type, args, *_):
    """A tensor or parameter with attributes of its own, which are left out."""
    return function(*args) if function in (_rebuild_tensor, _rebuild_parameter) else Unread()


def _refused(what):
    return WeightsError(
        f"refused: the file requests {what}, which weights do not need and which could run code; if you trust "
        "the file, save the weights alone in PyTorch: torch.save(torch.load(FILE, weights_only=False)[KEY], 'w.pth')"
    )


def _attribute(owner=None, *_):
    """Replaces getattr, with which pickle stores classes inside others, and methods: those of an Inert are Inert."""
    if owner is Inert or isinstance(owner, Inert):
        return Inert
    raise _refused("builtins.getattr")


# Modules that run code, or use files and other programs: nothing that is saved with weights needs them.
_RUNNING = (
    "_pickle", "_posixsubprocess", "asyncio", "bdb", "code", "codeop", "commands", "ctypes", "dill", "ftplib", "http",
    "importlib", "io", "marshal", "multiprocessing", "nt", "os", "pdb", "pickle", "pip", "platform", "posix", "profile",
    "pty", "pydoc", "runpy", "shutil", "signal", "smtplib", "socket", "ssl", "subprocess", "sys", "tempfile", "threading",
    "timeit", "trace", "urllib", "webbrowser", "zipimport",
)  # fmt: skip
_BUILTINS = ("builtins", "__builtin__")
# The built-ins that do. Others become Inert too: type (of None, in a type annotation), max and sum among the settings, ...
_RUNNING_BUILTINS = (
    "__build_class__", "__import__", "apply", "breakpoint", "compile", "delattr", "eval", "exec", "execfile", "exit", "file",
    "globals", "input", "locals", "open", "quit", "raw_input", "reload", "setattr", "vars",
)  # fmt: skip


class Unpickler(pickle.Unpickler):
    """pickle.Unpickler for tensors and plain containers.

    Other objects that training programs save, also those of a user's own classes, become Inert: their classes and functions
    are never imported or called. What could run code is refused.
    """

    def __init__(self, file, storages: dict):
        super().__init__(file, encoding="utf-8")
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch._utils" and name in ("_rebuild_parameter", "_rebuild_parameter_with_state"):
            return _rebuild_parameter
        if (module, name) == ("torch._tensor", "_rebuild_from_type_v2"):
            return _rebuild_from_type
        if module in ("torch._utils", "torch._tensor") and name.startswith("_rebuild_"):
            return Unread
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _DTYPES[name]
        if module == "torch" and name == "Size":
            return tuple
        if module in _BUILTINS and name == "getattr":
            return _attribute
        if name not in _RUNNING_BUILTINS if module in _BUILTINS else module.partition(".")[0] not in _RUNNING:
            return Inert
        raise _refused(f"{module}.{name}")

    def persistent_load(self, pid):
        # ('storage', class, key, device, count) and, in the legacy format, its position if it is part of another storage.
        if isinstance(pid, tuple) and len(pid) >= 5 and pid[:2] == ("storage", Inert):
            return Unread()  # complex numbers, 8 bits, ...
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage" or pid[1] not in _DTYPES.values():
            raise WeightsError("refused: a persistent object that is not a tensor's storage")
        if len(pid) > 5 and pid[5] is not None:
            raise WeightsError(
                "legacy files whose storages are views of others are not supported: save it with torch again"
            )
        key = str(pid[2])
        if key not in self.storages:
            self.storages[key] = _Storage(pid[1], key, int(pid[4]))
        return self.storages[key]


def load_pickle(unpickler):
    """The object that an Unpickler reads. Raises WeightsError for a damaged pickle."""
    try:
        return unpickler.load()
    except WeightsError:
        raise
    except UnicodeDecodeError:
        raise WeightsError(
            "a pickle of Python 2, as Caffe2, Detectron and detectron2 have them (R-50.pkl), or damaged: these are not read; "
            "for a backbone, use the weights of torchvision"
        ) from None
    except Exception as error:  # a damaged pickle can raise nearly any exception
        raise WeightsError(f"the pickle is damaged: {type(error).__name__}: {error}") from None


def _read_zip(path, with_data=True):
    storages = {}
    with zipfile.ZipFile(path) as archive:
        inside = [n for n in archive.namelist() if n.endswith("/data.pkl") or n == "data.pkl"]
        if not inside and any(n.endswith(".npy") for n in archive.namelist()):
            raise WeightsError("this is a NumPy file of arrays: rename it to .npz")
        if not inside:
            raise WeightsError("a zip file without data.pkl is not a PyTorch checkpoint: unpack it, if it contains one")
        folder = inside[0][: -len("data.pkl")]
        if f"{folder}constants.pkl" in archive.namelist():
            raise WeightsError(
                "a TorchScript archive, which holds code: save the weights of the model in PyTorch, "
                "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth')"
            )
        if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
            raise WeightsError("the file was written on a big-endian machine")
        content = load_pickle(Unpickler(io.BytesIO(archive.read(inside[0])), storages))
        for key, storage in storages.items() if with_data else ():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return content


def _read_legacy(path, with_data=True):
    storages = {}
    with open(path, "rb") as file:
        if load_pickle(Unpickler(file, {})) != _LEGACY_MAGIC:
            raise WeightsError("not in one of PyTorch's two formats")
        load_pickle(Unpickler(file, {}))  # protocol version
        load_pickle(Unpickler(file, {}))  # sizes of the writer's integers
        content = load_pickle(Unpickler(file, storages))
        for key in load_pickle(Unpickler(file, {})) if with_data else ():
            storage = storages.get(str(key))
            if storage is None:
                raise WeightsError(f"storage {key!r} belongs to no tensor")
            (count,) = struct.unpack("<q", file.read(8))
            storage.fill(file.read(count * storage.item_size))
    return content


def wrote(path: str) -> bool:
    """Whether a file starts as those of torch.save, in one of its two formats; its name says nothing."""
    with open(path, "rb") as file:
        start = file.read(32)
    return start.startswith(b"PK\x03\x04") or pickle.dumps(_LEGACY_MAGIC, 2)[2:-1] in start


def read(path: str) -> dict:
    """The checkpoint in a .pth or .pt file: its dictionaries and lists, with NumPy arrays instead of tensors.

    Both formats of PyTorch are supported (zip, and the older sequence of pickles). bfloat16 becomes float32.
    Raises WeightsError for a damaged file and for one that needs anything except tensors and containers.
    """
    try:
        if zipfile.is_zipfile(path):
            return _arrays(_read_zip(path))
        with open(path, "rb") as file:
            start = file.read(4)
        if start == b"PK\x03\x04":
            raise WeightsError(f"truncated after {os.path.getsize(path)} bytes: its end is missing; download it again")
        if not start.startswith(pickle.PROTO):
            raise WeightsError("not in one of PyTorch's two formats: another kind of file, or damaged; download it again")
        return _arrays(_read_legacy(path))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except (KeyError, struct.error, zipfile.BadZipFile, RecursionError) as error:
        raise WeightsError(f"{path}: damaged: {error}") from None


def read_header(path: str):
    """The content of a .pth or .pt file without the numbers of its tensors, which have only a `size`. Raises WeightsError."""
    try:
        return _read_zip(path, with_data=False) if zipfile.is_zipfile(path) else _read_legacy(path, with_data=False)
    except (KeyError, struct.error, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: damaged: {error}") from None


def _arrays(value):
    if isinstance(value, Tensor):
        return value.array()
    if isinstance(value, dict):
        return {key: _arrays(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_arrays(item) for item in value]
    return value


def write(path: str, arrays: dict):
    """Write {name: array} as a state dict in PyTorch's zip format: torch.load(path, weights_only=True) reads it."""
    names = {np.dtype(d).str.lstrip("<|"): n for n, d in _DTYPES.items() if d != "bfloat16"}
    out = io.BytesIO()
    out.write(b"\x80\x02ccollections\nOrderedDict\n)R(")
    payload = []
    for key, (name, array) in enumerate(arrays.items()):
        array = np.array(array, order="C")
        kind = names.get(array.dtype.str.lstrip("<|"))
        if kind is None:
            raise WeightsError(f"{name}: PyTorch has no storage of dtype {array.dtype}")
        strides = [s // array.itemsize for s in array.strides]
        out.write(_text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(")
        out.write(b"(" + _text("storage") + f"ctorch\n{kind}\n".encode() + _text(str(key)) + _text("cpu"))
        out.write(_number(array.size) + b"tQ" + _number(0))
        out.write(b"(" + b"".join(map(_number, array.shape)) + b"t(" + b"".join(map(_number, strides)) + b"t")
        out.write(b"\x89ccollections\nOrderedDict\n)RtR")
        payload.append((str(key), array))
    out.write(b"u.")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", out.getvalue())
        archive.writestr("archive/byteorder", "little")
        for key, array in payload:
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")


def _text(text: str) -> bytes:
    """The pickle opcode of a string."""
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(value: int) -> bytes:
    """The pickle opcode of an integer of up to 255 bytes."""
    raw = int(value).to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw
