"""Layer normalisation (Ba et al. 2016) over the last axis."""

from __future__ import annotations

import math

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.scatter import box_dtype

_PIECES = 64  # jsra::cuda::LAYER_NORM_PIECES


def layer_norm(x, weight, bias, eps=1e-5) -> jt.Var:
    """(x - mean) / sqrt(variance + eps) * weight + bias, mean and (biased) variance over the last axis of x.

    Args:
        x: [..., C]. weight, bias: [C]. eps: number.
    Returns: [..., C]. Gradients to x, weight and bias.
    Raises: ValueError for a wrong size or dtype.
    Source: torch.nn.functional.layer_norm with normalized_shape [C].
    """
    check.var("x", x)
    for name, value in (("weight", weight), ("bias", bias)):
        check.var(name, value, rank=1, last=x.shape[-1])
    shape = tuple(x.shape)
    weight, bias = (v.cast(box_dtype(str(x.dtype))) for v in (weight, bias))
    rows = x.reshape(math.prod(shape[:-1]), shape[-1])
    return _LayerNorm.apply(rows, weight, bias, float(eps)).reshape(shape)


class _LayerNorm(jt.Function):
    def execute(self, x, weight, bias, eps):
        self.dtypes = str(x.dtype), str(weight.dtype)
        self.sizes = dict(rows=x.shape[0], width=x.shape[1])
        outputs = [(tuple(x.shape), self.dtypes[0]), ((x.shape[0], 2), self.dtypes[1])]
        out, statistics = run("layer_norm", "forward", [x, weight, bias], outputs, **self.sizes, eps=eps)
        self.saved = x, weight, statistics
        return out

    def grad(self, dout):
        rows, width = self.sizes["rows"], self.sizes["width"]
        scratch = (_PIECES, 2 * width) if runs_cuda_files() else (1, 1)
        outputs = [((rows, width), self.dtypes[0])] + [(s, self.dtypes[1]) for s in ((width,), (width,), scratch)]
        dx, dweight, dbias, _ = run("layer_norm", "backward", [dout, *self.saved], outputs, **self.sizes)
        return dx, dweight, dbias, None


class LayerNorm(jt.nn.Module):
    """layer_norm with its own weight (initially ones) and bias (zeros): [..., channels] -> the same shape."""

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = jt.ones((channels,))
        self.bias = jt.zeros((channels,))

    def execute(self, x):
        return layer_norm(x, self.weight, self.bias, self.eps)
