"""Semantic RoI Align with standard operators: the paper's form, with the positions of each RoI padded to the largest number.

Shape letters: n RoIs; M, the largest number of positions of an RoI (row by row in its grid); C channels of the maps; N masks.
"""

from __future__ import annotations

import numpy as np

from jsra.export.levels import by_level
from jsra.export.roi_align import sample
from jsra.ops.packing import grid_table
from jsra.roi.packed_norm import PackedBatchNorm
from jsra.roi.sra_position import axis_table

# RoiAlign takes ceil(width) samples per block. A width so near to an integer that rounding could change ceil is moved away.
MARGIN = 1e-4


def semantic_roi_align(g, layer, maps, boxes, levels, strides):
    """boxes [n, 4] in pixels -> [n, C, N]; levels int64 [n]: the map that each box reads."""
    grid = _Grid(g, layer, boxes)
    features = _features(g, layer, maps, boxes, levels, strides, grid)
    logits = _logits(g, layer, features, grid)
    if grid.valid is not None:
        logits = g("Where", g("Unsqueeze", grid.valid, [2]), logits, float("-inf"))
    masks = g("Softmax", logits, axis=1)
    sums = g("MatMul", g("Transpose", masks, perm=[0, 2, 1]), features)
    return g("Transpose", sums, perm=[0, 2, 1])


class _Grid:
    """The grid of each RoI: rows, columns int64 [n, 1]; row, column int64 [n, M] of each position; valid bool [n, M], or None
    if all are valid; positions: M."""

    def __init__(self, g, layer, boxes):
        if layer.grid is None:
            self.positions = layer.max_area
            sides = g("Gather", grid_table(layer.max_area).astype(np.int64), _nearest(g, layer.max_area, boxes))
        else:
            self.positions = layer.grid[0] * layer.grid[1]
            sides = g("Expand", np.int64([layer.grid]), g("Concat", g.size(boxes, 0), [2], axis=0))
        self.rows, self.columns = g("Split", sides, [1, 1], axis=1, outputs=2)
        place = np.arange(self.positions)[None]
        self.row, self.column = g("Div", place, self.columns), g("Mod", place, self.columns)
        self.valid = None if layer.grid else g("Less", place, g("Mul", self.rows, self.columns))


def _nearest(g, max_area, boxes):
    """int64 [n]: the row of grid_table that is nearest to each box, by the rule in common/grid.h (with exact products)."""
    table = grid_table(max_area).astype(np.float64)
    rows, columns = table.T
    low, high = g.halves(g.cast(boxes, "float64"))
    width, height = g("Split", g("Max", g("Sub", high, low), np.float64(1e-6)), [1, 1], axis=1, outputs=2)
    narrower = g("Less", g("Mul", height, columns[None]), g("Mul", width, rows[None]))
    wide = g("ReduceSum", g.cast(narrower, "int64"), [1], keepdims=0)  # the first grid at least as wide as the box
    wide = g("Min", wide, len(table) - 1)
    # Choose between it and the previous grid by products of their sides; the first grid has no previous one.
    area = rows * columns
    first = np.maximum(np.arange(len(table)) - 1, 0)
    prefer = np.where(area[first] != area, area[first] > area, columns > rows)
    box_side, grid_side = (
        g("Mul", g("Mul", side, side), g("Gather", (sides[first] * sides)[:, None], wide))
        for side, sides in ((width, rows), (height, columns))
    )
    halfway = g("And", g("Equal", box_side, grid_side), g("Gather", prefer[:, None], wide))
    narrow = g("Squeeze", g("Or", g("Less", box_side, grid_side), halfway), [1])
    return g("Where", narrow, g("Gather", first, wide), wide)


def _features(g, layer, maps, boxes, levels, strides, grid):
    """F [n, M, C]: the mean of each block of each grid. A block is an RoI with one bin; RoiAlign samples it as we do."""
    scale = g("Unsqueeze", g("Gather", 1 / np.float32(strides), levels), [1])
    corners = g("Sub", g("Mul", boxes, scale), 0.5)
    x0, y0, x1, y1 = g("Split", corners, [1, 1, 1, 1], axis=1, outputs=4)
    left, right = _block(g, x0, x1, grid.columns, grid.column, layer.sampling_ratio)
    top, bottom = _block(g, y0, y1, grid.rows, grid.row, layer.sampling_ratio)
    blocks = g("Concat", *(g("Unsqueeze", side, [2]) for side in (left, top, right, bottom)), axis=2)

    def read(_, x, own):
        means = sample(g, x, g("Reshape", own, [-1, 4]), 1, layer.sampling_ratio, 1.0)
        return g("Reshape", means, [-1, grid.positions, layer.in_channels])

    return by_level(g, blocks, levels, maps, read)


def _block(g, start, end, count, index, sampling_ratio):
    """(begin, end) [n, M] of the blocks `index` [n, M] along one axis, for RoIs from start to end [n, 1] divided into count
    [n, 1] blocks. For start and end, cell centres are at integers; for the result at half-integers, as RoiAlign needs."""
    width = g("Div", g("Sub", end, start), g.cast(count, "float32"))
    begin = g("Add", start, g("Mul", g.cast(index, "float32"), width))
    if sampling_ratio <= 0:
        samples = g("Ceil", width)
        least = g("Mul", g("Sub", samples, 1.0), 1 + MARGIN)
        moved = g("Min", g("Max", width, least), g("Mul", samples, 1 - MARGIN))
        begin, width = g("Add", begin, g("Mul", g("Sub", width, moved), 0.5)), moved
    begin = g("Add", begin, 0.5)
    return begin, g("Add", begin, width)


