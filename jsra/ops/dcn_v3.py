"""Deformable convolution v3 (Wang et al. 2023, InternImage, arXiv:2211.05778), between its linear layers.

It is deformable attention to one map: the queries are the output positions, the heads are the groups, and the points are the
taps. Therefore it uses the kernels of ms_deform_attn.
"""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.ms_deform_attn import ms_deform_attn


def dcn_v3(input, offset, mask, kernel=3, stride=1, padding=1, dilation=1, offset_scale=1.0) -> jt.Var:
    """For each group, an output is the sum of kernel x kernel bilinear samples (zeros outside the map), weighted by the mask.

        out[b, y, x, g] = sum over taps k of
            mask[b, y, x, g, k] * input[b, centre(y, x) + offset_scale * (k + offset[b, y, x, g, k]), g]

    Args:
        input: [B, H, W, C], C a multiple of G.
        offset: [B, H', W', G * K * 2], K = kernel ** 2: x, then y of each group and tap, in cells. Taps are numbered column
            by column, each from top to bottom.
        mask: [B, H', W', G * K], e.g. from a softmax over K.
        kernel, stride, padding, dilation: ints. offset_scale: number; it also scales the positions of the taps.
    Returns: [B, H', W', C]. Gradients to input, offset and mask.
    Raises: ValueError for a wrong rank, size or dtype.
    Source: OpenGVLab/InternImage, ops_dcnv3 (dcnv3_core_pytorch), with the same numbers for height and width.
    """
    check.var("input", input, rank=4)
    if kernel % 2 == 0:
        raise ValueError(f"kernel: expected an odd number, got {kernel}")
    batch, *size, channels = input.shape
    taps, reach = kernel**2, dilation * (kernel - 1)
    rows, columns = ((n + 2 * padding - reach - 1) // stride + 1 for n in size)
    if min(rows, columns) < 1:
        raise ValueError(f"input: of shape {list(input.shape)} is smaller than the kernel {kernel}")
    check.var("mask", mask, rank=4)
    groups = mask.shape[-1] // taps
    if groups < 1 or channels % groups or list(mask.shape) != [batch, rows, columns, groups * taps]:
        raise ValueError(
            f"mask: expected shape {[batch, rows, columns, f'G * {taps}']}, G a divisor of {channels}, got {list(mask.shape)}"
        )
    check.var("offset", offset, rank=4)
    if list(offset.shape) != [batch, rows, columns, groups * taps * 2]:
        raise ValueError(f"offset: expected shape {[batch, rows, columns, groups * taps * 2]}, got {list(offset.shape)}")
    queries = rows * columns
    moved = offset.reshape(batch, queries, groups, 1, taps, 2) * float(offset_scale)
    # Positions of the cells' centres, 0 to 1 over the map.
    places = jt.array(_places(rows, columns, kernel, stride, padding, dilation, float(offset_scale)).astype(str(moved.dtype)))
    scale = jt.array(np.array([1 / size[1], 1 / size[0]], str(moved.dtype)))
    locations = (moved + places.stop_grad()) * scale.stop_grad()
    value = input.reshape(batch, size[0] * size[1], groups, channels // groups)
    out = ms_deform_attn(value, locations, mask.reshape(batch, queries, groups, 1, taps), [size])
    return out.reshape(batch, rows, columns, channels)


def _places(rows, columns, kernel, stride, padding, dilation, offset_scale):
    """[1, rows * columns, 1, 1, K, 2]: x and y of the taps without offsets, in cells from the edge of the map."""
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    centres = np.stack([x, y], -1).reshape(1, -1, 1, 1, 1, 2) * stride - padding + dilation * (kernel - 1) / 2 + 0.5
    steps = (np.arange(kernel) - (kernel - 1) / 2) * dilation * offset_scale
    taps = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1)  # x first: down the first column
    return centres + taps.reshape(1, 1, 1, 1, kernel**2, 2)
