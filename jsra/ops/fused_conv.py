"""A convolution with the norm, the sum and the ReLU that follow it, in one pass: inference on the CPU.

Maps keep their layout. The kernel (cuda_src/fused_conv/cpu.h) multiplies by oneDNN's product of matrices, and computes
3 x 3 convolutions of stride 1 by Winograd's F(4 x 4, 3 x 3), which needs a quarter of the multiplications. There is no CUDA
kernel: on the GPU, in training, without oneDNN and for grouped convolutions the ordinary operators run. Nothing is kept
between calls: weights are folded and transformed each time, so that they are always the model's.
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.upsample import upsample_nearest

_WINOGRAD_MIN_CHANNELS = 16
_HOOKS = ("__fhook__", "__fhook2__")  # where Jittor keeps a module's forward hooks


def available(x) -> bool:
    """Whether the kernel serves this input now: float32 on the CPU, with oneDNN, nothing to differentiate."""
    return (
        bool(jt.flags.no_grad)
        and not runs_cuda_files()
        and getattr(jt.compile_extern, "mkl_ops", None) is not None
        and str(x.dtype) == "float32"
        and x.shape[0] > 0
    )


def fused_conv(x, weight, bias, added=None, relu=False, stride=1, padding=0, dilation=1) -> jt.Var:
    """relu(conv2d(x, weight, bias) + added), the ReLU if `relu`; of float32 on the CPU, without a gradient.

    Args:
        x: [B, C, H, W]. weight: [O, C, kh, kw]. bias: [O].
        added: [B, O, h, w]; where its size is not the output's [B, O, H', W'], position (y, x) is added its nearest
            (floor(y * h / H'), floor(x * w / W')).
        stride, padding, dilation: ints or (rows, columns).
    Returns: [B, O, H', W'].
    Raises: ValueError for a wrong rank, dtype or size.
    """
    return _run(x, *_prepare(weight, *_pairs(stride, padding, dilation)), bias, added, relu, stride, padding, dilation)


def _pairs(*values):
    return [tuple(v) if isinstance(v, (tuple, list)) else (v, v) for v in values]


def _prepare(weight, stride, padding, dilation):
    """(weight as the kernel wants it, kernel size, whether that is Winograd's form)."""
    check.var("weight", weight, rank=4, dtypes=("float32",))
    outputs, channels, *kernel = weight.shape
    winograd = kernel == [3, 3] and stride == (1, 1) and dilation == (1, 1) and min(padding) >= 0
    if not winograd or min(outputs, channels) < _WINOGRAD_MIN_CHANNELS:
        return weight, tuple(kernel), False
    shape = ((36, outputs, channels), "float32")
    return run("fused_conv", "weights", [weight], [shape], out_channels=outputs, channels=channels), (3, 3), True


def _run(x, weight, kernel, winograd, bias, added, relu, stride, padding, dilation):
    stride, padding, dilation = _pairs(stride, padding, dilation)
    check.var("x", x, rank=4, dtypes=("float32",))
    outputs, channels = weight.shape[1:] if winograd else weight.shape[:2]
    batch, _, *size = x.shape
    if x.shape[1] != channels:
        raise ValueError(f"x: has {x.shape[1]} channels, the weight needs {channels}")
    check.var("bias", bias, rank=1, last=outputs, dtypes=("float32",))
    out_size = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in zip(size, kernel, stride, padding, dilation)
    ]
    if min(out_size) < 1:
        raise ValueError(f"x: of shape {list(x.shape)} is smaller than the kernel {kernel}")
    added_size = (0, 0)
    if added is not None:
        check.var("added", added, rank=4, dtypes=("float32",))
        if list(added.shape[:2]) != [batch, outputs]:
            raise ValueError(f"added: expected shape [{batch}, {outputs}, h, w], got {list(added.shape)}")
        added_size = tuple(added.shape[2:])
    return run(
        "fused_conv", "forward", [x, weight, bias, x if added is None else added],
        [((batch, outputs, *out_size), "float32")], batch=batch, channels=channels, size=size, out_channels=outputs,
        out_size=out_size, taps=kernel, stride=stride, padding=padding, dilation=dilation, added_size=added_size,
        relu=bool(relu), by_winograd=winograd,
    )  # fmt: skip


class FusedConv:
    """A model's convolution and the norm behind it (or None), as one callable: in one pass where that is possible, else
    module by module.

    conv: Conv2d. norm: BatchNorm2d of jsra.backbones. Made anew for each forward pass, at no cost: then it serves several
    maps, and its weights are prepared once.
    """

    def __init__(self, conv, norm=None):
        self.conv, self.norm = conv, norm
        self._prepared = None

    def __call__(self, x, added=None, relu=False):
        """relu(norm(conv(x)) + added); added, relu: as in fused_conv."""
        if self._fuses(x):
            if self._prepared is None:
                self._prepared = self._fold()
            conv = self.conv
            return _run(x, *self._prepared, added, relu, conv.stride, conv.padding, conv.dilation)
        out = self.conv(x)
        if self.norm is not None:
            out = self.norm(out)
        if added is not None:
            out = out + upsample_nearest(added, out.shape[2:])
        return nn.relu(out) if relu else out

    def _fuses(self, x):
        conv, norm = self.conv, self.norm
        modules = [conv] if norm is None else [conv, norm]
        return (
            available(x)
            and conv.groups == 1
            and not conv.is_training()
            and not any(hasattr(module, hook) for module in modules for hook in _HOOKS)
            and (norm is None or norm.affine_form() is not None)
        )

    def _fold(self):
        """(weight, kernel size, Winograd or not, bias), the norm in them."""
        conv = self.conv
        weight, bias = conv.weight, conv.bias
        if self.norm is not None:
            scale, shift = self.norm.affine_form()
            weight = weight * scale.reshape(-1, 1, 1, 1)
            bias = shift if bias is None else bias * scale + shift
        elif bias is None:
            bias = jt.zeros((weight.shape[0],))
        return (*_prepare(weight, *_pairs(conv.stride, conv.padding, conv.dilation)), bias)
