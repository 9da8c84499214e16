"""Boxes from deltas to reference boxes: the inverse of jsra.ops.encode_boxes."""

from __future__ import annotations

import math

import jittor as jt

from jsra.ops import check
from jsra.ops.encode_boxes import normalisation
from jsra.ops.kernel import run
from jsra.ops.scatter import box_dtype

MAX_LOG_RATIO = abs(math.log(16 / 1000))  # mmdet's wh_ratio_clip


def decode_boxes(
    references, deltas, means=(0.0, 0.0, 0.0, 0.0), stds=(1.0, 1.0, 1.0, 1.0), max_log_ratio=MAX_LOG_RATIO, sizes=None
) -> jt.Var:
    """Boxes of the shape of `deltas`, corners in pixels, with a gradient to the deltas.

    Args:
        references: [..., 4]. deltas: [..., 4], or [..., C, 4] for C boxes of each reference.
        means, stds: as for encode_boxes.
        max_log_ratio: side / side of the reference is limited to the factor exp(max_log_ratio) and its inverse.
        sizes: [B, 2], (width, height) of each image, to which its boxes are clipped (deltas [B, ..., 4]); None: not clipped.
    The boxes are float32, or float64 for float64 deltas. Clipped coordinates and limited sides have no gradient.
    Raises: ValueError for wrong shapes, dtypes or numbers.
    """
    check.var("deltas", deltas, last=4)
    dtype = box_dtype(str(deltas.dtype))
    check.var("references", references, last=4, dtypes=(dtype,))
    shape, own = list(deltas.shape), list(references.shape)
    if own not in (shape, shape[:-2] + [4]):
        raise ValueError(f"references: expected {shape} or {shape[:-2] + [4]} for deltas of shape {shape}, got {own}")
    if sizes is not None and list(sizes.shape) != [shape[0], 2]:
        raise ValueError(
            f"sizes: expected [{shape[0]}, 2], a width and a height for each image, got {list(sizes.shape)}"
        )
    numbers = dict(
        count=deltas.numel() // 4,
        repeats=1 if own == shape else shape[-2],
        clipped=sizes is not None,
        per_size=max(1, math.prod(shape[1:-1])),
        **normalisation(means, stds),
        max_log_ratio=float(max_log_ratio),
    )
    sizes = jt.zeros((1, 2), dtype=dtype) if sizes is None else sizes.cast(dtype)
    return _DecodeBoxes.apply(deltas, references, sizes, dtype, numbers)


class _DecodeBoxes(jt.Function):
    def execute(self, deltas, references, sizes, dtype, numbers):
        self.inputs, self.numbers = [deltas, references, sizes], numbers
        return run("decode_boxes", "forward", self.inputs, [(tuple(deltas.shape), dtype)], **numbers)

    def grad(self, dout):
        output = (tuple(dout.shape), str(self.inputs[0].dtype))
        return run("decode_boxes", "backward", [*self.inputs, dout], [output], **self.numbers), None, None, None, None
