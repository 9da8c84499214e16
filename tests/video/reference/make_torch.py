"""FlowNetS, the warping and the aggregation of FGFA, written in PyTorch from their descriptions: what tests/video has.

    PEER_PYTHON tests/video/reference/make_torch.py

PEER_PYTHON has PyTorch. Weights and inputs come from names and a seed (tests/video/parity.py); weights bear the names of
mmtracking's checkpoints. Only sampled answers are written: tests/video/reference/torch.npz.
"""

import os
import sys

import numpy as np
import torch
from torch.nn import functional as F

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path.insert(0, ROOT)

from jsra.convert.convert import from_jsra  # noqa: E402
from tests.video import parity  # noqa: E402


def flownet(weights, pairs, sizes):
    """Flow in pixels, as large as the images: the pairs [N, 6, H, W] as the detector normalises them."""
    mean, std = (torch.tensor(v * 2).view(1, 6, 1, 1) for v in (parity.MEAN, parity.STD))
    own = torch.tensor([0.411, 0.432, 0.450] * 2).view(1, 6, 1, 1)
    pairs = (pairs * std + mean) / 255 - own
    for image, (width, height) in zip(pairs, sizes.tolist()):
        image[:, int(height) :] = 0
        image[:, :, int(width) :] = 0
    x = F.interpolate(pairs, scale_factor=0.5, mode="bilinear", align_corners=False)

    def conv(name, x, stride=1, padding=1):
        return F.conv2d(x, weights[f"{name}.conv.weight"], weights.get(f"{name}.conv.bias"), stride, padding)

    def up(name, x, like):
        return F.conv_transpose2d(x, weights[f"{name}.conv.weight"], None, 2, 1)[:, :, : like.shape[2], : like.shape[3]]

    maps = []
    for stage, kernel, count in ((1, 7, 1), (2, 5, 1), (3, 5, 2), (4, 3, 2), (5, 3, 2), (6, 3, 2)):
        x = F.leaky_relu(conv(f"conv{stage}.0", x, 2, kernel // 2), 0.1)
        if count == 2:
            x = F.leaky_relu(conv(f"conv{stage}.1", x), 0.1)
        maps.append(x)
    for level in (5, 4, 3, 2):
        finer = maps[level - 1]
        flow = up(f"upsample_flow{level}", conv(f"predict_flow{level + 1}", x), finer)
        x = torch.cat([finer, F.leaky_relu(up(f"deconv{level}", x, finer), 0.1), flow], dim=1)
    flow = F.interpolate(conv("predict_flow", x), scale_factor=8, mode="bilinear", align_corners=False)
    return flow * 8 * 5


def warp(maps, flow):
    """Maps as seen from the key frame: the flow resized to them, positions divided by the size, not by the size less one."""
    height, width = maps.shape[2:]
    factor = width / flow.shape[3]
    flow = F.interpolate(flow, scale_factor=factor, mode="bilinear", align_corners=False) * factor
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack([(columns + flow[:, 0]) / width * 2 - 1, (rows + flow[:, 1]) / height * 2 - 1], dim=3)
    return F.grid_sample(maps, grid, padding_mode="border", align_corners=True)


def aggregate(weights, key, others):
    """key [1, C, H, W], others [R, C, H, W]."""

    def embed(x):
        x = F.conv2d(x, weights["aggregator.embed_convs.0.conv.weight"], weights["aggregator.embed_convs.0.conv.bias"], 1, 1)
        return x / x.norm(dim=1, keepdim=True)

    similar = (embed(others) * embed(key)).sum(dim=1, keepdim=True).softmax(dim=0)
    return (others * similar).sum(dim=0, keepdim=True)


def main():
    theirs = from_jsra({name: parity.seeded(name, shape) for name, shape in parity.shapes().items()}, "mmtrack").arrays
    weights = {name: torch.tensor(array, requires_grad=True) for name, array in theirs.items()}
    motion = {name[len("motion.") :]: w for name, w in weights.items() if name.startswith("motion.")}
    images, references, sizes, maps = (torch.from_numpy(a) for a in parity.inputs())
    out = {}
    joined = []
    for b in range(len(images)):  # one key frame after the other, as mmtracking does
        pairs = torch.cat([images[b : b + 1].expand(parity.COUNT, -1, -1, -1), references[b]], dim=1)
        flow = flownet(motion, pairs, sizes[b : b + 1].expand(parity.COUNT, -1))
        warped = warp(maps[b, 1:], flow)
        joined.append(aggregate(weights, maps[b, :1], warped))
        for name, value in (("flow", flow), ("warped", warped)):
            out[f"{b}/{name}"] = value.detach().numpy()
        print("flow of", float(flow.detach().abs().mean()), "pixels")
    joined = torch.cat(joined)
    (joined * torch.from_numpy(parity.weights_of_loss(tuple(joined.shape)))).sum().backward()
    kept = {f"{key}": parity.sampled(value, key) for key, value in out.items()}
    kept["joined"] = parity.sampled(joined.detach().numpy(), "joined")
    kept["scales"] = np.float32([np.abs(a).max() for a in (out["0/flow"], out["0/warped"], joined.detach().numpy())])
    for name, theirs_name in zip(parity.GRADIENTS, from_jsra({n: np.zeros(1) for n in parity.GRADIENTS}, "mmtrack").arrays):
        gradient = weights[theirs_name].grad.numpy()
        kept[f"grad/{name}"] = parity.sampled(gradient, name)
        kept[f"grad/{name}/norm"] = np.float64(np.linalg.norm(gradient))
        print(name, np.linalg.norm(gradient))
    path = os.path.join(parity.FOLDER, "torch.npz")
    np.savez_compressed(path, **kept)
    print(path, os.path.getsize(path) // 1024, "KB, torch", torch.__version__)


if __name__ == "__main__":
    main()
