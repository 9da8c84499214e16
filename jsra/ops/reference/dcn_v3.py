"""Deformable convolution v3, tap by tap."""

import numpy as np


def dcn_v3(input, offset, mask, kernel=3, stride=1, padding=1, dilation=1, offset_scale=1.0):
    """See jsra.ops.dcn_v3; NumPy arrays."""
    input = np.asarray(input, np.float64)
    batch, height, width, channels = input.shape
    _, rows, columns, numbers = mask.shape
    groups = numbers // kernel**2
    out = np.zeros((batch, rows, columns, groups, channels // groups))
    split = input.reshape(batch, height, width, groups, channels // groups)
    middle = dilation * (kernel - 1) / 2
    for b, row, column, g in np.ndindex(batch, rows, columns, groups):
        for i in range(kernel):
            for j in range(kernel):
                tap = g * kernel**2 + i * kernel + j
                dx, dy = offset[b, row, column, 2 * tap : 2 * tap + 2]
                x = column * stride - padding + middle + offset_scale * (i * dilation - middle + dx)
                y = row * stride - padding + middle + offset_scale * (j * dilation - middle + dy)
                weights = np.maximum(0, 1 - np.abs(y - np.arange(height)))[:, None]
                weights = weights * np.maximum(0, 1 - np.abs(x - np.arange(width)))
                out[b, row, column, g] += mask[b, row, column, tap] * np.einsum("hw,hwc->c", weights, split[b, :, :, g])
    return out.reshape(batch, rows, columns, channels)
