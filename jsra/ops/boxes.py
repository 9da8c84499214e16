"""Arithmetic of boxes [n, 4] (x0, y0, x1, y1), as in torchvision.ops; Jittor's operators provide the gradients."""

from __future__ import annotations

from numbers import Real

import jittor as jt

from jsra.ops import check
from jsra.ops.is_finite import is_finite


def box_area(boxes) -> jt.Var:
    """Areas [n] of boxes [n, 4]; negative for a box that is inverted along one axis, as in torchvision."""
    check.var("boxes", boxes, rank=2, last=4)
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _unit(finite_area, boxes):
    """The coordinates as a list of four Vars [n]; boxes without a finite area are replaced by empty ones."""
    return [jt.ternary(finite_area, boxes[:, i], jt.zeros_like(boxes[:, i])) for i in range(4)]


def box_iou(boxes1, boxes2) -> jt.Var:
    """Intersection over union [n, m] of boxes1 [n, 4] and boxes2 [m, 4].

    0 and no gradient if one of the boxes is empty, inverted or not finite (torchvision gives nan for two empty boxes).
    """
    check.var("boxes1", boxes1, rank=2, last=4)
    check.var("boxes2", boxes2, rank=2, last=4)
    if boxes1.shape[0] == 0 or boxes2.shape[0] == 0:
        return jt.zeros((boxes1.shape[0], boxes2.shape[0]), dtype=boxes1.dtype)
    sides = []
    for boxes in (boxes1, boxes2):
        area = box_area(boxes)
        sides.append(_unit(is_finite(area), boxes))
    # Single coordinates: Jittor fuses them into one pass, five times faster than with slices [:, :2].
    (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) = sides
    width = jt.minimum(ax1.unsqueeze(1), bx1.unsqueeze(0)) - jt.maximum(ax0.unsqueeze(1), bx0.unsqueeze(0))
    height = jt.minimum(ay1.unsqueeze(1), by1.unsqueeze(0)) - jt.maximum(ay0.unsqueeze(1), by0.unsqueeze(0))
    meet = jt.logical_and(width > 0, height > 0)
    inter = width * height
    union = ((ax1 - ax0) * (ay1 - ay0)).unsqueeze(1) + ((bx1 - bx0) * (by1 - by0)).unsqueeze(0) - inter
    nothing = jt.zeros_like(inter)
    return jt.ternary(meet, inter, nothing) / jt.ternary(meet, union, jt.ones_like(inter))


def clip_boxes_to_image(boxes, size) -> jt.Var:
    """Boxes [n, 4] with x clipped to 0..width and y to 0..height; size: (height, width), numbers of at least 0."""
    check.var("boxes", boxes, rank=2, last=4)
    height, width = check.image_size("size", size)
    columns = [boxes[:, i].clamp(0.0, width if i % 2 == 0 else height) for i in range(4)]
    return jt.stack(columns, dim=1)


def remove_small_boxes(boxes, min_size) -> jt.Var:
    """int32 indices of the boxes [n, 4] with finite sides of at least `min_size` (torchvision keeps infinite ones)."""
    check.var("boxes", boxes, rank=2, last=4)
    if not isinstance(min_size, Real) or not min_size >= 0:
        raise ValueError(f"min_size: expected a number of at least 0, got {min_size!r}")
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    large = jt.logical_and(width >= float(min_size), height >= float(min_size))
    large = jt.logical_and(large, is_finite(width + height))
    return jt.nonzero(large)[:, 0]
