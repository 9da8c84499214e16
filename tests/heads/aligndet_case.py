"""A small case of AlignDet's two modules, the same for this package and for make_aligndet.py. Uses only NumPy."""

import numpy as np

CHANNELS, WIDTH, CLASSES, KERNEL = 4, 6, 3, 3
STRIDES, SIZES, SCALE, BETA = (8, 16), ((6, 8), (3, 4)), 4, 0.11


def features():
    """Levels of [1, CHANNELS, H, W]."""
    rng = np.random.default_rng(1)
    return [rng.standard_normal((1, CHANNELS, *size)).astype(np.float32) for size in SIZES]


def truths():
    """(boxes [2, 4], labels [2])."""
    return np.float32([[6, 4, 34, 40], [22, 10, 60, 33]]), np.int32([2, 3])


def weights():
    """{name: array} of both modules."""
    rng, out = np.random.default_rng(2), {}
    for name, shape in (
        ("dpm.cls_convs.0", (CHANNELS, CHANNELS, 3, 3)), ("dpm.box_convs.0", (CHANNELS, CHANNELS, 3, 3)),
        ("dpm.cls", (CLASSES, CHANNELS, 3, 3)), ("dpm.box", (4, CHANNELS, 3, 3)),
        ("adm.align", (WIDTH, CHANNELS, KERNEL, KERNEL)), ("adm.convs.0", (WIDTH, WIDTH, 1, 1)),
        ("adm.cls", (CLASSES, WIDTH, 1, 1)), ("adm.box", (4, WIDTH, 1, 1)),
    ):  # fmt: skip
        scale = 0.1 if name == "dpm.box" else 1.0
        out[f"{name}.weight"] = (rng.standard_normal(shape) * scale / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        out[f"{name}.bias"] = (rng.standard_normal(shape[0]) * 0.1).astype(np.float32)
    return out
