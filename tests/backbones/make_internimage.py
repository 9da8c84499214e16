"""Writes internimage.npz: maps and gradients of a narrow InternImage by its authors' code, for two sizes of images.

    git clone https://github.com/OpenGVLab/InternImage
    python tests/backbones/make_internimage.py InternImage [FILE]     (pip install torch timm)

With a FILE it runs the complete InternImage-T and writes that file. The convolution is the authors' PyTorch version
(DCNv3_pytorch); imports of mmcv and mmdet that are not needed here are replaced by stand-ins.
"""

import importlib
import logging
import os
import sys
import types

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = dict(channels=8, depths=[1, 2, 1, 1], groups=[1, 2, 2, 4], mlp_ratio=2.0)
FULL = dict(channels=64, depths=[4, 4, 18, 4], groups=[4, 8, 16, 32])
GRADIENTS = ("levels.0.blocks.0.dcn.offset.weight", "levels.1.blocks.1.dcn.dw_conv.0.weight", "levels.2.blocks.0.gamma1")


def stand_in(name, **attributes):
    sys.modules[name] = module = types.ModuleType(name)
    module.__dict__.update(attributes)


def authors_class(clone):
    nothing = {"constant_init": None, "trunc_normal_init": None}
    stand_in("mmcv"), stand_in("mmcv.cnn", **nothing), stand_in("mmcv.runner", _load_checkpoint=None)
    backbones = types.SimpleNamespace(register_module=lambda: lambda cls: cls)
    stand_in("mmdet"), stand_in("mmdet.models"), stand_in("mmdet.models.builder", BACKBONES=backbones)
    stand_in("mmdet.utils", get_root_logger=logging.getLogger), stand_in("DCNv3")
    stand_in("pkg_resources", get_distribution=lambda name: types.SimpleNamespace(version="1.1"))  # asked for DCNv3's
    sys.path[:0] = [os.path.join(clone, "classification"), os.path.join(clone, "detection/mmdet_custom/models/backbones")]
    modules = importlib.import_module("ops_dcnv3.modules.dcnv3")

    class Core(modules.DCNv3_pytorch):
        def __init__(self, use_dcn_v4_op, **settings):
            super().__init__(**settings)

    sys.modules["ops_dcnv3"].modules.DCNv3 = Core
    return importlib.import_module("intern_image").InternImage


def main(clone, out=None):
    model = authors_class(clone)(drop_path_rate=0.0, layer_scale=1.0, **(FULL if out else SMALL))
    model.eval()
    rng, arrays = np.random.default_rng(0), {}
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(rng.normal(0, 1 / np.sqrt(max(p[0].numel(), 4)), tuple(p.shape)).astype(np.float32)))
            p += 1.0 if p.ndim == 1 and "norm" in name and name.endswith("weight") else 0.0
    sizes = ((1, 3, 224, 224), (1, 3, 203, 310)) if out else ((2, 3, 32, 32), (1, 3, 41, 58))
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
    np.savez_compressed(out or os.path.join(HERE, "internimage.npz"), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
