"""The pyramid level of each RoI in the graph; each level processes its own RoIs."""

from __future__ import annotations


def roi_levels(g, boxes, count: int, finest: float):
    """int64 [n] for boxes [n, 4], by the rule of jsra.ops.roi_levels."""
    low, high = g.halves(boxes)
    area = g("ReduceProd", g("Sub", high, low), [1], keepdims=1)
    size = g("Add", g("Div", g("Sqrt", area), finest), 1e-6)
    reached = g("GreaterOrEqual", size, [2.0**i for i in range(1, count)])
    return g("ReduceSum", g.cast(reached, "int64"), [1], keepdims=0)


def by_level(g, rows, levels, maps, read):
    """The results of read(level, map, rows of this level), in the order of `rows` [n, ...]. levels: int64 [n]."""
    if len(maps) == 1:
        return read(0, maps[0], rows)
    parts, places = [], []
    for level, x in enumerate(maps):
        place = g("Squeeze", g("NonZero", g("Equal", levels, level)), [0])
        parts.append(read(level, x, g("Gather", rows, place)))
        places.append(place)
    order = g("Concat", *places, axis=0)
    numbers = g("Range", 0, g("Squeeze", g.size(order, 0), [0]), 1)
    back = g("ScatterElements", order, order, numbers, axis=0)
    return g("Gather", g("Concat", *parts, axis=0), back)
