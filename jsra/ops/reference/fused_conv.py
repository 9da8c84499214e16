"""A convolution, a sum and a ReLU in NumPy, from the definition: the slow oracle of the tests."""

import numpy as np


def fused_conv(x, weight, bias, scale=None, added=None, relu=False, stride=1, padding=0, dilation=1, turned=False):
    """As jsra.ops.fused_conv, on NumPy arrays in float64."""
    (sy, sx), (py, px), (dy, dx) = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation))
    weight = weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1] if turned else weight
    kh, kw = weight.shape[2:]
    weight = weight if scale is None else weight.astype(np.float64) * scale[:, None, None, None]
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (py, py), (px, px)))
    rows = (x.shape[2] - dy * (kh - 1) - 1) // sy + 1
    columns = (x.shape[3] - dx * (kw - 1) - 1) // sx + 1
    out = np.zeros((len(x), len(weight), rows, columns)) + bias[:, None, None]
    for i in range(kh):
        for j in range(kw):
            tap = x[:, :, i * dy : i * dy + (rows - 1) * sy + 1 : sy, j * dx : j * dx + (columns - 1) * sx + 1 : sx]
            out += np.einsum("bchw,oc->bohw", tap, weight[:, :, i, j])
    if added is not None:
        out += added[:, :, np.arange(rows) * added.shape[2] // rows][..., np.arange(columns) * added.shape[3] // columns]
    return np.maximum(out, 0) if relu else out
