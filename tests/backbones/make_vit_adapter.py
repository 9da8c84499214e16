"""Writes vit_adapter.npz: maps and gradients of a narrow ViT-Adapter by its authors' code, for two sizes of images.

    git clone https://github.com/czczup/ViT-Adapter
    python tests/backbones/make_vit_adapter.py ViT-Adapter [FILE]     (pip install torch timm)

With a FILE it runs the complete ViT-Adapter-T and writes that file. Deformable attention is the authors' PyTorch version
(ms_deform_attn_core_pytorch), norms use one process; imports of mmcv and mmdet that are not needed here are replaced by
stand-ins. Their code needs sides that are multiples of 32: other images are padded with zeros, and the maps are cropped.
"""

import importlib
import logging
import math
import os
import sys
import types

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = dict(
    pretrain_size=48, img_size=48, embed_dim=8, depth=4, num_heads=2, mlp_ratio=2, conv_inplane=4, n_points=2,
    deform_num_heads=2, deform_ratio=0.5, cffn_ratio=0.5, interaction_indexes=[[0, 1], [2, 3]], layer_scale=True,
    window_attn=[True, False, True, False], window_size=[3, None, 3, None],
)  # fmt: skip
FULL = dict(
    embed_dim=192, depth=12, num_heads=3, layer_scale=False, interaction_indexes=[[0, 2], [3, 5], [6, 8], [9, 11]],
    window_attn=[True, True, False] * 4, window_size=[14, 14, None] * 4,
)  # fmt: skip
GRADIENTS = (
    "pos_embed", "interactions.0.injector.attn.sampling_offsets.weight", "interactions.1.extractor.ffn.dwconv.dwconv.weight",
)  # fmt: skip


class Attention:
    """Stands in for the authors' CUDA function."""

    @staticmethod
    def apply(value, shapes, starts, locations, weights, step):
        core = sys.modules["ops.functions.ms_deform_attn_func"].ms_deform_attn_core_pytorch
        return core(value, shapes.tolist(), locations, weights)


def stand_in(name, **attributes):
    sys.modules[name] = module = types.ModuleType(name)
    module.__dict__.update(attributes)
    module.__path__ = []


def authors_class(clone):
    detection = os.path.join(clone, "detection")
    stand_in("mmcv"), stand_in("mmcv.runner", BaseModule=torch.nn.Module), stand_in("mmcv_custom", my_load_checkpoint=None)
    backbones = types.SimpleNamespace(register_module=lambda: lambda cls: cls)
    stand_in("mmdet"), stand_in("mmdet.models"), stand_in("mmdet.models.builder", BACKBONES=backbones)
    stand_in("mmdet.utils", get_root_logger=logging.getLogger), stand_in("MultiScaleDeformableAttention")
    torch.nn.SyncBatchNorm = torch.nn.BatchNorm2d
    sys.path.insert(0, detection)
    importlib.import_module("ops.modules.ms_deform_attn").MSDeformAttnFunction = Attention
    stand_in("authors")
    sys.modules["authors"].__path__ = [os.path.join(detection, "mmdet_custom", "models", "backbones")]
    return importlib.import_module("authors.vit_adapter").ViTAdapter


def main(clone, out=None):
    model = authors_class(clone)(drop_path_rate=0.0, **(FULL if out else SMALL))
    model.train()
    rng, arrays = np.random.default_rng(0), {}
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 1 / np.sqrt(max(p[0].numel(), 4)), tuple(p.shape)).astype(np.float32)))
            p += 1.0 if p.ndim == 1 and name.endswith("weight") else 0.0
    sizes = ((1, 3, 224, 224), (1, 3, 203, 310)) if out else ((1, 3, 96, 96), (2, 3, 41, 90))
    for case, size in zip(("divides", "odd"), sizes):
        image = torch.from_numpy(rng.standard_normal(size).astype(np.float32)).requires_grad_()
        more = [-n % 32 for n in size[2:]]
        maps = model(torch.nn.functional.pad(image, (0, more[1], 0, more[0])))
        maps = [m[:, :, : math.ceil(size[2] / s), : math.ceil(size[3] / s)] for m, s in zip(maps, (4, 8, 16, 32))]
        douts = [torch.from_numpy((rng.standard_normal(tuple(m.shape)) / m[0].numel()).astype(np.float32)) for m in maps]
        model.zero_grad()
        sum((m * d).sum() for m, d in zip(maps, douts)).backward()
        arrays[f"{case}/image"], arrays[f"{case}/dimage"] = image.detach().numpy(), image.grad.numpy()
        for i, (m, d) in enumerate(zip(maps, douts)):
            arrays[f"{case}/out{i}"], arrays[f"{case}/dout{i}"] = m.detach().numpy(), d.numpy()
        for name in GRADIENTS:
            arrays[f"{case}/d.{name}"] = dict(model.named_parameters())[name].grad.numpy().copy()
    arrays.update({f"w.{name}": p.detach().numpy() for name, p in model.named_parameters()})
    arrays.update({f"w.{name}": p.numpy() for name, p in model.named_buffers() if "running" in name})
    np.savez_compressed(out or os.path.join(HERE, "vit_adapter.npz"), **arrays)
    print(sum(p.numel() for p in model.parameters()), "parameters")


if __name__ == "__main__":
    main(*sys.argv[1:])
