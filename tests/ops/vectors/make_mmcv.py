"""Make the reference vectors of operators that are in mmcv but not in torchvision: tests/ops/vectors/<operator>.npz.

Run with the Python of an environment that has mmcv 2.1 with its operators for the CPU (not Jittor):
`python tests/ops/vectors/make_mmcv.py`. The files are as those of make_torchvision.py.
"""

import json
import os
import zlib

import mmcv
import numpy as np
import torch
from mmcv.ops import roi_align_rotated
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

VECTORS = os.path.dirname(os.path.abspath(__file__))


def cases(rng):
    """(name, features, rois, settings); settings in the order of mmcv's arguments."""
    features = rng.standard_normal((2, 3, 13, 17))
    columns = [rng.integers(0, 2, (8, 1)), rng.uniform(-5, 60, (8, 2)), rng.uniform(1, 40, (8, 2))]
    rois = np.concatenate([*columns, rng.uniform(-4, 4, (8, 1))], axis=1)
    for ratio, aligned, clockwise in ((0, True, False), (2, True, True), (0, False, False)):
        settings = dict(
            output_size=[3, 4], spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned, clockwise=clockwise
        )
        yield f"ratio={ratio} aligned={aligned} clockwise={clockwise}", features, rois, settings


def rotated():
    rng, arrays = np.random.default_rng(zlib.crc32(b"roi_align_rotated")), {}
    for name, features, rois, settings in cases(rng):
        x = torch.tensor(features, dtype=torch.float32, requires_grad=True)
        boxes = torch.tensor(rois, dtype=torch.float32)
        out = roi_align_rotated(x, boxes, *settings.values())
        weight = torch.tensor(rng.standard_normal(tuple(out.shape)), dtype=torch.float32)
        (out * weight).sum().backward()
        tensors = dict(in0=x, in1=boxes, out0=out, weight0=weight, grad0=x.grad)
        arrays.update({f"{name}/{key}": value.detach().numpy() for key, value in tensors.items()})
        arrays[f"{name}/settings"] = np.array(json.dumps(settings))
    return arrays


def deform_attn():
    """By mmcv's own PyTorch form, which its tests hold against its CUDA kernel; its output has the heads joined."""
    rng, sizes = np.random.default_rng(zlib.crc32(b"ms_deform_attn")), [[5, 7], [3, 4]]
    shapes = (2, 47, 3, 4), (2, 6, 3, 2, 4, 2), (2, 6, 3, 2, 4)
    arrays = rng.standard_normal(shapes[0]), rng.uniform(-0.2, 1.2, shapes[1]), rng.uniform(0, 1, shapes[2])
    inputs = [torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in arrays]
    out = multi_scale_deformable_attn_pytorch(inputs[0], torch.tensor(sizes), inputs[1], inputs[2]).reshape(2, 6, 3, 4)
    weight = torch.tensor(rng.standard_normal(tuple(out.shape)), dtype=torch.float32)
    (out * weight).sum().backward()
    tensors = dict(out0=out, weight0=weight)
    tensors.update({f"{key}{i}": v for i, x in enumerate(inputs) for key, v in (("in", x), ("grad", x.grad))})
    found = {f"two maps/{key}": value.detach().numpy() for key, value in tensors.items()}
    return {**found, "two maps/settings": np.array(json.dumps(dict(sizes=sizes)))}


def main():
    for name, arrays in (("roi_align_rotated", rotated()), ("ms_deform_attn", deform_attn())):
        path = os.path.join(VECTORS, f"{name}.npz")
        np.savez_compressed(path, **arrays)
        print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path) / 1024:.0f} KB (mmcv {mmcv.__version__})")


if __name__ == "__main__":
    main()
