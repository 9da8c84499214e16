"""Depth-wise convolution of channels-last maps, for the feed-forward layers of vision transformers.

Their maps are tokens, [B, H * W, C], which a convolution of channels-first maps would have to transpose twice.
"""

from __future__ import annotations

import jittor as jt

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.scatter import box_dtype

_PIECES = 64  # jsra::cuda::DEPTHWISE_PIECES


def depthwise_conv2d(x, weight, bias=None, stride=1, padding=0) -> jt.Var:
    """Each channel of x convolved with its own kernel.

    Args:
        x: [B, H, W, C]. weight: [C, 1, kh, kw]. bias: [C]. stride, padding: ints, of rows and columns.
    Returns: [B, H', W', C]. Gradients to x, weight and bias.
    Raises: ValueError for a wrong rank, dtype or size.
    Source: torch.nn.functional.conv2d with groups=C, on the same weight and on x transposed to [B, C, H, W].
    """
    check.var("x", x, rank=4)
    dtype = (str(x.dtype),)
    batch, *size, channels = x.shape
    check.var("weight", weight, rank=4, dtypes=dtype)
    if list(weight.shape[:2]) != [channels, 1]:
        raise ValueError(f"weight: expected shape [{channels}, 1, kh, kw], got {list(weight.shape)}")
    if bias is not None:
        check.var("bias", bias, rank=1, last=channels, dtypes=dtype)
    if stride < 1 or padding < 0:
        raise ValueError(f"stride, padding: expected at least 1 and 0, got {stride}, {padding}")
    kernel = list(weight.shape[2:])
    out_size = [(n + 2 * padding - k) // stride + 1 for n, k in zip(size, kernel)]
    if min(out_size) < 1:
        raise ValueError(f"x: of shape {list(x.shape)} is smaller than the kernel {kernel}")
    sizes = dict(
        batch=batch, channels=channels, size=list(size), out_size=out_size, taps=kernel, stride=int(stride),
        padding=int(padding),
    )  # fmt: skip
    return _DepthwiseConv2d.apply(x, weight, bias, sizes)


class _DepthwiseConv2d(jt.Function):
    def execute(self, x, weight, bias, sizes):
        self.saved, self.has_bias, self.sizes = (x, weight), bias is not None, sizes
        shape = (sizes["batch"], *sizes["out_size"], sizes["channels"])
        # A missing bias is replaced by a Var of its rank that is not read.
        inputs = [x, weight, bias if self.has_bias else weight.reshape(weight.numel())]
        return run("depthwise_conv2d", "forward", inputs, [(shape, str(x.dtype))], **sizes, has_bias=self.has_bias)

    def grad(self, dout):
        x, weight = self.saved
        dtype, channels = str(x.dtype), x.shape[-1]
        taps = weight.numel() // channels
        scratch = (_PIECES, taps + 1, channels) if runs_cuda_files() else (1, 1, 1)
        outputs = [(tuple(x.shape), dtype), (tuple(weight.shape), dtype), ((channels,), dtype), (scratch, box_dtype(dtype))]
        dx, dweight, dbias, _ = run("depthwise_conv2d", "backward", [dout, x, weight], outputs, **self.sizes)
        return dx, dweight, dbias if self.has_bias else None, None
