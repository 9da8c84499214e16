"""From the resized image to the network's input, in the graph: Normalize, Pad, and the least size of an image."""

from __future__ import annotations

from jsra.data.loader import LEAST_SIDE
from jsra.data.transforms import Normalize, Pad


def preprocess(g, image, transforms):
    """image float32 [1, 3, H, W] -> the image normalised and padded. transforms: the built transforms in their order."""
    for transform in transforms:
        if isinstance(transform, Normalize):
            image = _normalize(g, image, transform)
        elif isinstance(transform, Pad):
            image = _pad(g, image, g("Mod", g("Neg", _size(g, image)), transform.size_divisor))
    return _pad(g, image, g("Max", g("Sub", LEAST_SIDE, _size(g, image)), 0))  # as jsra.data.loader.collate


def _normalize(g, image, transform):
    if transform.to_bgr:
        image = g("Gather", image, [2, 1, 0], axis=1)
    return g("Mul", g("Sub", image, transform.mean), transform.inverse)


def _size(g, image):
    """int64 [2]: height, width."""
    return g("Shape", image, start=2, end=4)


def _pad(g, image, missing):
    """Zeros at the bottom and the right. missing: int64 [2]: rows, columns."""
    return g("Pad", image, g("Concat", [0, 0], missing, axis=0), 0.0, [2, 3], mode="constant")
