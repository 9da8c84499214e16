"""Focal loss of a sigmoid on the dense maps of a detector (Lin et al. 2017, equation 5).

Shape letters: B images; A anchors per position; C classes; N anchors of all levels.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.dense_gather import dense_maps, dense_sizes
from jsra.ops.kernel import run
from jsra.ops.scatter import box_dtype


def dense_focal_loss(maps, labels, classes: int, alpha=0.25, gamma=2.0) -> jt.Var:
    """[B, N]: for each anchor the sum over its classes of

        -alpha * (1 - p)^gamma * log(p)            for the class of its label,
        -(1 - alpha) * p^gamma * log(1 - p)        for any other,    p = sigmoid(logit).

    Args:
        maps: levels of [B, A * C, H, W], up to 8, of one dtype; class c (1 to C) of anchor a is channel a * C + c - 1.
        labels: int32 [B, N], 1 to C, 0 for the background, negative for an ignored anchor: its loss is 0.
            Anchors are numbered over all levels (level, position row by row, anchor).
        classes: C.
    The losses are float32, or float64 for float64 maps; the maps get the gradient.
    Raises: ValueError for wrong ranks, shapes or dtypes.
    Source: torchvision.ops.sigmoid_focal_loss (the same values, summed over the classes).
    """
    maps = dense_maps("maps", maps, int(classes))
    sizes = dense_sizes(maps, int(classes))
    shape = [maps[0].shape[0], sum(a * n for a, n in zip(sizes["anchors"], sizes["cells"]))]
    if list(check.var("labels", labels, dtypes=("int32",)).shape) != shape:
        raise ValueError(f"labels: expected shape {shape}, one for each anchor of the maps, got {list(labels.shape)}")
    numbers = dict(batches=shape[0], count=shape[1], classes=int(classes), alpha=float(alpha), gamma=float(gamma), **sizes)
    return _DenseFocalLoss.apply(labels, numbers, *maps)


class _DenseFocalLoss(jt.Function):
    def execute(self, labels, numbers, *maps):
        self.labels, self.numbers, self.maps = labels, numbers, list(maps)
        out = ((numbers["batches"], numbers["count"]), box_dtype(str(maps[0].dtype)))
        return run("dense_focal_loss", "forward", [self.maps, labels], [out], **numbers)

    def grad(self, dout):
        outputs = [[(tuple(m.shape), str(m.dtype)) for m in self.maps]]
        grads = run("dense_focal_loss", "backward", [dout, self.maps, self.labels], outputs, **self.numbers)
        return (None, None, *(grads if len(self.maps) > 1 else [grads]))
