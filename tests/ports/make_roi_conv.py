"""Run ports/torch/roi_conv.py, for tests/ports/test_roi_conv.py.

    PYTHONPATH=ports/torch PEER_PYTHON tests/ports/make_roi_conv.py

PEER_PYTHON has PyTorch and torchvision (0.27 was used). Writes tests/ports/vectors/roi_conv.npz.
"""

import os

import numpy as np
import torch
from roi_conv import RoIConv

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vectors")


def main():
    out = {}
    for name, (size, count, kernel) in {"one": ((7, 9), 1, 3), "two": ((5, 4), 2, (3, 5))}.items():
        rng = np.random.default_rng(len(name) + count)
        x = rng.standard_normal((2, 4, *size)).astype(np.float32)
        corners = rng.uniform(-20, 8 * max(size), (2, size[0] * size[1] * count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(0, 60, corners.shape)], 2).astype(np.float32)
        boxes[0, :3, 2:] = boxes[0, :3, :2]  # of no size
        module = RoIConv(4, 3, kernel)
        weight = rng.standard_normal(tuple(module.weight.shape)).astype(np.float32)
        module.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(weight[:, 0, 0, 0].copy())})
        features = torch.from_numpy(x).requires_grad_()
        result = module(features, torch.from_numpy(boxes), 8)
        cotangent = rng.standard_normal(tuple(result.shape)).astype(np.float32)
        (result * torch.from_numpy(cotangent)).sum().backward()
        arrays = dict(x=x, boxes=boxes, weight=weight, cotangent=cotangent, output=result.detach().numpy())
        gradients = {"x": features.grad, "weight": module.weight.grad, "bias": module.bias.grad}
        arrays.update({f"grad_{key}": gradient.numpy() for key, gradient in gradients.items()})
        out.update({f"{name}/{key}": array for key, array in arrays.items()})
    path = os.path.join(FOLDER, "roi_conv.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main()