def _logits(g, layer, features, grid):
    """The mask logits [n, M, N] times gamma, without a constant per mask, which does not change the softmax."""
    descriptor, local = _descriptor(g, layer, features, grid), _local(g, layer, features, grid)
    last = layer.fc2.weight.numpy().T * np.float32(layer.gamma)
    if isinstance(layer.norm1, PackedBatchNorm):
        hidden = _batch_normed(g, layer, descriptor, local, grid)
    else:
        hidden = _layer_normed(g, layer, descriptor, local, grid)
    return g("MatMul", g("Relu", hidden), last)


def _descriptor(g, layer, features, grid):
    """D [n, 1, C_d], or None."""
    if layer.descriptor_kind == "none":
        return None
    weight, bias = layer.descriptor.weight.numpy().T, layer.descriptor.bias.numpy()
    if layer.descriptor_kind == "concat":
        x = g("Reshape", features, [-1, 1, grid.positions * layer.in_channels])
    elif layer.descriptor_kind == "avg":
        if grid.valid is None:
            x = g("ReduceMean", features, [1], keepdims=1)
        else:
            valid = g("Unsqueeze", g.cast(grid.valid, "float32"), [1])
            count = g("ReduceSum", valid, [2], keepdims=1)
            x = g("Div", g("MatMul", valid, features), count)
    else:
        x = g("Add", g("MatMul", features, weight), bias)
        if grid.valid is not None:
            x = g("Where", g("Unsqueeze", grid.valid, [2]), x, float("-inf"))
        return g("ReduceMax", x, [1], keepdims=1)
    return g("Add", g("MatMul", x, weight), bias)


def _local(g, layer, features, grid):
    """The part of z that differs between positions, as a function (factors [.], shifts [.] of its channels) -> [n, M, .];
    None if there is no such part."""
    tables = None
    if layer.position != "none":
        tables = axis_table(layer.position, layer.largest_side, layer.max_area)
        places = [_axis(g, grid.row, grid.rows), _axis(g, grid.column, grid.columns)]
        if grid.valid is not None:
            places = [g("Where", grid.valid, place, 0) for place in places]
    if not layer.semantic_on:
        return None if tables is None else lambda factors, shifts: _embedding(g, tables, places, factors, shifts)
    weight, bias, channels = layer.semantic.weight.numpy(), layer.semantic.bias.numpy(), layer.in_channels

    def semantic(factors, shifts):
        own = weight * factors[:, None]
        x = g("MatMul", features, own[:, :channels].T)
        if tables is None:
            return g("Add", x, bias * factors + shifts)
        middle = channels + tables.shape[1]
        vertical = tables @ own[:, channels:middle].T + (bias * factors + shifts)
        for table, place in zip((vertical, tables @ own[:, middle:].T), places):
            x = g("Add", x, g("Gather", table, place))
        return x

    return semantic


def _embedding(g, tables, places, factors, shifts):
    half = tables.shape[1]
    halves = [tables * factors[part] + shifts[part] for part in (slice(0, half), slice(half, None))]
    return g("Concat", *(g("Gather", table, place) for table, place in zip(halves, places)), axis=2)


def _axis(g, index, side):
    """The row of axis_table: side * (side - 1) / 2 + index."""
    return g("Add", g("Div", g("Mul", side, g("Sub", side, 1)), 2), index)


def _batch_normed(g, layer, descriptor, local, grid):
    """norm2(fc1(relu(norm1(z)))) [n, M, .]; norm2 is folded into fc1."""
    width = layer.descriptor_width
    (scale1, shift1), (scale2, shift2) = _affine(layer.norm1), _affine(layer.norm2)
    weight = layer.fc1.weight.numpy() * scale2[:, None]
    bias = layer.fc1.bias.numpy() * scale2 + shift2
    hidden = None
    if descriptor is not None:
        x = g("Relu", g("Add", g("Mul", descriptor, scale1[:width]), shift1[:width]))
        hidden = g("Add", g("MatMul", x, weight[:, :width].T), bias)
    if local is None:
        return _at_each_position(g, hidden, grid)
    x = g("MatMul", g("Relu", local(scale1[width:], shift1[width:])), weight[:, width:].T)
    return g("Add", x, bias if hidden is None else hidden)


def _layer_normed(g, layer, descriptor, local, grid):
    z = []
    if descriptor is not None:
        z.append(_at_each_position(g, descriptor, grid))
    if local is not None:
        width = layer.norm1.weight.shape[0] - layer.descriptor_width
        z.append(local(np.ones(width, np.float32), np.zeros(width, np.float32)))
    x = g("Relu", _layer_norm(g, g("Concat", *z, axis=2), layer.norm1))
    x = g("Add", g("MatMul", x, layer.fc1.weight.numpy().T), layer.fc1.bias.numpy())
    return _layer_norm(g, x, layer.norm2)


def _at_each_position(g, x, grid):
    """[n, 1, .] -> [n, M, .]."""
    return g("Expand", x, [1, grid.positions, 1])


def _layer_norm(g, x, norm):
    return g("LayerNormalization", x, norm.weight.numpy(), norm.bias.numpy(), axis=-1, epsilon=norm.eps)


def _affine(norm):
    """(scale, shift) of the norm in evaluation mode."""
    weight, bias, mean, variance = (v.numpy() for v in (norm.weight, norm.bias, norm.running_mean, norm.running_var))
    scale = weight / np.sqrt(variance + np.float32(norm.eps))
    return scale, bias - mean * scale
