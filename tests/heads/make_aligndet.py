"""Results of PyTorch for AlignDet's two modules, written from the paper's equations: tests/heads/aligndet.npz.

    PEER_PYTHON tests/heads/make_aligndet.py

PEER_PYTHON has PyTorch and torchvision. The aligned features are RoI Align with one sample a bin, then a fully connected
layer (section 4.1), position by position: no deformable convolution. The weights come from names and a seed.
"""

import os
import sys

import numpy as np
import torch
import torch.nn.functional as F
import torchvision

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", ".."))

from tests.heads.aligndet_case import BETA, CLASSES, KERNEL, SCALE, SIZES, STRIDES, features, truths  # noqa: E402
from tests.heads.aligndet_case import weights as seeded_weights  # noqa: E402


def conv(x, weights, name):
    w = weights[f"{name}.weight"]
    return F.conv2d(x, w, weights[f"{name}.bias"], padding=w.shape[-1] // 2)


def anchors_of(size, stride):
    y, x = torch.meshgrid(torch.arange(size[0]) * stride, torch.arange(size[1]) * stride, indexing="ij")
    half = SCALE * stride / 2
    return torch.stack([x - half, y - half, x + half, y + half], dim=-1).reshape(-1, 4).float()


def decode(boxes, deltas, image):
    size, centre = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    limit = abs(np.log(16 / 1000))
    size, centre = size * deltas[:, 2:].clamp(-limit, limit).exp(), centre + deltas[:, :2] * size
    corners = torch.cat([centre - size / 2, centre + size / 2], dim=1)
    return corners.clamp(min=torch.zeros(4), max=torch.tensor([*image, *image]).float())


def rows(maps):
    """Levels of [1, D, H, W] -> [N, D]."""
    return torch.cat([m[0].flatten(1).T for m in maps])


def losses(logits, deltas, boxes, gt_boxes, gt_labels, positive, negative):
    """Focal loss and smooth L1 over all boxes, divided by the number of positives."""
    iou = torchvision.ops.box_iou(boxes, gt_boxes)
    best, owner = iou.max(dim=1)
    label = torch.where(best < negative, 0, -1)
    label[best >= positive] = gt_labels[owner[best >= positive]]
    for g in range(len(gt_boxes)):  # every object takes the boxes that overlap it most
        if iou[:, g].max() > 0:
            taken = iou[:, g] == iou[:, g].max()
            label[taken], owner[taken] = gt_labels[g], g
    count = (label > 0).sum().clamp(min=1)
    own = (label[:, None] == torch.arange(1, CLASSES + 1)).float()
    loss_cls = torchvision.ops.sigmoid_focal_loss(logits, own, 0.25, 2.0)[label >= 0].sum() / count
    boxes, wanted = boxes[label > 0], gt_boxes[owner[label > 0]]
    size, aim = boxes[:, 2:] - boxes[:, :2], wanted[:, 2:] - wanted[:, :2]
    move = ((wanted[:, 2:] + wanted[:, :2]) - (boxes[:, 2:] + boxes[:, :2])) / 2 / size
    wanted = torch.cat([move, (aim / size).log()], dim=1)
    return loss_cls, F.smooth_l1_loss(deltas[label > 0], wanted, reduction="sum", beta=BETA) / count


def main():
    weights = {name: torch.from_numpy(array).requires_grad_() for name, array in seeded_weights().items()}
    feats = [torch.from_numpy(f).requires_grad_() for f in features()]
    gt_boxes, gt_labels = (torch.from_numpy(v) for v in truths())
    gt_labels = gt_labels.long()
    image = (SIZES[0][1] * STRIDES[0], SIZES[0][0] * STRIDES[0])
    dpm_logits, dpm_deltas, logits, deltas, refined = [], [], [], [], []
    for x, stride in zip(feats, STRIDES):
        dpm_logits.append(conv(F.relu(conv(x, weights, "dpm.cls_convs.0")), weights, "dpm.cls"))
        dpm_deltas.append(conv(F.relu(conv(x, weights, "dpm.box_convs.0")), weights, "dpm.box"))
        boxes = decode(anchors_of(x.shape[2:], stride), rows(dpm_deltas[-1:]), image).detach()
        refined.append(boxes)
        padded = F.pad(x, (2, 2, 2, 2))  # RoI Align repeats the border, a convolution reads zeros there
        pooled = torchvision.ops.roi_align(padded, [boxes + 2 * stride], KERNEL, 1 / stride, 1, aligned=True)
        aligned = pooled.flatten(1) @ weights["adm.align.weight"].flatten(1).T + weights["adm.align.bias"]
        y = F.relu(aligned).T.reshape(1, -1, *x.shape[2:])
        y = F.relu(conv(y, weights, "adm.convs.0"))
        logits.append(conv(y, weights, "adm.cls"))
        deltas.append(conv(y, weights, "adm.box"))
    every = torch.cat([anchors_of(x.shape[2:], s) for x, s in zip(feats, STRIDES)])
    found = losses(rows(dpm_logits), rows(dpm_deltas), every, gt_boxes, gt_labels, 0.4, 0.3)
    found += losses(rows(logits), rows(deltas), torch.cat(refined), gt_boxes, gt_labels, 0.7, 0.7)
    sum(found).backward()
    out = {name: np.float64(v.item()) for name, v in zip(("dpm.loss_cls", "dpm.loss_box", "loss_cls", "loss_box"), found)}
    out["refined"] = torch.cat(refined).numpy()
    for name, maps in (("logits", logits), ("deltas", deltas)):
        out[name] = rows(maps).detach().numpy()
    for i, f in enumerate(feats):
        out[f"grad/{i}"] = f.grad.numpy()
    for name, w in weights.items():
        out[f"grad/{name}"] = w.grad.numpy()
    path = os.path.join(HERE, "aligndet.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB", {n: out[n] for n in out if "loss" in n})


if __name__ == "__main__":
    main()
