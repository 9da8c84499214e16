"""Sizes and gradient outputs for the operators on windows of feature maps (cuda_src/common/window*.h)."""

from __future__ import annotations

import jittor as jt

from jsra.ops.kernel import run, runs_cuda_files

SLOPES = 5  # jsra::SLOPES in cuda_src/common/window.h


def map_sizes(maps) -> dict:
    """The scalars of a kernel for feature maps [B, C, H, W]."""
    return dict(
        batches=maps[0].shape[0],
        channels=maps[0].shape[1],
        heights=[m.shape[2] for m in maps],
        widths=[m.shape[3] for m in maps],
    )


def gradient_outputs(sizes: dict, dtype: str) -> list:
    """The outputs for the gradients of maps with these `map_sizes`, and scratch where CUDA kernels sum them as integers."""
    shapes = [(sizes["batches"], sizes["channels"], h, w) for h, w in zip(sizes["heights"], sizes["widths"])]
    sums = shapes if runs_cuda_files() else [(1,)] * len(shapes)
    return [[(s, dtype) for s in shapes], [(s, "int64") for s in sums], ((1,), "int32")]


def window_outputs(sizes: dict, dout) -> list:
    """The outputs of the backward of cuda_src/common/window.cuh: gradient_outputs, and scratch for the output's gradient."""
    return [*gradient_outputs(sizes, str(dout.dtype)), scratch(dout)]


def maps_scratch(maps) -> list:
    """`scratch` for each of the maps."""
    return [scratch(m) for m in maps]


def scratch(like) -> tuple:
    """An extra output of the CUDA kernels, in which they store a Var channels-last."""
    return tuple(like.shape) if runs_cuda_files() else (1,), str(like.dtype)


def box_dtype(dtype: str) -> str:
    """The dtype of boxes, offsets and scratch for features of a dtype."""
    return "float64" if dtype == "float64" else "float32"


class SampleMaps(jt.Function):
    """An operator whose gradient goes only to the feature maps: forward(maps, boxes, levels), backward(dout, boxes, levels).

    SampleMaps.apply(op, boxes, levels, channels, settings, *maps) returns [count, channels, bins_y, bins_x]. settings: the
    scalars of the kernels that follow the sizes of the maps; count, bins_y and bins_x are among them.
    """

    def execute(self, op, boxes, levels, channels, settings, *maps):
        self.op, self.inputs = op, (boxes, levels)
        self.sizes = {**map_sizes(maps), **settings}
        out = ((settings["count"], channels, settings["bins_y"], settings["bins_x"]), str(maps[0].dtype))
        return run(op, "forward", [list(maps), boxes, levels], [out, maps_scratch(maps)], **self.sizes)[0]

    def grad(self, dout):
        grads = run(self.op, "backward", [dout, *self.inputs], window_outputs(self.sizes, dout), **self.sizes)
        return (None,) * 5 + tuple(grads[: len(self.sizes["heights"])])
