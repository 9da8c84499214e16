"""Checks of operators' arguments: they raise ValueError with the argument's name, its shape and what was expected."""

from __future__ import annotations

from numbers import Real

import jittor as jt
import numpy as np

FLOATS = ("float16", "bfloat16", "float32", "float64")


def var(name: str, value, rank: int | None = None, last: int | None = None, dtypes=FLOATS) -> jt.Var:
    """Returns `value` if it is a Var with this rank, size of the last axis and dtype; otherwise raises ValueError."""
    if not isinstance(value, jt.Var):
        raise ValueError(f"{name}: expected a jittor Var, got {type(value).__name__}")
    shape = list(value.shape)
    if rank is not None and len(shape) != rank:
        raise ValueError(f"{name}: expected {rank} dimensions, got shape {shape}")
    if last is not None and shape[-1] != last:
        raise ValueError(f"{name}: expected the last dimension to be {last}, got shape {shape}")
    if str(value.dtype) not in dtypes:
        raise ValueError(f"{name}: expected dtype {' or '.join(dtypes)}, got {value.dtype} (shape {shape})")
    if str(value.dtype) in ("float16", "bfloat16") and not jt.flags.use_cuda:
        raise ValueError(f"{name}: {value.dtype} is for CUDA; on the CPU use float32 (shape {shape})")
    return value


def size_pair(name: str, value) -> tuple:
    """An output size (an int or a pair of ints, at least 1) as (height, width)."""
    return int_pair(name, value, 1, "a positive int or (height, width)")


def int_pair(name: str, value, least: int, expected: str) -> tuple:
    """An int or a pair of ints as a pair. Raises ValueError with what was `expected` if one is below `least`."""
    try:
        pair = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    except TypeError:  # such as a float
        pair = ()
    if len(pair) != 2 or any(not isinstance(v, (int, np.integer)) or v < least for v in pair):
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return int(pair[0]), int(pair[1])


def image_size(name: str, value) -> tuple:
    """(height, width) as floats of at least 0. Raises ValueError for anything else."""
    pair = list(value) if isinstance(value, (list, tuple)) or hasattr(value, "__array__") else []
    if len(pair) != 2 or any(not isinstance(v, Real) or not 0 <= v < float("inf") for v in pair):
        raise ValueError(f"{name}: expected (height, width), two numbers of at least 0, got {value!r}")
    return float(pair[0]), float(pair[1])


def pyramid(features, scales, levels, count: int):
    """One feature map or the levels of a pyramid, in a common form.

    Args:
        features: Var [B, C, H, W], or a list of up to 8 with the same dtype, B and C.
        scales: feature cells per image pixel, a number or one for each level.
        levels: int32 Var [count], the level of each RoI; may be None for a single map. Its values are not read, see `rois`.
    Returns: (list of Vars, list of floats, int32 Var [count]).
    """
    maps = list(features) if isinstance(features, (list, tuple)) else [features]
    if not maps:
        raise ValueError("input: expected at least one feature map, got an empty list")
    for i, m in enumerate(maps):
        var("input" if m is features else f"input[{i}]", m, rank=4)
        if list(m.shape[:2]) != list(maps[0].shape[:2]) or m.dtype != maps[0].dtype:
            raise ValueError(
                f"input[{i}]: expected batch, channels and dtype of input[0], {list(maps[0].shape[:2])} {maps[0].dtype}, "
                f"got shape {list(m.shape)} {m.dtype}"
            )
    scales = [float(s) for s in (scales if isinstance(scales, (list, tuple)) else [scales] * len(maps))]
    if len(scales) != len(maps) or any(not np.isfinite(s) or s <= 0 for s in scales):
        raise ValueError(f"spatial_scale: expected {len(maps)} positive numbers, got {scales}")
    if levels is None:
        if len(maps) > 1:
            raise ValueError(f"levels: {len(maps)} feature maps were given, so each RoI needs its level")
        return maps, scales, jt.zeros((count,), dtype="int32")
    var("levels", levels, rank=1, dtypes=("int32",))
    if levels.shape[0] != count:
        raise ValueError(f"levels: expected one for each of the {count} RoIs, got shape {list(levels.shape)}")
    return maps, scales, levels


def samples(sampling_ratio) -> int:
    """`sampling_ratio` as an int. Raises ValueError for anything else, such as 2.5."""
    if isinstance(sampling_ratio, (bool, np.bool_)) or not isinstance(sampling_ratio, (int, np.integer)):
        raise ValueError(f"sampling_ratio: expected a whole number, got {sampling_ratio!r}")
    return int(sampling_ratio)


def flag(name: str, value) -> bool:
    """True or False. Raises ValueError for anything else, such as text: with arguments in the order of another library, it
    would count as True."""
    if not isinstance(value, (bool, np.bool_)) and not (isinstance(value, (int, np.integer)) and value in (0, 1)):
        raise ValueError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def roi_rows(name: str, value, input) -> jt.Var:
    """RoIs as one Var [K, 5]: unchanged, or made from a list of boxes [L, 4], one Var per image of `input` (a map, or a list
    of maps)."""
    if not isinstance(value, (list, tuple)):
        return var(name, value, rank=2, last=5)
    first = input[0] if isinstance(input, (list, tuple)) and input else input
    images = first.shape[0] if isinstance(first, jt.Var) and first.ndim == 4 else len(value)
    if len(value) > images:
        raise ValueError(f"{name}: expected a list with the boxes of each of the {images} images, got {len(value)} items")
    parts = []
    for i, boxes in enumerate(value):
        var(f"{name}[{i}]", boxes, rank=2, last=4)
        parts.append(jt.concat([jt.full((boxes.shape[0], 1), float(i)).cast(boxes.dtype), boxes], dim=1))
    return jt.concat(parts, dim=0) if parts else jt.zeros((0, 5))


def rois(name: str, value, like: jt.Var, columns: int = 5) -> jt.Var:
    """RoIs [K, columns] in the dtype that kernels need for features `like`: float64 for float64, otherwise float32.

    Their values are not read, because that would wait for the device. For an image or level that does not exist, every kernel
    gives zeros (cuda_src/common/roi.h).
    """
    var(name, value, rank=2, last=columns)
    dtype = "float64" if str(like.dtype) == "float64" else "float32"
    return value if str(value.dtype) == dtype else value.cast(dtype)
