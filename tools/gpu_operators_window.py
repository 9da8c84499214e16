"""What gpu_check.py runs, continued: the other operators on windows of feature maps, beside torchvision or PyTorch.

The small cases have a peer; the large ones are timed, beside torchvision where it has the operator.
"""

from __future__ import annotations

import torch
import torchvision
from gpu_operators import DTYPES, SCALES, Case, moved, operator, peers, shapes, sizes
from gpu_operators_packed import autograd, leaf

BINS = (4, 2)  # divide the channels of the small maps and of the large ones


def backward_outputs(maps, dout):
    """The gradients to the maps, and scratch: sums in fixed point, their scale, the output's gradient channels-last."""
    return [shapes(maps), shapes(maps, torch.int64), ((1,), torch.int32), *shapes([dout])]


def window_operator(machine, name, dtype, channels_of, cases):
    """The Cases of an operator with forward(maps, rois, level) and backward(dout, rois, level).

    channels_of(C): output channels; cases: (large, count, settings, rois(maps, count) -> (rois, level), peer) with
    peer(map, rois, scale) for the RoIs of one level, or None.
    """
    library, dtype = machine.library(name), DTYPES[dtype]
    for large, count, settings, make, peer in cases:
        maps = machine.maps(dtype, large)
        rois, level = make(maps, count if not machine.stand_in else 12)
        scalars = dict(sizes(maps), scales=SCALES, count=len(rois), bins_y=BINS[0], bins_x=BINS[1], **settings)
        shape = (len(rois), channels_of(maps[0].shape[1]), *BINS)
        dout = machine.random(shape, dtype)

        def forward(maps=maps, rois=rois, level=level, shape=shape, scalars=scalars):
            return library.run("forward", [maps, rois, level], [(shape, dtype), shapes(maps)], **scalars)[:1]

        def backward(maps=maps, rois=rois, level=level, dout=dout, scalars=scalars):
            outputs = backward_outputs(maps, dout)
            return library.run("backward", [dout, rois, level], outputs, **scalars)[: len(maps)]

        theirs = peers(peer, maps, rois, level, SCALES, dout) if peer else (None, None)
        bytes_ = dict.fromkeys(("forward", "backward"), moved([*maps, dout])) if large else None
        yield Case(f"{len(rois)} RoIs, {BINS[0]}x{BINS[1]}", forward, theirs[0], backward, theirs[1], bytes_)


def upright(machine):
    def make(maps, count):
        return machine.rois(count, maps[0].shape[3] * 4, maps[0].shape[2] * 4)

    return make


def inside(machine):
    """RoIs moved so that no part of one reaches over the last row or column of any level."""

    def make(maps, count):
        width, height = maps[0].shape[3] * 4, maps[0].shape[2] * 4
        rois, level = machine.rois(count, width, height)
        last = torch.tensor([maps[-1].shape[3] - 1, maps[-1].shape[2] - 1] * 2, device=rois.device) * 32
        all_ = torch.tensor([width, height] * 2, device=rois.device) + 16  # they reach over the border by 8
        rois[:, 1:] = (rois[:, 1:] + 8) * last / all_
        return rois, level

    return make


