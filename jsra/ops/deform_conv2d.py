"""Deformable convolution (Dai et al. 2017; modulated: Zhu et al. 2019, Deformable ConvNets v2)."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.permute import permute
from jsra.ops.scatter import SLOPES, box_dtype, maps_scratch, window_outputs


def deform_conv2d(
    input, offset, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), mask=None
) -> jt.Var:
    """A convolution whose taps are shifted, and weighted, at every position.

        out[b, o, y, x] = bias[o] + sum over c, taps t of
            weight[o, c, t] * mask[b, t, y, x] * input[b, c, (y, x) * stride - padding + t * dilation + offset[b, t, :, y, x]]

    with bilinear samples of the input, zeros around it.

    Args:
        input: [B, C, H, W].
        offset: [B, 2 * G_o * kh * kw, H_out, W_out]: for each offset group and tap, y then x, in cells. Offset group g
            applies to the g-th of G_o equal parts of the input channels.
        weight: [out, C / groups, kh, kw].
        bias: [out], or None.
        stride, padding, dilation: ints or (y, x).
        mask: [B, G_o * kh * kw, H_out, W_out] (v2), or None (v1).
    Returns: [B, out, H_out, W_out]. A tap whose offset is not finite reads zero.
    Raises: ValueError for shapes that do not fit together.
    Source: torchvision.ops.deform_conv2d, whose arguments these are.
    """
    check.var("input", input, rank=4)
    check.var("offset", offset, rank=4)
    check.var("weight", weight, rank=4)
    stride, padding, dilation = _pair("stride", stride, 1), _pair("padding", padding, 0), _pair("dilation", dilation, 1)
    batches, channels = input.shape[:2]
    out_channels, per_group, kernel_y, kernel_x = weight.shape
    taps = kernel_y * kernel_x
    size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(input.shape[2:], padding, dilation, (kernel_y, kernel_x), stride)
    ]
    if per_group == 0 or channels % per_group or out_channels % max(channels // per_group, 1):
        raise ValueError(
            f"weight: shape {list(weight.shape)} does not divide {channels} input channels and its own {out_channels} "
            f"output channels into groups"
        )
    groups, offset_groups = channels // per_group, offset.shape[1] // max(2 * taps, 1)
    if min(size) < 1:
        raise ValueError(f"input: shape {list(input.shape)} is smaller than the kernel (the output would be {size})")
    if (
        offset_groups < 1
        or channels % offset_groups
        or list(offset.shape) != [batches, offset_groups * 2 * taps, *size]
    ):
        raise ValueError(
            f"offset: expected shape {[batches, 2 * taps, *size]}, or a multiple of {2 * taps} channels for offset groups "
            f"that divide {channels} channels, got {list(offset.shape)}"
        )
    if mask is not None:
        check.var("mask", mask, rank=4)
        if list(mask.shape) != [batches, offset_groups * taps, *size]:
            raise ValueError(f"mask: expected shape {[batches, offset_groups * taps, *size]}, got {list(mask.shape)}")
    settings = dict(
        batches=batches,
        channels=channels,
        height=input.shape[2],
        width=input.shape[3],
        rows=size[0],
        columns=size[1],
        kernel_y=kernel_y,
        kernel_x=kernel_x,
        strides=stride,
        padding=padding,
        dilation=dilation,
        groups=offset_groups,
        has_mask=mask is not None,
    )
    dtype = str(input.dtype)
    # In the place of a missing mask, not the offset: a Var that a Function is given twice loses its gradient. Never read; of
    # the same rank, so that the same compiled kernel serves.
    mask = jt.empty((1, 1, 1, 1), dtype) if mask is None else mask.cast(dtype)
    columns = _Columns.apply(input, offset.cast(dtype), mask, settings)
    columns = columns.reshape(-1, channels * taps)
    weight = weight.reshape(out_channels, per_group * taps)
    if groups == 1:
        out = jt.nn.matmul_transpose(columns, weight)
    else:
        n, o = per_group * taps, out_channels // groups
        parts = [
            jt.nn.matmul_transpose(columns[:, g * n : (g + 1) * n], weight[g * o : (g + 1) * o]) for g in range(groups)
        ]
        out = jt.concat(parts, 1)
    if bias is not None:
        out = out + bias
    return permute(out.reshape(batches, size[0], size[1], out_channels), 0, 3, 1, 2)


def _pair(name, value, least):
    pair = (value, value) if isinstance(value, (int, np.integer)) else tuple(value)
    if len(pair) != 2 or any(not isinstance(v, (int, np.integer)) or v < least for v in pair):
        raise ValueError(f"{name}: expected an int of at least {least} or a pair (y, x) of them, got {value!r}")
    return [int(v) for v in pair]


class _Columns(jt.Function):
    """The samples that the taps read, [B * H_out * W_out, C, kh, kw]."""

    def execute(self, input, offset, mask, settings):
        self.inputs, self.settings = (input, offset, mask), settings
        count = settings["batches"] * settings["rows"] * settings["columns"]
        out = ((count, settings["channels"], settings["kernel_y"], settings["kernel_x"]), str(input.dtype))
        return run("deform_conv2d", "forward", list(self.inputs), [out, maps_scratch([input])], **settings)[0]

    def grad(self, dout):
        s, (input, offset, _) = self.settings, self.inputs
        dtype, taps = str(input.dtype), s["kernel_y"] * s["kernel_x"]
        maps = dict(batches=s["batches"], channels=s["channels"], heights=[s["height"]], widths=[s["width"]])
        outputs = window_outputs(maps, dout) + [
            ((s["batches"] * s["rows"] * s["columns"], s["groups"] * taps, SLOPES), box_dtype(dtype)),
            (tuple(offset.shape), dtype),
            ((s["batches"], s["groups"] * taps, s["rows"], s["columns"]), dtype),
        ]
        results = run("deform_conv2d", "backward", [dout, *self.inputs], outputs, **s)
        return results[0], results[-2], results[-1] if s["has_mask"] else None, None


class DeformConv2d(jt.nn.Module):
    """A deformable convolution with its weights, as torchvision.ops.DeformConv2d; call it with (input, offset, mask)."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups: {groups} does not divide {in_channels} and {out_channels} channels")
        kernel = _pair("kernel_size", kernel_size, 1)
        bound = (in_channels // groups * kernel[0] * kernel[1]) ** -0.5
        shape = (out_channels, in_channels // groups, *kernel)
        self.weight = jt.init.uniform(shape, "float32", -bound, bound)
        self.bias = jt.init.uniform((out_channels,), "float32", -bound, bound) if bias else None
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def execute(self, input, offset, mask=None):
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)
