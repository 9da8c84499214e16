"""The anchors with the largest scores of each level.

Shape letters: B images; A anchors per position; H x W cells of a level's map.
"""

from __future__ import annotations

from jsra.ops.dense_gather import dense_maps, dense_sizes
from jsra.ops.kernel import run, runs_cuda_files


def dense_top_k(maps, k: int):
    """The k anchors with the largest scores of each level (all if there are fewer), in order of decreasing score; equal
    scores in order of increasing index.

    Args:
        maps: levels of [B, A, H, W], up to 8, of one dtype. NaN counts as the smallest score.
    Returns: (index int32 [B, M], value float32 [B, M]), M = sum over levels of min(k, A * H * W). index numbers the anchors
        of all levels (level, position row by row, anchor), as in jsra.ops.dense_gather. Without a gradient: use dense_gather
        on the scores if you need one.
    Raises: ValueError for wrong ranks, shapes or dtypes.
    """
    maps = dense_maps("maps", maps)
    if int(k) != k or k < 1:
        raise ValueError(f"k: expected an integer of at least 1, got {k!r}")
    sizes = dense_sizes(maps)
    total = sum(min(int(k), a * n) for a, n in zip(sizes["anchors"], sizes["cells"]))
    shape = (maps[0].shape[0], total)
    scratch = (shape if runs_cuda_files() else (1, 1), "int32")
    outputs = [(shape, "int32"), (shape, "float32"), scratch, scratch]
    return tuple(run("dense_top_k", "forward", [maps], outputs, batches=shape[0], k=int(k), total=total, **sizes)[:2])
