"""Deformable convolution (Dai et al. 2017; modulated: Zhu et al. 2019, Deformable ConvNets v2)."""

from __future__ import annotations

from dataclasses import dataclass

import jittor as jt
import numpy as np

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.linear import product
from jsra.ops.permute import permute
from jsra.ops.scatter import SLOPES, box_dtype, maps_scratch, window_outputs

BLOCK = 2**23  # size of a block of columns, in elements


def deform_conv2d(
    input, offset, weight, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), mask=None
) -> jt.Var:
    """A convolution whose taps are shifted and weighted, differently at every position.

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
    The samples of all taps, C * kh * kw numbers per position, are in memory only for one block of rows at a time.
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
    if weight.dtype != input.dtype:
        raise ValueError(f"weight: expected the dtype of input, {input.dtype}, got {weight.dtype}")
    if bias is not None and list(check.var("bias", bias).shape) != [out_channels]:
        raise ValueError(f"bias: expected shape {[out_channels]}, one for each output channel, got {list(bias.shape)}")
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
    # A missing mask is replaced by a Var of the same rank that is not read, so that the same compiled kernel serves. It must
    # not be the offset: a Var that is passed to a Function twice loses its gradient.
    mask = jt.empty((1, 1, 1, 1), dtype) if mask is None else mask.cast(dtype)
    weight = weight.reshape(out_channels, per_group * taps)
    out = _DeformConv2d.apply(input, offset.cast(dtype), mask, weight, settings, groups)
    if bias is not None:
        out = out + bias
    return permute(out, 0, 3, 1, 2)


def _pair(name, value, least):
    return list(check.int_pair(name, value, least, f"an int of at least {least} or a pair (y, x) of them"))


class _DeformConv2d(jt.Function):
    """(input, offset, mask, weight [out, C / groups * taps]) -> [B, H_out, W_out, out].

    The columns, all samples of all taps, are a matrix [B * H_out * W_out, C * taps], one factor of a product. They are
    computed block by block (some rows of an image), and again for the gradient.
    """

    def execute(self, input, offset, mask, weight, settings, groups):
        self.saved, self.settings, self.groups = (input, offset, mask, weight), settings, groups
        with jt.no_grad():
            images, after = {}, [weight]
            for block in self._blocks():
                columns = self._columns(block, after)
                parts = [product(c, w, False, True) for c, w in zip(self._split(columns, 1), self._split(weight, 0))]
                after = [jt.concat(parts, 1) if groups > 1 else parts[0]]
                out = after[0].reshape(block.images, block.rows, settings["columns"], weight.shape[0])
                images.setdefault(block.image, []).append(out)
            return _join([_join(parts, 1) for parts in images.values()], 0)

    def grad(self, dout):
        input, _, _, weight = self.saved
        with jt.no_grad():
            images, dweight, after = {}, None, [input, weight]
            for block in self._blocks():
                rows = block.of(dout, 1, after).reshape(-1, weight.shape[0])
                columns = self._columns(block, after)
                pairs = list(zip(self._split(rows, 1), self._split(columns, 1), self._split(weight, 0)))
                part = _join([product(d, c, True, False) for d, c, _ in pairs], 0)
                dweight = part if dweight is None else dweight + part
                dcolumns = _join([product(d, w, False, False) for d, _, w in pairs], 1)
                found = self._gradients(block, after, dcolumns)
                sums = images.setdefault(block.image, [found[0], [], []])
                if sums[1]:
                    sums[0] = sums[0] + found[0]
                sums[1].append(found[1])
                sums[2].append(found[2])
                after = [sums[0], dweight]
            dinput = _join([d for d, _, _ in images.values()], 0)
            doffset = _join([_join(parts, 2) for _, parts, _ in images.values()], 0)
            dmask = None
            if self.settings["has_mask"]:
                dmask = _join([_join(parts, 2) for _, _, parts in images.values()], 0)
            return dinput, doffset, dmask, dweight, None, None

    def _blocks(self):
        """The blocks: one block if there are few columns, otherwise blocks of rows of one image."""
        s = self.settings
        per_row = s["columns"] * s["channels"] * s["kernel_y"] * s["kernel_x"]
        if s["batches"] * s["rows"] * per_row <= BLOCK:
            return [_Block(0, s["batches"], 0, s["rows"], whole=True)]
        step = max(1, BLOCK // per_row)
        starts = range(0, s["rows"], step)
        return [_Block(b, 1, r, min(step, s["rows"] - r)) for b in range(s["batches"]) for r in starts]

    def _inputs(self, block, after):
        """input, offset and mask of a block, and its scalars for the kernels."""
        input, offset, mask, _ = self.saved
        s = dict(self.settings, batches=block.images, rows=block.rows)
        s["padding"] = [s["padding"][0] - block.start * s["strides"][0], s["padding"][1]]
        mask = block.of(mask, 2, after) if s["has_mask"] else mask
        return [block.images_of(input), block.of(offset, 2, after), mask], s

    def _columns(self, block, after):
        (input, offset, mask), s = self._inputs(block, after)
        count, taps = s["batches"] * s["rows"] * s["columns"], s["kernel_y"] * s["kernel_x"]
        out = ((count, s["channels"], s["kernel_y"], s["kernel_x"]), str(input.dtype))
        columns = run("deform_conv2d", "forward", [input, offset, mask], [out, maps_scratch([input])], **s)[0]
        return columns.reshape(count, s["channels"] * taps)

    def _gradients(self, block, after, dcolumns):
        """The gradients of the block's input, offset and mask."""
        (input, offset, mask), s = self._inputs(block, after)
        dtype, taps = str(input.dtype), s["kernel_y"] * s["kernel_x"]
        dcolumns = dcolumns.reshape(-1, s["channels"], s["kernel_y"], s["kernel_x"])
        maps = dict(batches=s["batches"], channels=s["channels"], heights=[s["height"]], widths=[s["width"]])
        outputs = window_outputs(maps, dcolumns) + [
            ((dcolumns.shape[0], s["groups"] * taps, SLOPES), box_dtype(dtype)),
            (tuple(offset.shape), dtype),
            ((s["batches"], s["groups"] * taps, s["rows"], s["columns"]), dtype),
        ]
        results = run("deform_conv2d", "backward", [dcolumns, input, offset, mask], outputs, **s)
        return results[0], results[-2], results[-1]

    def _split(self, x, axis):
        """The parts of x [., .] that belong to the groups of the weight."""
        size = x.shape[axis] // self.groups
        if self.groups == 1:
            return [x]
        return [x[:, i : i + size] if axis else x[i : i + size] for i in range(0, x.shape[axis], size)]


@dataclass
class _Block:
    """Output rows from start to start + rows, of the images from `image` on. whole: all rows of all images."""

    image: int
    images: int
    start: int
    rows: int
    whole: bool = False

    def images_of(self, x):
        return x if self.whole else x[self.image : self.image + 1]

    def of(self, x, axis, after):
        """The rows of the block, along `axis` of x; they are taken only after the Vars `after` have been computed.

        Otherwise Jittor might run the kernels of all blocks before their products: so the inputs of a block depend on the
        outputs of the previous one.
        """
        if self.whole:
            return x
        shape = [1, *x.shape[1:]]
        shape[axis] = self.rows
        start = jt.array(np.int32([self.image, self.start]))
        index = [f"i{a}" for a in range(x.ndim)]
        index[0] = "@e0(0)"
        index[axis] += "+@e0(1)"
        return x.reindex(shape, index, extras=[start, *after])


def _join(parts, axis):
    return parts[0] if len(parts) == 1 else jt.concat(parts, axis)


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
