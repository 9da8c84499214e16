"""RoI Align (He et al. 2017, Mask R-CNN)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.scatter import gradient_outputs, map_sizes, maps_scratch, scratch


def roi_align(
    input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False, mode="avg", levels=None
) -> jt.Var:
    """Sample each box on a regular grid of bins by bilinear interpolation.

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        boxes: RoIs [K, 5], (batch index, x0, y0, x1, y1) in image pixels; or a list of [L, 4], one for each image.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        sampling_ratio: samples per bin and axis; 0 or less is adaptive: one for each cell that the bin covers, rounded up.
        aligned: True: cell centres are at half-integers (a shift by -0.5 cell); False: the legacy rule, with RoIs of at least
            one cell.
        mode: 'avg' or 'max' over the samples of a bin.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros and no gradient for bins more than a cell outside the map and for an invalid RoI:
        a box that is not finite or inverted, a batch index outside 0..B-1 (-1 marks an unused row), a level that
        does not exist. A box of zero width or height (x0 = x1, y0 = y1) is sampled at its point or along its line if
        sampling_ratio is given; it counts as one cell with the legacy rule; otherwise it gives zeros.
    Raises: ValueError for a wrong rank or dtype.
    Source: torchvision.ops.roi_align, with the same arguments, except `mode` and `levels`, and the same values, except for
        inverted boxes, which torchvision's legacy rule widens to one cell.
    """
    boxes = check.roi_rows("boxes", boxes, input)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, boxes.shape[0])
    boxes = check.rois("boxes", boxes, maps[0])
    rows, columns = check.size_pair("output_size", output_size)
    if mode not in ("avg", "max"):
        raise ValueError(f"mode: expected 'avg' or 'max', got {mode!r}")
    settings = check.samples(sampling_ratio), check.flag("aligned", aligned), mode
    return _RoiAlign.apply(boxes, levels, scales, (rows, columns), *settings, *maps)


class _RoiAlign(jt.Function):
    def execute(self, boxes, levels, scales, bins, sampling_ratio, aligned, mode, *maps):
        sizes = map_sizes(maps)
        self.scalars = dict(
            **sizes,
            scales=scales,
            count=boxes.shape[0],
            bins_y=bins[0],
            bins_x=bins[1],
            sampling_ratio=sampling_ratio,
            aligned=aligned,
        )
        self.sizes, self.mode, self.dtype = sizes, mode, str(maps[0].dtype)
        self.inputs = [boxes, levels]
        shape = (boxes.shape[0], sizes["channels"]) + bins
        out = (shape, self.dtype)
        if mode == "avg":
            outputs = [out, maps_scratch(maps)]
            return run("roi_align", "forward", [list(maps), boxes, levels], outputs, **self.scalars)[0]
        outputs = [out, (shape, "int32")]
        out, argmax = run("roi_align", "max_forward", [list(maps), boxes, levels], outputs, **self.scalars)
        self.inputs.append(argmax)
        return out

    def grad(self, dout):
        if self.mode == "avg":
            outputs = [gradient_outputs(self.sizes, self.dtype)[0], scratch(dout)]
            grads = run("roi_align", "backward", [dout, *self.inputs], outputs, **self.scalars)
        else:
            outputs = gradient_outputs(self.sizes, self.dtype)
            grads = run("roi_align", "max_backward", [dout, *self.inputs], outputs, **self.scalars)
        return (None,) * 7 + tuple(grads[: len(self.sizes["heights"])])


class RoIAlign(jt.nn.Module):
    """`roi_align` with fixed settings, as torchvision.ops.RoIAlign."""

    def __init__(self, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False, mode="avg"):
        super().__init__()
        self.settings = (output_size, spatial_scale, sampling_ratio, aligned, mode)

    def execute(self, input, rois):
        return roi_align(input, rois, *self.settings)
