"""Multi-scale deformable attention (Zhu et al. 2021, Deformable DETR, arXiv:2010.04159)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import MAX_LIST, run
from jsra.ops.scatter import box_dtype, scratch


def ms_deform_attn(value, locations, weights, sizes) -> jt.Var:
    """For each head, a query samples some points of each map bilinearly and adds the samples with its weights.

    Args:
        value: [B, S, G, D], the cells of all maps, row by row, one map after the other; G heads with D channels.
        locations: [B, Q, G, L, P, 2], x and y of P points on each of L maps, 0 to 1 from edge to edge of the map. Maps are 0
            outside. A point that is not finite is left out.
        weights: [B, Q, G, L, P].
        sizes: ((height, width), ...) of the L maps, at most 8, with S cells together.
    Returns: [B, Q, G, D]. Gradients to value, locations and weights.
    Raises: ValueError for a wrong rank, size or dtype.
    Source: arXiv:2010.04159 equation 3; mmcv's MultiScaleDeformableAttnFunction, which returns [B, Q, G * D].
    """
    check.var("value", value, rank=4)
    check.var("locations", locations, rank=6, last=2)
    check.var("weights", weights, rank=5)
    batch, cells, heads, depth = value.shape
    sizes = [tuple(int(n) for n in size) for size in sizes]
    if not 1 <= len(sizes) <= MAX_LIST or sum(h * w for h, w in sizes) != cells:
        raise ValueError(f"sizes: expected 1 to {MAX_LIST} maps of {cells} cells in all, as value has, got {sizes}")
    queries, points = locations.shape[1], locations.shape[4]
    expected = [batch, queries, heads, len(sizes), points]
    for name, shape in (("locations", locations.shape[:5]), ("weights", weights.shape)):
        if list(shape) != expected:
            raise ValueError(f"{name}: expected [B, Q, G, L, P] = {expected}, got shape {list(shape)}")
    scalars = dict(
        batch=batch, cells=cells, heads=heads, depth=depth, queries=queries, levels=len(sizes), points=points,
        heights=[h for h, _ in sizes], widths=[w for _, w in sizes],
    )  # fmt: skip
    dtype = box_dtype(str(value.dtype))
    return _MSDeformAttn.apply(value, locations.cast(dtype), weights.cast(dtype), scalars)


class _MSDeformAttn(jt.Function):
    def execute(self, value, locations, weights, scalars):
        self.inputs, self.scalars = (value, locations, weights), scalars
        shape = (value.shape[0], locations.shape[1], *value.shape[2:])
        return run("ms_deform_attn", "forward", list(self.inputs), [(shape, str(value.dtype))], **scalars)

    def grad(self, dout):
        outputs = [(tuple(x.shape), str(x.dtype)) for x in self.inputs]
        outputs += [(scratch(self.inputs[0])[0], "int64"), ((1,), "int32")]
        return (*run("ms_deform_attn", "backward", [dout, *self.inputs], outputs, **self.scalars)[:3], None)
