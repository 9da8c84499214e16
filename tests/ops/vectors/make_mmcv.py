"""Make the reference vectors of operators that mmcv has and torchvision lacks: tests/ops/vectors/<operator>.npz.

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


def main():
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
    path = os.path.join(VECTORS, "roi_align_rotated.npz")
    np.savez_compressed(path, **arrays)
    print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path) / 1024:.0f} KB (mmcv {mmcv.__version__})")


if __name__ == "__main__":
    main()
