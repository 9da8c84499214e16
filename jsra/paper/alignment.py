"""How well the area that a convolution samples agrees with the anchor it classifies: figure 4 of AlignDet (Chen et al.
2019)."""

from __future__ import annotations

import numpy as np

from jsra.boxes.structures import Targets
from jsra.output import pyplot, save_figure
from jsra.paper.features import Objects
from jsra.registry import ConfigError
from jsra.visualize.literal import literal

TABLE = "align4"  # its rows are compared
BINS = 20


def implicit_boxes(align, x, boxes, stride) -> np.ndarray:
    """The box that the taps of an AlignConv cover at each cell of x [1, C, H, W]: xyxy [H * W, 4] in image pixels.

    It is the rectangle around the taps, extended on each side by half the distance of two taps. For an ordinary convolution
    this is equation 3; for RoIConv it is the given box. boxes: the anchors; stride: image pixels per cell.
    """
    rows, columns = align.kernel_size
    height, width = x.shape[2:]
    offset = align.offset(x, boxes, stride).numpy()[0].reshape(rows, columns, 2, height, width)
    y, x = np.mgrid[:height, :width]
    out = []
    for axis, place, parts in ((1, x, columns), (0, y, rows)):
        tap = np.arange(parts).reshape((1, -1, 1, 1) if axis else (-1, 1, 1, 1)) - parts // 2 + 0.5
        at = (place + tap + offset[:, :, 1 if axis else 0]).reshape(-1, height, width)
        low, high = at.min(0), at.max(0)
        half = (high - low) / (2 * (parts - 1)) if parts > 1 else 0.5
        out.append((low - half, high + half))
    (x0, x1), (y0, y1) = out
    return np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 4) * stride


def pair_iou(a, b) -> np.ndarray:
    """IoU [n] of boxes a and b, both xyxy [n, 4], row by row."""
    inter = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(1)
    area = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1)
    return inter / np.maximum(area - inter, 1e-9)


def ious(model, config, split="val", images: int = 20) -> np.ndarray:
    """The IoUs [n] of all refined anchors of an AlignDet with the boxes that its taps cover, over the first `images` images
    of a split. Anchors that are empty after clipping are left out.
    """
    import jittor as jt

    found = []
    objects = Objects(config, split, limit=images)
    for pixels, _, _ in objects:
        size = pixels.shape[1::-1]
        with jt.no_grad():
            feats = model.features(jt.array(objects.after(pixels)))
            targets = Targets([dict(img_size=size, ori_img_size=size)], training=False)
            boxes = model.dpm.decode(model.dpm.deltas(feats), model.dpm.anchors(feats), targets)
            first = 0
            for level, (x, stride) in enumerate(zip(feats, model.adm.strides)):
                last = first + x.shape[2] * x.shape[3]
                align, refined = model.adm.align_of(level), boxes[:, first:last]
                rows = refined.numpy()[0].astype(np.float64)
                overlap = pair_iou(implicit_boxes(align, x, refined, stride), rows)
                found.append(overlap[(rows[:, 2:] - rows[:, :2] > 0).all(1)])
                first = last
    if not found:
        raise ConfigError(f"dataset.{split} has no pictures with objects")
    return np.concatenate(found)


def draw(found: dict, out: str) -> str:
    """Draw the histograms of found, {name: IoUs}, in one plot; returns `out`, the path of the file."""
    figure, axis = pyplot().subplots(figsize=(6, 3.6))
    for name, overlaps in found.items():
        axis.hist(overlaps, np.linspace(0, 1, BINS + 1), density=True, histtype="step", label=literal(name))
    axis.set_xlabel("IoU of the convolution's box with the refined anchor")
    axis.set_ylabel("density")
    axis.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    return save_figure(figure, out)