@operator
def ps_roi_align(machine, dtype):
    def peer(m, r, scale):
        return torchvision.ops.ps_roi_align(m, r, BINS, scale, 2)

    cases = [(large, 2000, dict(sampling_ratio=2), upright(machine), peer) for large in (False, True)]
    yield from window_operator(machine, "ps_roi_align", dtype, lambda c: c // 8, cases)


@operator
def ps_roi_pool(machine, dtype):
    """Inside the map: at its end torchvision's gradient is not that of its output."""

    def peer(m, r, scale):
        return torchvision.ops.ps_roi_pool(m, r, BINS, scale)

    cases = [(large, 2000, {}, inside(machine), peer) for large in (False, True)]
    yield from window_operator(machine, "ps_roi_pool", dtype, lambda c: c // 8, cases)


def bilinear(m, batch, y, x):
    """Samples [C, K, ...] of a map [B, C, H, W] at y, x [K, ...]: by roi_align's rules at the border."""
    height, width = m.shape[2:]
    seen = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = y.floor().clamp(max=height - 1).long(), x.floor().clamp(max=width - 1).long()
    below, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    dy, dx = y - top, x - left
    planes = m.transpose(0, 1)
    batch = batch.long().reshape(-1, *[1] * (y.dim() - 1)).expand(y.shape)

    def at(i, j):
        return planes[:, batch, i, j]

    above = at(top, left) * (1 - dx) + at(top, right) * dx
    under = at(below, left) * (1 - dx) + at(below, right) * dx
    return (above * (1 - dy) + under * dy) * seen


def steps(bins, ratio, like):
    """Places of the samples of an axis, as parts of a box's length: [bins, ratio]."""
    return ((torch.arange(bins * ratio, device=like.device) + 0.5) / (bins * ratio)).reshape(bins, ratio)


def grid_of(bins, ratio, like):
    """(v, u) of every sample, each [rows, columns, ratio, ratio]."""
    v, u = steps(bins[0], ratio, like), steps(bins[1], ratio, like)
    shape = (bins[0], bins[1], ratio, ratio)
    return v[:, None, :, None].expand(shape), u[None, :, None, :].expand(shape)


def each(values):
    return values.reshape(-1, 1, 1, 1, 1)


@operator
def roi_align_rotated(machine, dtype):
    def peer(m, r, scale):
        v, u = grid_of(BINS, 2, m)
        u, v = (u - 0.5) * each(r[:, 3] * scale), (v - 0.5) * each(r[:, 4] * scale)
        cos, sin = each(r[:, 5].cos()), each(r[:, 5].sin())
        x = each(r[:, 1] * scale - 0.5) + u * cos + v * sin
        y = each(r[:, 2] * scale - 0.5) + v * cos - u * sin
        return bilinear(m, r[:, 0], y, x).mean((-1, -2)).transpose(0, 1)

    def make(maps, count):
        rois, level = upright(machine)(maps, count)
        low, high = rois[:, 1:3], rois[:, 3:]
        angle = torch.rand((len(rois), 1), device=rois.device) * 6.3
        return torch.cat([rois[:, :1], (low + high) / 2, high - low, angle], 1).contiguous(), level

    settings = dict(sampling_ratio=2, aligned=1, clockwise=0)
    cases = [(False, 12, settings, make, peer), (True, 2000, settings, make, None)]
    yield from window_operator(machine, "roi_align_rotated", dtype, lambda c: c, cases)


@operator
def adaptive_roi_align(machine, dtype):
    def axis(start, length, bins, size):
        """A matrix [K, bins, size] of the weights of the cells."""
        bin_ = (length + 1) / bins
        v = start[:, None] + torch.arange(bins, device=start.device) * bin_[:, None]
        low = v.floor().clamp(0, size - 1)
        stride = torch.floor(bin_ + 0.5).clamp(min=1)[:, None]
        part = (v - low) / stride
        cells = torch.arange(size, device=start.device)
        high = (low + stride).clamp(max=size - 1)
        weights = (cells == low[..., None]) * (1 - part)[..., None] + (cells == high[..., None]) * part[..., None]
        return weights * ((v >= 0) & (v < size))[..., None]

    def peer(m, r, scale):
        y, x = r[:, 2] * scale, r[:, 1] * scale
        rows = axis(y, r[:, 4] * scale - y, BINS[0], m.shape[2])
        columns = axis(x, r[:, 3] * scale - x, BINS[1], m.shape[3])
        return torch.einsum("kpi,kcij,kqj->kcpq", rows, m[r[:, 0].long()], columns)

    cases = [(False, 12, {}, upright(machine), peer), (True, 2000, {}, upright(machine), None)]
    yield from window_operator(machine, "adaptive_roi_align", dtype, lambda c: c, cases)


def of_levels(maps, level, function):
    """function(map, index of the RoIs of its level, scale), put together in the order of the RoIs."""
    parts, order = [], []
    for i, (m, scale) in enumerate(zip(maps, SCALES)):
        index = torch.nonzero(level == i).flatten()
        parts.append(function(m, index, scale))
        order.append(index)
    return torch.cat(parts)[torch.argsort(torch.cat(order))]


def with_peer(name, forward, backward, theirs, leaves, dout, bytes_):
    """A Case whose peer is a differentiable function of float32 leaves; theirs None: timed alone."""
    peer_forward, peer_backward = autograd(theirs, leaves, dout) if theirs else (None, None)
    return Case(name, forward, peer_forward, backward, peer_backward, bytes_)


@operator
def precise_roi_pool(machine, dtype):
    """Against the exact integral by the antiderivative of a hat; gradients to the maps and the boxes."""
    library, dtype = machine.library("precise_roi_pool"), DTYPES[dtype]

    def integrals(low, high, bins, size):
        """[K, bins, size]: the mean over each bin of the hat of each cell."""
        edges = low[:, None] + (high - low)[:, None] * torch.arange(bins + 1, device=low.device) / bins
        t = (edges[..., None] - torch.arange(size, device=low.device)).clamp(-1, 1)
        upto = torch.where(t < 0, (t + 1) ** 2 / 2, 1 - (1 - t) ** 2 / 2)
        return (upto[:, 1:] - upto[:, :-1]) / ((high - low) / bins)[:, None, None]

    for large in (False, True):
        maps = machine.maps(dtype, large)
        count = 2000 if large and not machine.stand_in else 12
        rois, level = upright(machine)(maps, count)
        scalars = dict(sizes(maps), scales=SCALES, count=count, bins_y=BINS[0], bins_x=BINS[1])
        shape = (count, maps[0].shape[1], *BINS)
        dout = machine.random(shape, dtype)

        def forward(maps=maps, rois=rois, level=level, shape=shape, scalars=scalars):
            return library.run("forward", [maps, rois, level], [(shape, dtype), shapes(maps)], **scalars)[:1]

        def backward(maps=maps, rois=rois, level=level, dout=dout, count=count, scalars=scalars):
            slopes, drois = ((count, BINS[0] * BINS[1], 5), torch.float32), ((count, 5), torch.float32)
            outputs = [*backward_outputs(maps, dout), slopes, drois]
            results = library.run("backward", [dout, maps, rois, level], outputs, **scalars)
            return [*results[: len(maps)], results[-1]]

        leaves = [*map(leaf, maps), leaf(rois)]

        def theirs(leaves=leaves, level=level):
            def one(m, index, scale):
                r = leaves[-1][index]
                rows = integrals(r[:, 2] * scale, r[:, 4] * scale, BINS[0], m.shape[2])
                columns = integrals(r[:, 1] * scale, r[:, 3] * scale, BINS[1], m.shape[3])
                return torch.einsum("kpi,kcij,kqj->kcpq", rows, m[r[:, 0].long()], columns)

            return of_levels(leaves[:-1], level, one)

        bytes_ = dict(forward=moved([*maps, dout]), backward=moved([*maps, *maps, dout])) if large else None
        peer = None if large else theirs
        yield with_peer(f"{count} RoIs, {BINS[0]}x{BINS[1]}", forward, backward, peer, leaves, dout, bytes_)


@operator
def deform_roi_pool(machine, dtype):
    """Against samples by index; gradients to the maps, the offsets and the masks."""
    library, dtype = machine.library("deform_roi_pool"), DTYPES[dtype]
    for large in (False, True):
        maps = machine.maps(dtype, large)
        count = 2000 if large and not machine.stand_in else 12
        rois, level = upright(machine)(maps, count)
        offset, mask = machine.random((count, 2, *BINS)), machine.random((count, *BINS))
        scalars = dict(sizes(maps), scales=SCALES, count=count, bins_y=BINS[0], bins_x=BINS[1], sampling_ratio=2)
        scalars.update(gamma=0.1, has_offset=1, has_mask=1)
        shape = (count, maps[0].shape[1], *BINS)
        dout, inputs = machine.random(shape, dtype), [maps, rois, level, offset, mask]

        def forward(inputs=inputs, shape=shape, scalars=scalars):
            return library.run("forward", inputs, [(shape, dtype), shapes(inputs[0])], **scalars)[:1]

        def backward(inputs=inputs, dout=dout, count=count, scalars=scalars):
            beside = [((count, BINS[0] * BINS[1], 5), torch.float32)]
            beside += [((count, 2, *BINS), torch.float32), ((count, *BINS), torch.float32)]
            outputs = [*backward_outputs(inputs[0], dout), *beside]
            results = library.run("backward", [dout, *inputs], outputs, **scalars)
            return [*results[: len(inputs[0])], *results[-2:]]

        leaves = [*map(leaf, maps), leaf(offset), leaf(mask)]

        def theirs(leaves=leaves, rois=rois, level=level):
            def one(m, index, scale):
                r, o, w = rois[index], leaves[-2][index][..., None, None], leaves[-1][index]
                width, height = each((r[:, 3] - r[:, 1]) * scale), each((r[:, 4] - r[:, 2]) * scale)
                v, u = grid_of(BINS, 2, m)
                x = each(r[:, 1] * scale - 0.5) + u * width + 0.1 * width * o[:, 0]
                y = each(r[:, 2] * scale - 0.5) + v * height + 0.1 * height * o[:, 1]
                return (bilinear(m, r[:, 0], y, x).mean((-1, -2)) * w).transpose(0, 1)

            return of_levels(leaves[:-2], level, one)

        bytes_ = dict(forward=moved([*maps, dout]), backward=moved([*maps, *maps, dout])) if large else None
        peer = None if large else theirs
        yield with_peer(f"{count} RoIs, {BINS[0]}x{BINS[1]}", forward, backward, peer, leaves, dout, bytes_)


@operator
def deform_conv2d(machine, dtype):
    """The columns, against torchvision's convolution with a unit matrix for weights; gradients to all inputs."""
    library, dtype = machine.library("deform_conv2d"), DTYPES[dtype]
    for large in (False, True):
        full = large and not machine.stand_in
        channels, height, width = (256, 100, 168) if full else (8, 10, 13)
        image = machine.random((2, channels, height, width), dtype)
        offset, mask = machine.random((2, 18, height, width), dtype), machine.random((2, 9, height, width), dtype)
        names = ("batches", "channels", "height", "width", "rows", "columns", "kernel_y", "kernel_x")
        scalars = dict(zip(names, (2, channels, height, width, height, width, 3, 3)))
        scalars.update(strides=[1, 1], padding=[1, 1], dilation=[1, 1], groups=1, has_mask=1)
        shape, inputs = (2 * height * width, channels, 3, 3), [image, offset, mask]
        dout = machine.random(shape, dtype)

        def forward(inputs=inputs, shape=shape, scalars=scalars):
            return library.run("forward", inputs, [(shape, dtype), shapes(inputs[:1])], **scalars)[:1]

        def backward(inputs=inputs, dout=dout, scalars=scalars):
            image, offset, mask = inputs
            slopes = ((image.shape[0] * image.shape[2] * image.shape[3], 9, 5), torch.float32)
            outputs = [*backward_outputs([image], dout), slopes, *shapes([offset, mask])]
            results = library.run("backward", [dout, *inputs], outputs, **scalars)
            return [results[0], *results[-2:]]

        leaves = [leaf(t) for t in inputs]

        def theirs(leaves=leaves, channels=channels, shape=shape):
            unit = torch.eye(channels * 9, device=leaves[0].device).reshape(channels * 9, channels, 3, 3)
            out = torchvision.ops.deform_conv2d(leaves[0], leaves[1], unit, padding=1, mask=leaves[2])
            return out.permute(0, 2, 3, 1).reshape(shape)

        bytes_ = None
        if large:
            bytes_ = dict(forward=moved([*inputs, dout]), backward=moved([*inputs, *inputs, dout]))
        peer = None if large else theirs
        yield with_peer(f"{channels} x {height} x {width}", forward, backward, peer, leaves, dout, bytes_)
