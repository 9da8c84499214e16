"""From the resized image to the network's input: Normalize and Pad of the test transforms, in the graph."""

from __future__ import annotations

from jsra.data.transforms import Normalize, Pad


def preprocess(g, image, transforms):
    """image float32 [1, 3, H, W] -> the image normalised and padded. transforms: the built transforms in their order."""
    for transform in transforms:
        if isinstance(transform, Normalize):
            image = _normalize(g, image, transform)
        elif isinstance(transform, Pad):
            image = _pad(g, image, transform.size_divisor)
    return image


def _normalize(g, image, transform):
    if transform.to_bgr:
        image = g("Gather", image, [2, 1, 0], axis=1)
    return g("Mul", g("Sub", image, transform.mean), transform.inverse)


def _pad(g, image, divisor):
    missing = g("Mod", g("Neg", g("Shape", image, start=2, end=4)), divisor)
    return g("Pad", image, g("Concat", [0, 0], missing, axis=0), 0.0, [2, 3], mode="constant")
