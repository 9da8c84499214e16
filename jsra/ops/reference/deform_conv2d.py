"""Deformable convolution in NumPy, from its definition: the slow oracle of the tests."""

import numpy as np


def sample(planes, y, x):
    """The values [C] of planes [C, H, W] at (y, x), with zeros around the planes."""
    height, width = planes.shape[1:]
    y0, x0, out = int(np.floor(y)), int(np.floor(x)), np.zeros(len(planes))
    for i in (y0, y0 + 1):
        for j in (x0, x0 + 1):
            if 0 <= i < height and 0 <= j < width:
                out += max(0, 1 - abs(y - i)) * max(0, 1 - abs(x - j)) * planes[:, i, j]
    return out


def deform_conv2d(input, offset, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), mask=None):
    """As jsra.ops.deform_conv2d, on NumPy arrays in float64."""
    stride, padding, dilation = ((v, v) if isinstance(v, int) else v for v in (stride, padding, dilation))
    (batches, channels), (outs, per_group, kh, kw), (rows, columns) = input.shape[:2], weight.shape, offset.shape[2:]
    offset_groups, groups, taps = offset.shape[1] // (2 * kh * kw), channels // per_group, kh * kw
    out = np.zeros((batches, outs, rows, columns))
    for b in range(batches):
        for y in range(rows):
            for x in range(columns):
                read = np.zeros((channels, kh, kw))
                for g in range(offset_groups):
                    part = slice(g * channels // offset_groups, (g + 1) * channels // offset_groups)
                    for t in range(taps):
                        i, j = divmod(t, kw)
                        dy, dx = offset[b, 2 * (g * taps + t) :, y, x][:2]
                        value = sample(
                            input[b, part],
                            y * stride[0] - padding[0] + i * dilation[0] + dy,
                            x * stride[1] - padding[1] + j * dilation[1] + dx,
                        )
                        read[part, i, j] = value * (1 if mask is None else mask[b, g * taps + t, y, x])
                read = read.reshape(groups, -1)
                out[b, :, y, x] = np.einsum("gn,gon->go", read, weight.reshape(groups, outs // groups, -1)).ravel()
    return out + (0 if bias is None else np.asarray(bias)[:, None, None])
