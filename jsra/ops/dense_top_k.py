"""The anchors with the largest scores of each level.

Shape letters: B images; A anchors per position; H, W of a level's map.
"""

from __future__ import annotations

from jsra.ops.dense_gather import dense_maps, dense_sizes
from jsra.ops.kernel import run, runs_cuda_files


def dense_top_k(maps, k: int):
    """Of each level the k anchors with the largest scores, or all of them, by falling score, equal scores by rising index.

    Args:
        maps: levels of [B, A, H, W], up to 8, of one dtype. A score that is not a number counts as the smallest.
    Returns: (index int32 [B, M], value float32 [B, M]), M = sum over levels of min(k, A * H * W). index counts anchors over
        all levels (level, position by rows, anchor), as jsra.ops.dense_gather. No gradient: gather the scores for one.
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
