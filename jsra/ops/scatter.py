"""Outputs of backward kernels that add up a gradient to feature maps (cuda_src/common/window*.h)."""

from __future__ import annotations

from jsra.ops.kernel import runs_cuda_files

SLOPES = 5  # jsra::SLOPES in cuda_src/common/window.h


def map_sizes(maps) -> dict:
    """The scalars that describe feature maps [B, C, H, W] to a kernel."""
    return dict(
        batches=maps[0].shape[0],
        channels=maps[0].shape[1],
        heights=[m.shape[2] for m in maps],
        widths=[m.shape[3] for m in maps],
    )


def gradient_outputs(sizes: dict, dtype: str) -> list:
    """The gradients to the maps of `map_sizes`, and the scratch in which the CUDA kernels sum them up as integers."""
    shapes = [(sizes["batches"], sizes["channels"], h, w) for h, w in zip(sizes["heights"], sizes["widths"])]
    sums = shapes if runs_cuda_files() else [(1,)] * len(shapes)
    return [[(s, dtype) for s in shapes], [(s, "int64") for s in sums], ((1,), "int32")]


def box_dtype(dtype: str) -> str:
    """The dtype of what lies beside features of a dtype: boxes, offsets, scratch."""
    return "float64" if dtype == "float64" else "float32"
