"""The pyramid level that an RoI reads, by the rule of FPN."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def roi_levels(rois, num_levels: int, finest_scale: float = 56.0) -> jt.Var:
    """int32 [K]: floor(log2(sqrt(w * h) / finest_scale + 1e-6)), clamped to 0..num_levels - 1.

    rois: [K, 5] (batch index, x0, y0, x1, y1) in image pixels. w = x1 - x0, without the + 1 of older code.
    A box that is empty, inverted or not finite gets level 0, and so does a negative batch index (an unused row).
    Raises: ValueError for a wrong rank, size or dtype. Source: FPN (Lin et al. 2017) as in mmdet.
    """
    check.var("rois", rois, rank=2, last=5, dtypes=("float32", "float64"))
    sizes = dict(count=rois.shape[0], levels=int(num_levels), finest=float(finest_scale))
    return run("roi_levels", "forward", [rois.float32()], [((rois.shape[0],), "int32")], **sizes)
