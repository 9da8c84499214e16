"""Reads and writes Jittor's .pkl files, including JDet's checkpoints, without executing code in them.

Such a file is a pickle of dictionaries, numbers, NumPy arrays and Jittor Vars, which are pickled as arrays; files of jt.save
also have the SHA-1 of the pickle and a mark at the end. Jittor itself executes the pickle to load it.
"""

from __future__ import annotations

import hashlib
import io
import pickle

import numpy as np

from jsra.convert.torch_file import Unpickler, WeightsError, load_pickle

_MARK = b"HCAJSLHD"
_SHA1 = 20
_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")


class _Dtype:
    """Replaces numpy.dtype in a pickle: a code, then the byte order."""

    def __init__(self, code, *_):
        self.code, self.order = str(code), "="

    def __setstate__(self, state):
        self.order = state[1]

    def numpy(self):
        """The NumPy dtype, or None if it is not a type of numbers."""
        kind = self.code[:1]
        return np.dtype(self.order.replace("|", "") + self.code) if kind in tuple("biufc") else None


class _Array:
    """Replaces numpy.ndarray in a pickle: created empty, then set to shape, dtype, order and bytes."""

    def __init__(self, *_):
        self.value = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        dtype = dtype.numpy() if isinstance(dtype, _Dtype) else None
        if dtype is not None and isinstance(data, bytes):
            self.value = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C").copy()


def _scalar(dtype, data):
    """Replaces the function that makes numpy.float32(...) and similar scalars."""
    kind = dtype.numpy() if isinstance(dtype, _Dtype) else None
    return np.frombuffer(data, kind)[0].item() if kind is not None and isinstance(data, bytes) else None


def _latin1(text="", *_):
    """The bytes in older pickles, which store them as text to be encoded, or as bytes() if empty."""
    return text.encode("latin1")


class _JittorUnpickler(Unpickler):
    def find_class(self, module, name):
        if module in _ARRAYS and name in ("_reconstruct", "scalar"):
            return _Array if name == "_reconstruct" else _scalar
        if module == "numpy" and name in ("ndarray", "dtype"):
            return _Array if name == "ndarray" else _Dtype
        if (module, name) in (("_codecs", "encode"), ("__builtin__", "bytes")):
            return _latin1
        if module in ("jittor", "jittor_core") and name in ("Var", "jittor_core.Var"):
            return lambda data, *_: data
        return super().find_class(module, name)


def read(path: str):
    """The content of a .pkl file, with NumPy arrays instead of Vars; objects that are not weights are Inert.

    Raises WeightsError for a damaged file and for one that needs classes or functions not used for weights.
    """
    with open(path, "rb") as file:
        raw = file.read()
    if raw.endswith(_MARK):
        raw, sha1 = raw[: -len(_MARK) - _SHA1], raw[-len(_MARK) - _SHA1 : -len(_MARK)]
        if hashlib.sha1(raw).digest() != sha1:
            raise WeightsError(f"{path}: the checksum does not match: damaged or truncated; copy or download it again")
    try:
        return _plain(load_pickle(_JittorUnpickler(io.BytesIO(raw), {})))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except RecursionError as error:
        raise WeightsError(f"{path}: damaged: {error}") from None


def _plain(value):
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def write(path: str, arrays: dict):
    """Write {name: array} as `model` of a checkpoint, which jt.load and JDet's `pretrained_weights` can read."""
    raw = pickle.dumps({"model": {name: np.ascontiguousarray(array) for name, array in arrays.items()}}, protocol=4)
    with open(path, "wb") as file:
        file.write(raw + hashlib.sha1(raw).digest() + _MARK)
