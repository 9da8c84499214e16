"""Shows where an RoI layer samples: the weights w_k(b, p, x) of each of its features over the cells of the map.

Every extractor is a weighted sum of the map over positions (arXiv:1803.07066, eq. 2). If a layer is linear in the map, its
weights are its outputs for unit maps; otherwise they are computed from the predictions of the layer (offsets, masks) and the
sampling that uses them.
"""

from __future__ import annotations

import jittor as jt
import numpy as np
from PIL import Image, ImageDraw

from jsra import ops
from jsra.visualize.semantic_masks import heat

UNIT_MAPS = 256  # at a time: for all cells of a large map they would not fit into memory


def sampling_weights(layer, features, roi, spatial_scale) -> np.ndarray:
    """[N, H, W]: the weight of each cell in each of the N features of one RoI.

    layer: a built roi_layer. features: Var [1, C, H, W]. roi: (x0, y0, x1, y1) in image pixels. For a layer that takes a
    maximum (RoI pooling, max_pool), the weights are those of the mean over the same cells. For RoIAttention, they are those
    of its RoI Align, because its attention is across RoIs, not positions.
    """
    rois = jt.array(np.array([[0, *roi]], np.float32))
    kind = type(layer).__name__
    size = tuple(features.shape[2:])
    with jt.no_grad():
        if hasattr(layer, "weights"):  # Learned Region Features
            cells, weights = layer.weights(features, rois, spatial_scale)[0]
            out = np.zeros((len(weights),) + size, np.float32)
            out[:, cells[:, 1], cells[:, 0]] = weights
            return out
        if hasattr(layer, "masks"):
            masks = np.asarray(layer.masks(features, rois, spatial_scale)[0])
            blocks = _of_unit_maps(
                lambda x: ops.roi_align(x, rois, masks.shape[1:], spatial_scale, layer.sampling_ratio, True), size
            )
            return np.einsum("np,phw->nhw", masks.reshape(len(masks), -1), blocks)
        if hasattr(layer, "shifts"):  # deformable pooling
            offset, mask = layer.shifts(features, rois, spatial_scale)

            def shifted(x):
                return ops.deform_roi_pool(
                    x, rois, offset, layer.bins, spatial_scale, layer.sampling_ratio, layer.gamma, mask
                )

            return _of_unit_maps(shifted, size)
        if kind == "RoITransformer":
            rotated = layer.rotated_rois(features, rois, spatial_scale)
            return _of_unit_maps(
                lambda x: ops.roi_align_rotated(x, rotated, layer.bins, spatial_scale, layer.samples), size
            )
        if kind == "RoIAttention":
            return _of_unit_maps(
                lambda x: ops.roi_align(x, rois, layer.bins, spatial_scale, layer.sampling_ratio, True), size
            )
        weights = _of_unit_maps(lambda x: layer(x, rois, spatial_scale), size)
        return weights / np.maximum(weights.sum((1, 2), keepdims=True), 1e-12)


def _of_unit_maps(function, size):
    """[N, H, W]: the outputs of function(maps [1, n, H, W]) -> [1, n, ...] for maps that are 1 at a single cell."""
    cells = size[0] * size[1]
    n = min(cells, UNIT_MAPS)
    found = []
    for start in range(0, cells, n):
        units = np.eye(n, cells, start, dtype=np.float32).reshape((1, n) + tuple(size))
        found.append(function(jt.array(units)).numpy()[0].reshape(n, -1))
    out = np.concatenate(found)[:cells]
    return np.ascontiguousarray(out.T).reshape((-1,) + tuple(size))


def draw_sampling(image, box, weights, parts, stride: float, margin: float = 0.35, height: int = 200) -> np.ndarray:
    """A row of pictures: the sampling of all features together, then of each feature in `parts`.

    image: uint8 RGB [H, W, 3]; box xyxy in its pixels; weights: [N, h, w] from `sampling_weights`; stride: pixels per cell;
    margin: shown around the box, as a fraction of the box. Returns uint8 RGB.
    """
    image = np.asarray(image)
    window = _window(image, box, margin)
    pictures = [_overlay(image, w, stride, box, window, height) for w in [weights.sum(0)] + [weights[k] for k in parts]]
    gap = np.full((height, 4, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)


def _window(image, box, margin):
    width, height = box[2] - box[0], box[3] - box[1]
    x0, y0 = max(int(box[0] - margin * width), 0), max(int(box[1] - margin * height), 0)
    return x0, y0, min(int(box[2] + margin * width), image.shape[1]), min(int(box[3] + margin * height), image.shape[0])


def _overlay(image, weights, stride, box, window, height):
    """The window of the image, dimmed, with the weights in colour: each cell covers its pixels; large weights are warm."""
    relative = weights / max(float(weights.max()), 1e-12)
    cells = Image.fromarray(relative.astype(np.float32))
    full = cells.resize((round(cells.width * stride), round(cells.height * stride)), Image.NEAREST)
    share = np.zeros(image.shape[:2], np.float32)
    part = np.asarray(full)[: image.shape[0], : image.shape[1]]
    share[: part.shape[0], : part.shape[1]] = part
    alpha = 0.75 * np.sqrt(share)[..., None]
    picture = Image.fromarray((image * 0.6 * (1 - alpha) + heat(share) * alpha).clip(0, 255).astype(np.uint8))
    ImageDraw.Draw(picture).rectangle([float(v) for v in box], outline=(255, 255, 255), width=2)
    picture = picture.crop(window)
    return np.asarray(picture.resize((max(1, round(picture.width * height / picture.height)), height), Image.BILINEAR))
