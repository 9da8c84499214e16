"""Write the vectors of the operators that PyTorch itself has: python tests/ops/vectors/make_torch.py (needs torch)."""

import json
import os

import numpy as np
import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def write(name, cases):
    """cases: {case: (function of tensors, inputs, settings, which inputs have a gradient)}."""
    rng, arrays = np.random.default_rng(0), {}
    for case, (function, shapes, settings, grad) in cases.items():
        inputs = [torch.from_numpy(rng.standard_normal(s).astype(np.float32)) for s in shapes]
        for i in grad:
            inputs[i].requires_grad_()
        out = function(*inputs, **settings)
        weight = torch.from_numpy(rng.standard_normal(tuple(out.shape)).astype(np.float32))
        (out * weight).sum().backward()
        found = {f"in{i}": x.detach() for i, x in enumerate(inputs)}
        found.update({f"grad{i}": inputs[i].grad for i in grad}, out0=out.detach(), weight0=weight)
        arrays.update({f"{case}/{key}": value.numpy() for key, value in found.items()})
        arrays[f"{case}/settings"] = np.array(json.dumps(settings))
    np.savez_compressed(os.path.join(HERE, name), **arrays)


def layer_norm(x, weight, bias, eps):
    return F.layer_norm(x, weight.shape, weight, bias, eps)


def depthwise(x, weight, bias, stride, padding):
    return F.conv2d(x.permute(0, 3, 1, 2), weight, bias, stride, padding, groups=x.shape[-1]).permute(0, 2, 3, 1)


def attention(q, k, v, bias=None, mask=None):
    """jsra's [B, N, H, D], through scaled_dot_product_attention."""
    if bias is not None:
        bias = bias + mask.repeat(len(q) // len(mask), 1, 1)[:, None]
    q, k, v = (x.permute(0, 2, 1, 3) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, bias).permute(0, 2, 1, 3)


if __name__ == "__main__":
    write("layer_norm.npz", {
        "map": (layer_norm, [(2, 3, 4, 24), (24,), (24,)], {"eps": 1e-6}, (0, 1, 2)),
    })  # fmt: skip
    write("gelu.npz", {"map": (F.gelu, [(3, 5, 7)], {}, (0,))})
    write("depthwise_conv2d.npz", {
        "3 x 3": (depthwise, [(2, 5, 6, 8), (8, 1, 3, 3), (8,)], {"stride": 1, "padding": 1}, (0, 1, 2)),
        "stride 2": (depthwise, [(1, 7, 6, 5), (5, 1, 3, 3), (5,)], {"stride": 2, "padding": 1}, (0, 1, 2)),
    })  # fmt: skip
    write("attention.npz", {
        "pooled keys": (attention, [(2, 9, 2, 8), (2, 5, 2, 8), (2, 5, 2, 8)], {}, (0, 1, 2)),
        "windows": (attention, [(4, 9, 2, 8)] * 3 + [(2, 9, 9), (2, 9, 9)], {}, (0, 1, 2, 3)),
    })  # fmt: skip
