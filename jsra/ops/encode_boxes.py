"""Boxes as deltas to reference boxes:

    dx = (gx - px) / pw    dw = log(gw / pw)      p: reference (anchor or proposal), g: target; centres and sizes
then subtract `means` and divide by `stds`. Source: R-CNN (Girshick et al. 2014), appendix C; mmdet's DeltaXYWHBBoxCoder.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def encode_boxes(references, targets, means=(0.0, 0.0, 0.0, 0.0), stds=(1.0, 1.0, 1.0, 1.0)) -> jt.Var:
    """Deltas [..., 4] (x, y, width, height); references, targets: xyxy [..., 4] of the same shape and dtype.

    A side below 1e-6 counts as 1e-6, so all deltas are finite. No gradient. jsra.ops.decode_boxes is the inverse.
    Raises: ValueError for wrong shapes, dtypes or numbers.
    """
    check.var("references", references, last=4, dtypes=("float32", "float64"))
    check.var("targets", targets, last=4, dtypes=(str(references.dtype),))
    if list(references.shape) != list(targets.shape):
        raise ValueError(
            f"targets: expected the shape of references, {list(references.shape)}, got {list(targets.shape)}"
        )
    output = (tuple(references.shape), str(references.dtype))
    numbers = normalisation(means, stds)
    return run("encode_boxes", "forward", [references, targets], [output], count=references.numel() // 4, **numbers)


def normalisation(means, stds) -> dict:
    """Means and deviations of the deltas as scalars of a kernel. Raises ValueError unless there are 4 of each and the
    deviations are positive."""
    if len(means) != 4 or len(stds) != 4 or min(stds) <= 0:
        raise ValueError(f"expected 4 means and 4 positive stds, got means={tuple(means)}, stds={tuple(stds)}")
    return dict(means=[float(m) for m in means], stds=[float(s) for s in stds])
