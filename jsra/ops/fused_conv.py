"""A convolution and the norm, sum and ReLU that follow it, in one pass: for inference on the CPU.

Maps keep their layout. The kernel (cuda_src/fused_conv/cpu.h) uses oneDNN's matrix product, and computes 3 x 3 convolutions
of stride 1 by Winograd's F(4 x 4, 3 x 3), with a quarter of the multiplications. Nothing is stored between calls: the norm is
folded into the current weights of the model at each call. There is no CUDA kernel: on the GPU, in training, without oneDNN
and for grouped convolutions, `conv_norm_relu` runs the modules themselves. Models do not call it: jsra.fuse puts it into a
finished model. jsra.ops.conv uses `fused_conv`, in training too, and `conv_weight_grad`.
"""

from __future__ import annotations

import math

import jittor as jt
from jittor import nn

from jsra.ops import check
from jsra.ops.kernel import run, runs_cuda_files
from jsra.ops.upsample import upsample_nearest

_WINOGRAD_MIN_CHANNELS = 16
_WINOGRAD_MIN_POSITIONS = 512  # output positions of the batch: with fewer, transforming the weights costs more than it saves
_WEIGHT_GRAD_MIN = dict(channels=128, positions=2048)  # positions of one image; below, oneDNN's form is faster
_HOOKS = ("__fhook__", "__fhook2__")  # attributes in which Jittor stores a module's forward hooks
_KNOWN = ("jsra.ops.conv", "jsra.backbones.norm")  # where `execute` of the modules is that can be folded


def fused_conv(
    x, weight, bias, scale=None, added=None, relu=False, stride=1, padding=0, dilation=1, turned=False
) -> jt.Var:
    """conv2d(x, weight) * scale + bias + added, then a ReLU if `relu`. For float32 on the CPU, with oneDNN.

    Args:
        x: [B, C, H, W]. weight: [O, C, kh, kw]. bias: [O]. scale: [O], None: 1.
        added: [B, O, h, w], None: 0. If its size differs from that of the output [B, O, H', W'], position (y, x) gets the
            nearest value, at (floor(y * h / H'), floor(x * w / W')).
        stride, padding, dilation: ints or (rows, columns).
        turned: weight is [C, O, kh, kw] and is used rotated by 180 degrees, for the gradient of a convolution's input.
    Returns: [B, O, H', W'], without a gradient.
    Raises: ValueError for a wrong rank, dtype or size.
    """
    float32 = ("float32",)
    check.var("x", x, rank=4, dtypes=float32)
    check.var("weight", weight, rank=4, dtypes=float32)
    (batch, channels, *size), (outputs, inputs, *kernel) = x.shape, weight.shape
    if turned:
        outputs, inputs = inputs, outputs
    if channels != inputs:
        raise ValueError(f"x: has {channels} channels, the weight needs {inputs}")
    for name, value in (("bias", bias), ("scale", bias if scale is None else scale)):
        check.var(name, value, rank=1, last=outputs, dtypes=float32)
    if added is not None:
        check.var("added", added, rank=4, dtypes=float32)
        if list(added.shape[:2]) != [batch, outputs]:
            raise ValueError(f"added: expected shape [{batch}, {outputs}, h, w], got {list(added.shape)}")
    stride, padding, dilation = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding, dilation))
    steps = zip(size, kernel, stride, padding, dilation)
    out_size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in steps]
    if min(out_size) < 1:
        raise ValueError(f"x: of shape {list(x.shape)} is smaller than the kernel {kernel}")
    winograd = kernel == [3, 3] and stride == dilation == (1, 1) and min(outputs, channels) >= _WINOGRAD_MIN_CHANNELS
    winograd = winograd and batch * math.prod(out_size) >= _WINOGRAD_MIN_POSITIONS
    prepared = 36 * outputs * channels if winograd else math.prod(weight.shape) if turned or scale is not None else 1
    # A missing argument is replaced by a Var of its rank that is not read, so that one compiled kernel serves all cases.
    inputs = [x, weight, bias if scale is None else scale, bias, x if added is None else added]
    return run(
        "fused_conv", "forward", inputs, [((batch, outputs, *out_size), "float32"), ((prepared,), "float32")],
        batch=batch, channels=channels, size=size, out_channels=outputs, out_size=out_size, taps=kernel, stride=stride,
        padding=padding, dilation=dilation, added_size=(0, 0) if added is None else tuple(added.shape[2:]),
        scaled=scale is not None, turned=bool(turned), relu=bool(relu), by_winograd=winograd,
    )[0]  # fmt: skip


