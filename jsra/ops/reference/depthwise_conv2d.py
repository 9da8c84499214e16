"""Depth-wise convolution of channels-last maps in NumPy: the oracle of the tests."""

import numpy as np


def depthwise_conv2d(x, weight, bias=None, stride=1, padding=0):
    """As jsra.ops.depthwise_conv2d.depthwise_conv2d, on NumPy arrays in float64."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    kh, kw = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))[:, ::stride, ::stride]
    out = np.einsum("bhwcij,cij->bhwc", windows, weight[:, 0])
    return out if bias is None else out + bias
