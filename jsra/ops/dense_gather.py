"""Gathers the outputs of chosen anchors from the dense maps of all levels.

Shape letters: B images; A anchors per position; D numbers per anchor; M chosen anchors.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run


def dense_gather(maps, index, depth: int = 1) -> jt.Var:
    """[B, M, D]: the D numbers of each chosen anchor.

    Args:
        maps: levels of [B, A * D, H, W], up to 8, of one dtype; number d of anchor a is channel a * D + d.
        index: int32 [B, M]: anchors, numbered over all levels (level, position row by row, anchor). For -1, or any other
            number without an anchor: zeros.
        depth: D.
    The maps get the gradient; an anchor that was chosen more than once gets the sum.
    Raises: ValueError for wrong ranks, shapes or dtypes.
    """
    maps = dense_maps("maps", maps, depth)
    check.var("index", index, rank=2, dtypes=("int32",))
    if index.shape[0] != maps[0].shape[0]:
        raise ValueError(f"index: expected a row for each of the {maps[0].shape[0]} images, got {list(index.shape)}")
    return _DenseGather.apply(index, int(depth), *maps)


def dense_maps(name: str, maps, depth: int = 1) -> list:
    """`maps` as a list of Vars [B, A * depth, H, W] with the same B and dtype; otherwise raises ValueError."""
    maps = list(maps)
    if not maps:
        raise ValueError(f"{name}: expected at least one level, got none")
    if depth < 1:
        raise ValueError(f"depth: expected at least 1, got {depth!r}")
    for i, m in enumerate(maps):
        check.var(f"{name}[{i}]", m, rank=4, dtypes=(str(maps[0].dtype),) if i else check.FLOATS)
        if m.shape[0] != maps[0].shape[0] or m.shape[1] % depth:
            raise ValueError(
                f"{name}[{i}]: expected {maps[0].shape[0]} images and a multiple of {depth} channels, got {list(m.shape)}"
            )
    return maps


def dense_sizes(maps, depth: int = 1) -> dict:
    """The scalars of a kernel for dense maps: anchors per position, and number of positions of each level."""
    return dict(anchors=[m.shape[1] // depth for m in maps], cells=[m.shape[2] * m.shape[3] for m in maps])


class _DenseGather(jt.Function):
    def execute(self, index, depth, *maps):
        batches, count = index.shape
        self.index, self.shapes, self.dtype = index, [tuple(m.shape) for m in maps], str(maps[0].dtype)
        self.sizes = dict(batches=batches, count=count, depth=depth, **dense_sizes(maps, depth))
        out = ((batches, count, depth), self.dtype)
        return run("dense_gather", "forward", [list(maps), index], [out], **self.sizes)

    def grad(self, dout):
        outputs = [[(shape, self.dtype) for shape in self.shapes]]
        grads = run("dense_gather", "backward", [dout, self.index], outputs, **self.sizes)
        return (None, None, *(grads if len(self.shapes) > 1 else [grads]))
