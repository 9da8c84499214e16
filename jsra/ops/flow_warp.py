"""Warping of feature maps by a flow (Zhu et al. 2017, Deep Feature Flow)."""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run
from jsra.ops.scatter import box_dtype, scratch


def flow_warp(input, flow) -> jt.Var:
    """Cell (y, x) reads the maps at (y + flow_y, x + flow_x), bilinearly; positions outside are moved to the border.

    Args:
        input: features [B, C, H, W].
        flow: [B, 2, H, W] in cells of the maps, plane 0 along x and plane 1 along y.
    Returns: [B, C, H, W]; zeros and no gradient where the flow is not finite. Gradients: to the features, and to the flow,
        except along an axis in which a position was moved to the border.
    Raises: ValueError for a wrong rank, shape or dtype.
    Source: arXiv:1611.07715 equation 4; torch's grid_sample with padding_mode='border' and align_corners=True.
    """
    check.var("input", input, rank=4)
    check.var("flow", flow, rank=4)
    batches, _, height, width = input.shape
    if tuple(flow.shape) != (batches, 2, height, width):
        raise ValueError(f"flow: expected shape {[batches, 2, height, width]}, got {list(flow.shape)}")
    return _FlowWarp.apply(input, flow.cast(box_dtype(str(input.dtype))))


class _FlowWarp(jt.Function):
    def execute(self, input, flow):
        self.inputs = input, flow
        self.sizes = dict(zip(("batches", "channels", "height", "width"), input.shape))
        return run("flow_warp", "forward", [input, flow], [(input.shape, str(input.dtype))], **self.sizes)

    def grad(self, dout):
        input, flow = self.inputs
        sums = scratch(input)[0], "int64"
        outputs = [(input.shape, str(input.dtype)), (flow.shape, str(flow.dtype)), sums, ((1,), "int32")]
        return tuple(run("flow_warp", "backward", [dout, input, flow], outputs, **self.sizes)[:2])
