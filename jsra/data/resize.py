"""Image resizing as in OpenCV, in NumPy, so that a model gets the same pixels as mmdet's models.

OpenCV's INTER_LINEAR samples at half-pixel centres without antialiasing (Pillow's BILINEAR uses a wider filter to shrink
images), in fixed-point arithmetic: weights of 11 bits, sums shifted right by 4, 16 and 2 bits. The same truncations are done
here on floats with integer values; about one value in 3000 differs, by 1 grey level.
"""

from __future__ import annotations

import numpy as np

_ONE = 2048  # OpenCV's fixed-point 1 for interpolation weights
_BLOCK = 16  # rows at a time, so that the data stay in the cache


def _taps(source: int, target: int):
    """The two source indices of each target position and their weights in 1/2048."""
    at = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    low = np.floor(at).astype(np.int64)
    fraction = at - low.astype(np.float32)
    fraction[(low < 0) | (low >= source - 1)] = 0
    low = np.clip(low, 0, source - 1)
    return low, np.minimum(low + 1, source - 1), np.rint((1 - fraction) * _ONE), np.rint(fraction * _ONE)


def resize_bilinear(image, width: int, height: int):
    """uint8 [H, W, C] -> uint8 [height, width, C], as cv2.resize(image, (width, height)) within 1 grey level."""
    rows, columns, channels = image.shape
    if (columns, rows) == (width, height):
        return image.copy()
    left, right, left_weight, right_weight = _taps(columns, width)
    top, bottom, top_weight, bottom_weight = _taps(rows, height)
    channel = np.arange(channels)
    left = (left[:, None] * channels + channel).ravel()
    right = (right[:, None] * channels + channel).ravel()
    left_weight = np.repeat((left_weight / 16).astype(np.float32), channels)
    right_weight = np.repeat((right_weight / 16).astype(np.float32), channels)
    top_weight = (top_weight / 65536).astype(np.float32)[:, None]
    bottom_weight = (bottom_weight / 65536).astype(np.float32)[:, None]

    image = image.reshape(rows, columns * channels)
    wide = np.empty((rows, width * channels), np.float32)
    for start in range(0, rows, _BLOCK):
        block = image[start : start + _BLOCK].astype(np.float32)
        a, b = block.take(left, axis=1), block.take(right, axis=1)
        a *= left_weight
        b *= right_weight
        a += b
        np.floor(a, out=wide[start : start + _BLOCK])
    out = np.empty((height, width * channels), np.uint8)
    for start in range(0, height, _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = wide[top[part]], wide[bottom[part]]
        a *= top_weight[part]
        b *= bottom_weight[part]
        quarters = a.astype(np.int16)
        quarters += b.astype(np.int16)
        quarters += 2
        quarters >>= 2
        out[part] = quarters
    return out.reshape(height, width, channels)


def resize_nearest(bitmaps, width: int, height: int):
    """[n, H, W] -> [n, height, width], as cv2.INTER_NEAREST: the source of x is floor(x * W / width)."""
    _, rows, columns = bitmaps.shape
    y = np.minimum((np.arange(height) * (rows / height)).astype(np.int64), rows - 1)
    x = np.minimum((np.arange(width) * (columns / width)).astype(np.int64), columns - 1)
    return bitmaps[:, y[:, None], x]
