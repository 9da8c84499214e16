"""Writes dyhead.npz: maps and gradients of mmdet's DyHead, narrow, two blocks, three levels: python make_dyhead.py"""

import os

import numpy as np
import torch
from mmdet.models.necks import DyHead

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dyhead.npz")
CHANNELS, SIZES = 16, ((9, 14), (5, 7), (3, 4))


def main():
    neck, rng, arrays = DyHead(CHANNELS, CHANNELS, num_blocks=2), np.random.default_rng(0), {}
    with torch.no_grad():
        for name, p in neck.named_parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 1 / np.sqrt(max(p[0].numel(), 4)), tuple(p.shape)).astype(np.float32)))
            p += 1.0 if name.endswith("scale_attn_module.1.bias") else 0.0  # or its ReLU lets nothing through
            arrays[f"w.{name}"] = p.numpy().copy()
    maps = [torch.from_numpy(rng.standard_normal((2, CHANNELS, *s)).astype(np.float32)).requires_grad_() for s in SIZES]
    outs = neck(maps)
    douts = [torch.from_numpy(rng.standard_normal(tuple(o.shape)).astype(np.float32)) for o in outs]
    sum((o * d).sum() for o, d in zip(outs, douts)).backward()
    for prefix, values in (("map", maps), ("out", outs), ("dout", douts), ("dmap", [m.grad for m in maps])):
        arrays.update({f"{prefix}{i}": v.detach().numpy() for i, v in enumerate(values)})
    arrays.update({f"dw.{name}": p.grad.numpy() for name, p in neck.named_parameters()})
    np.savez_compressed(OUT, **arrays)


if __name__ == "__main__":
    main()
