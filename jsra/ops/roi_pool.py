"""RoI pooling (Girshick 2015, Fast R-CNN)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.scatter import gradient_outputs, map_sizes


def roi_pool(input, boxes, output_size, spatial_scale=1.0, levels=None) -> jt.Var:
    """The maximum over the cells of each bin; bins form a regular grid on each box, whose corners are rounded to cells.

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        boxes: RoIs [K, 5], (batch index, x0, y0, x1, y1) in image pixels; or a list of [L, 4], one for each image.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros and no gradient for bins outside the map and for an invalid RoI (see roi_align).
        A box of zero width or height counts as the cell that contains it.
    Raises: ValueError for a wrong rank or dtype.
    Source: torchvision.ops.roi_pool, with the same arguments, except `levels`, and the same values, except for inverted
        boxes, which torchvision treats as one cell.
    """
    boxes = check.roi_rows("boxes", boxes, input)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, boxes.shape[0])
    boxes = check.rois("boxes", boxes, maps[0])
    return _RoiPool.apply(boxes, levels, scales, check.size_pair("output_size", output_size), *maps)


class _RoiPool(jt.Function):
    def execute(self, boxes, levels, scales, bins, *maps):
        self.sizes = map_sizes(maps)
        self.counts = dict(count=boxes.shape[0], bins_y=bins[0], bins_x=bins[1])
        self.dtype = str(maps[0].dtype)
        shape = (boxes.shape[0], maps[0].shape[1]) + bins
        outputs = [(shape, self.dtype), (shape, "int32")]
        scalars = dict(**self.sizes, scales=scales, **self.counts)
        out, argmax = run("roi_pool", "forward", [list(maps), boxes, levels], outputs, **scalars)
        self.inputs = boxes, levels, argmax
        return out

    def grad(self, dout):
        levels = len(self.sizes["heights"])
        outputs = gradient_outputs(self.sizes, self.dtype)
        grads = run("roi_pool", "backward", [dout, *self.inputs], outputs, **self.sizes, **self.counts)
        return (None,) * 4 + tuple(grads[:levels])


class RoIPool(jt.nn.Module):
    """`roi_pool` with fixed settings, as torchvision.ops.RoIPool."""

    def __init__(self, output_size, spatial_scale=1.0):
        super().__init__()
        self.settings = (output_size, spatial_scale)

    def execute(self, input, rois):
        return roi_pool(input, rois, *self.settings)