def conv_weight_grad(x, dout, padding) -> jt.Var:
    """The gradient of the weights of a 3 x 3 convolution of stride 1. See `weight_grad_available`.

    Args:
        x: [B, C, H, W]. dout: [B, O, H', W'], the gradient of its output. padding: (rows, columns).
    Returns: [O, C, 3, 3], without a gradient.
    """
    (batch, channels, *size), (_, outputs, *out_size) = x.shape, dout.shape
    shapes = (outputs, channels, 3, 3), (36 * outputs * channels,)
    return run(
        "fused_conv", "weight_grad", [x, dout], [(shape, "float32") for shape in shapes], batch=batch, channels=channels,
        size=size, out_channels=outputs, out_size=out_size, padding=padding,
    )[0]  # fmt: skip


def weight_grad_available(x, dout, kernel, stride, dilation, groups) -> bool:
    """Whether conv_weight_grad supports this convolution and is faster than oneDNN."""
    plain = list(kernel) == [3, 3] and stride == dilation == (1, 1) and groups == 1
    wide = min(x.shape[1], dout.shape[1]) >= _WEIGHT_GRAD_MIN["channels"]
    return plain and wide and math.prod(dout.shape[2:]) >= _WEIGHT_GRAD_MIN["positions"] and available(x)


def available(x) -> bool:
    """Whether the kernel can be used for this input now: float32 on the CPU, with oneDNN, without gradients."""
    return (
        bool(jt.flags.no_grad)
        and not runs_cuda_files()
        and getattr(jt.compile_extern, "mkl_ops", None) is not None
        and str(x.dtype) == "float32"
        and x.shape[0] > 0
    )


def conv_norm_relu(x, conv, norm=None, added=None, relu=False) -> jt.Var:
    """norm(conv(x)) + added, then a ReLU if `relu`: in one pass if possible, otherwise module by module.

    conv: Conv2d. norm: BatchNorm2d of jsra.backbones, or None. added, relu: as in fused_conv.
    """
    out = fused_modules(x, conv, norm, added, relu)
    if out is not None:
        return out
    out = conv(x)
    if norm is not None:
        out = norm(out)
    if added is not None:
        out = out + upsample_nearest(added, out.shape[2:])
    return nn.relu(out) if relu else out


def fused_modules(x, conv, norm=None, added=None, relu=False):
    """conv_norm_relu in one pass, or None if that is not possible."""
    affine = _affine(conv, norm) if available(x) else None
    if affine is None:
        return None
    scale, bias = affine
    return fused_conv(x, conv.weight, bias, scale, added, relu, conv.stride, conv.padding, conv.dilation)


def hooked(module) -> bool:
    """Whether a module has a forward hook of the user, or an `execute` of its own (those of jsra.fuse do not count)."""
    own = module.__dict__.get("execute")
    return any(hasattr(module, hook) for hook in _HOOKS) or getattr(own, "__module__", None) not in (None, "jsra.fuse")


def _is_known(module):
    """Whether a module does what its class in this package does; a user's own class may do anything."""
    execute = getattr(type(module), "execute", None)  # a function is no module
    return getattr(execute, "__module__", None) in _KNOWN and not hooked(module)


def _affine(conv, norm):
    """(scale or None, bias) to apply after the product with the weights; None if the modules themselves must run."""
    if not _is_known(conv) or not (norm is None or _is_known(norm)) or conv.is_training() or conv.groups != 1:
        return None
    if norm is None:
        return None, jt.zeros((conv.weight.shape[0],)) if conv.bias is None else conv.bias
    form = norm.affine_form()
    if form is None or conv.bias is None:
        return form
    scale, shift = form
    return scale, conv.bias * scale + shift
