"""Deformable RoI pooling (Dai et al. 2017; modulated: Zhu et al. 2019, Deformable ConvNets v2)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.scatter import SLOPES, box_dtype, map_sizes, maps_scratch, window_outputs


def deform_roi_pool(
    input, rois, offset, output_size, spatial_scale=1.0, sampling_ratio=0, gamma=0.1, mask=None, levels=None
) -> jt.Var:
    """RoI Align (aligned, average) with shifted and weighted bins.

    Args:
        input: features [B, C, H, W], or a list of them, the levels of a pyramid.
        rois: [K, 5], (batch index, x0, y0, x1, y1) in image pixels.
        offset: [K, 2, rows, columns], plane 0 along x and plane 1 along y: bin (p, q) of RoI k is shifted by
            gamma * width(k) * offset[k, 0, p, q] cells in x, gamma * height(k) * offset[k, 1, p, q] in y. None: no shift.
        output_size: bins, an int or (rows, columns).
        spatial_scale: feature cells per image pixel; one for each level if there are several.
        sampling_ratio: samples per bin and axis; 0 or less is adaptive, as for roi_align.
        gamma: see `offset`.
        mask: [K, rows, columns], factors of the bins; None: 1.
        levels: int32 [K], which map each RoI reads, if `input` is a list.
    Returns: [K, C, rows, columns]; zeros, and no gradient, for an invalid RoI (see roi_align) and for a bin whose offset
        is not finite. A box of zero width or height is sampled as by roi_align. Gradients: to the features, the offsets and
        the masks.
    Raises: ValueError for a wrong rank, shape or dtype.
    Source: arXiv:1703.06211 section 2.2, arXiv:1811.11168; arguments as mmcv.ops.deform_roi_pool, except mask and levels.
    """
    check.var("rois", rois, rank=2, last=5)
    maps, scales, levels = check.pyramid(input, spatial_scale, levels, rois.shape[0])
    rois = check.rois("rois", rois, maps[0])
    bins = check.size_pair("output_size", output_size)
    extras = []
    for name, value, shape in (("offset", offset, (2,) + bins), ("mask", mask, bins)):
        if value is None:  # a Var of the same rank that is not read, so that the same compiled kernel serves
            extras.append(jt.empty((1,) * (1 + len(shape)), str(rois.dtype)))
            continue
        check.var(name, value, rank=1 + len(shape))
        if tuple(value.shape) != (rois.shape[0],) + shape:
            raise ValueError(f"{name}: expected shape {[rois.shape[0], *shape]}, got {list(value.shape)}")
        extras.append(value.cast(str(rois.dtype)))
    settings = dict(
        scales=scales,
        count=rois.shape[0],
        bins_y=bins[0],
        bins_x=bins[1],
        sampling_ratio=check.samples(sampling_ratio),
        gamma=float(gamma),
        has_offset=offset is not None,
        has_mask=mask is not None,
    )
    return _DeformRoiPool.apply(rois, levels, *extras, settings, *maps)


class _DeformRoiPool(jt.Function):
    def execute(self, rois, levels, offset, mask, settings, *maps):
        self.inputs = rois, levels, offset, mask
        self.maps, self.dtype = list(maps), str(maps[0].dtype)
        sizes = map_sizes(maps)
        self.sizes = {**sizes, **settings}
        out = ((settings["count"], sizes["channels"], settings["bins_y"], settings["bins_x"]), self.dtype)
        outputs = [out, maps_scratch(maps)]
        return run("deform_roi_pool", "forward", [self.maps, *self.inputs], outputs, **self.sizes)[0]

    def grad(self, dout):
        s, other = self.sizes, box_dtype(self.dtype)
        count, bins = s["count"], (s["bins_y"], s["bins_x"])
        outputs = window_outputs(s, dout) + [
            ((count, bins[0] * bins[1], SLOPES), other),
            ((count, 2) + bins, other),
            ((count,) + bins, other),
        ]
        results = run("deform_roi_pool", "backward", [dout, self.maps, *self.inputs], outputs, **s)
        offset = results[-2] if s["has_offset"] else None
        mask = results[-1] if s["has_mask"] else None
        return (None, None, offset, mask, None) + tuple(results[: len(self.maps)])


class DeformRoIPool(jt.nn.Module):
    """`deform_roi_pool` with fixed settings, as mmcv.ops.DeformRoIPool; call it with (input, rois, offset, mask)."""

    def __init__(self, output_size, spatial_scale=1.0, sampling_ratio=0, gamma=0.1):
        super().__init__()
        self.settings = (output_size, spatial_scale, sampling_ratio, gamma)

    def execute(self, input, rois, offset=None, mask=None):
        return deform_roi_pool(input, rois, offset, *self.settings, mask=mask)
