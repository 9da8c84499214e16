"""Writes pvt.npz: maps and gradients of a tiny PVTv2 of timm, for two sizes of images: python tests/backbones/make_pvt.py.

Weights are random, with timm's names. With a file as argument, it runs the complete PVTv2-B0 and writes that file.
"""

import os
import sys

import numpy as np
import timm
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = dict(embed_dims=(4, 8, 20, 32), depths=(1, 1, 1, 1))
GRADIENTS = ("stages_0.blocks.0.attn.sr.weight", "stages_1.blocks.0.mlp.dwconv.weight", "stages_2.blocks.0.attn.kv.weight")


def main(out, full):
    model = timm.create_model("pvt_v2_b0", features_only=True, drop_path_rate=0.0, **({} if full else SMALL))
    model.eval()
    rng, arrays = np.random.default_rng(0), {}
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 1 / np.sqrt(max(p[0].numel(), 4)), tuple(p.shape)).astype(np.float32)))
            p += 1.0 if p.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
    sizes = ((1, 3, 224, 224), (1, 3, 203, 310)) if full else ((2, 3, 32, 32), (1, 3, 41, 58))
    for case, size in zip(("divides", "odd"), sizes):
        image = torch.from_numpy(rng.standard_normal(size).astype(np.float32)).requires_grad_()
        maps = model(image)
        douts = [torch.from_numpy((rng.standard_normal(tuple(m.shape)) / m[0].numel()).astype(np.float32)) for m in maps]
        model.zero_grad()
        sum((m * d).sum() for m, d in zip(maps, douts)).backward()
        arrays[f"{case}/image"], arrays[f"{case}/dimage"] = image.detach().numpy(), image.grad.numpy()
        for i, (m, d) in enumerate(zip(maps, douts)):
            arrays[f"{case}/out{i}"], arrays[f"{case}/dout{i}"] = m.detach().numpy(), d.numpy()
        for name in GRADIENTS:
            arrays[f"{case}/d.{name}"] = dict(model.named_parameters())[name].grad.numpy().copy()
    arrays.update({f"w.{name}": p.detach().numpy() for name, p in model.named_parameters()})
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "pvt.npz"), len(sys.argv) > 1)
