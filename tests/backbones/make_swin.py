"""Writes swin_mmdet.npz or swin_timm.npz: maps and gradients of a narrow Swin in PyTorch, for two sizes of images.

    python tests/backbones/make_swin.py mmdet      (its SwinTransformer; the second size divides by no window)
    python tests/backbones/make_swin.py timm       (its swin_transformer; one size, that of its windows)

Weights are random, with the peer's own names. With a file as second argument, it runs the complete Swin-T and writes that
file.
"""

import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = dict(depths=(2, 2, 1, 1), num_heads=(1, 2, 2, 4))
SIZES = {"divides": (1, 3, 48, 48), "odd": (2, 3, 41, 58)}
GRADIENTS = {
    "mmdet": ("stages.0.blocks.1.attn.w_msa.relative_position_bias_table", "stages.1.downsample.reduction.weight",
              "stages.2.blocks.0.ffn.layers.0.0.weight"),
    "timm": ("layers_0.blocks.1.attn.relative_position_bias_table", "layers_2.downsample.reduction.weight",
             "layers_2.blocks.0.mlp.fc1.weight"),
}  # fmt: skip


def model_of(peer, full):
    if peer == "mmdet":
        from mmdet.models.backbones.swin import SwinTransformer

        small = dict(embed_dims=4, window_size=3, mlp_ratio=2, **SMALL)
        return SwinTransformer(drop_path_rate=0.0, **({} if full else small))
    import timm

    small = dict(embed_dim=4, window_size=2, mlp_ratio=2, img_size=64, **SMALL)
    name = "swin_tiny_patch4_window7_224"
    return timm.create_model(name, features_only=True, drop_path_rate=0.0, **(dict(img_size=448) if full else small))


def main(peer, out, full):
    torch.manual_seed(0)
    model, rng, arrays = model_of(peer, full), np.random.default_rng(0), {}
    model.eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 1 / np.sqrt(max(p[0].numel(), 4)), tuple(p.shape)).astype(np.float32)))
            p += 1.0 if p.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
    sizes = {"divides": (1, 3, 64, 64)} if peer == "timm" else SIZES
    if full:
        sizes = {"divides": (1, 3, 448, 448)} if peer == "timm" else {"divides": (1, 3, 224, 224), "odd": (1, 3, 203, 310)}
    for case, size in sizes.items():
        image = torch.from_numpy(rng.standard_normal(size).astype(np.float32)).requires_grad_()
        maps = model(image)
        if peer == "timm":  # its features have no norm
            maps = [torch.nn.functional.layer_norm(m, m.shape[-1:]).permute(0, 3, 1, 2) for m in maps]
        douts = [torch.from_numpy((rng.standard_normal(tuple(m.shape)) / m[0].numel()).astype(np.float32)) for m in maps]
        model.zero_grad()
        sum((m * d).sum() for m, d in zip(maps, douts)).backward()
        arrays[f"{peer}/{case}/image"], arrays[f"{peer}/{case}/dimage"] = image.detach().numpy(), image.grad.numpy()
        for i, (m, d) in enumerate(zip(maps, douts)):
            arrays[f"{peer}/{case}/out{i}"], arrays[f"{peer}/{case}/dout{i}"] = m.detach().numpy(), d.numpy()
        for name in GRADIENTS[peer]:
            arrays[f"{peer}/{case}/d.{name}"] = dict(model.named_parameters())[name].grad.numpy().copy()
    arrays.update({f"{peer}/w.{name}": p.detach().numpy() for name, p in model.named_parameters()})
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    peer, full = sys.argv[1], len(sys.argv) > 2
    main(peer, sys.argv[2] if full else os.path.join(HERE, f"swin_{peer}.npz"), full)
