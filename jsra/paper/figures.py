"""Figures 3 and 6: where each method samples the same object (original, rotated and mirrored), in one picture."""

from __future__ import annotations

import itertools

import numpy as np
from PIL import Image, ImageDraw

from jsra.paper.features import Objects, extractor_of, roi_inputs
from jsra.paper.invariance import mean_colour, reflect, rotate, tight_boxes
from jsra.registry import ConfigError

# Table and row of each method of figure 6.
METHODS = (("1", "SRA"), ("1", "DRoIPooling"), ("1", "w/ SA"), ("1", "w/ Conv."), ("2", "D + S + PE"))


def draw(models, config, split="val", image=0, angles=(90.0,), parts=4, side=110) -> np.ndarray:
    """uint8 RGB: a row per method and transformation; columns: all features together, then `parts` single features.

    models: {name: model}. The object is the largest one in image number `image` of the split. angles: rotations in degrees;
    side: pixels per panel. For all transformations of a method, the same features are drawn: those with the most concentrated
    sampling on the original object.
    """
    from jsra.visualize.sampling import draw_sampling

    objects = Objects(config, split)
    found = next(itertools.islice(objects, image, None), None)
    if found is None:
        raise ConfigError(f"dataset.{split} has fewer than {image + 1} pictures with objects")
    pixels, boxes, masks = found
    largest = int(np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(1)))
    boxes, masks = boxes[[largest]], None if masks is None else masks[[largest]]
    views = [("upright", pixels, tight_boxes(boxes, masks))]
    for angle in angles:
        views.append((f"{angle:g} degrees", *rotate(pixels, boxes, masks, angle, mean_colour(objects.rest))))
    views.append(("mirrored", *reflect(pixels, views[0][2])))
    rows = []
    for name, model in models.items():
        chosen = None
        for title, view, box in views:
            weights, stride = sampling(model, objects.after(view), box)
            chosen = concentrated(weights, parts) if chosen is None else chosen
            rows.append((f"{name}, {title}", draw_sampling(view, box[0], weights, chosen, stride, height=side)))
    return stack(rows)


def sampling(model, pixels, box):
    """(weights [N, H, W] over the cells of the feature map that is read for one box [1, 4], image pixels per cell)."""
    import jittor as jt

    from jsra.visualize.sampling import sampling_weights

    extractor = extractor_of(model)
    with jt.no_grad():
        maps, _, scales, levels = roi_inputs(model, pixels, [box])
    level = int(levels.numpy()[0])
    layer = extractor.roi_layers[level] if extractor.per_level else extractor.roi_layer
    return sampling_weights(layer, maps[level], box[0], scales[level]), 1 / scales[level]


def concentrated(weights, count) -> list:
    """The `count` features whose sampling has the least entropy, no two at nearly the same place, in their original order."""
    flat = weights.reshape(len(weights), -1)
    p = flat / np.maximum(flat.sum(1, keepdims=True), 1e-12)
    entropy = -(p * np.log(p + 1e-12)).sum(1)
    unit = p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-12)
    chosen = []
    for i in np.argsort(entropy, kind="stable"):
        if len(chosen) < count and all(unit[i] @ unit[j] < 0.5 for j in chosen):
            chosen.append(int(i))
    return sorted(chosen)


def stack(rows) -> np.ndarray:
    """Rows of (title, picture), one below the other, with their titles."""
    head = 16
    width = max(picture.shape[1] for _, picture in rows)
    sheet = Image.new("RGB", (width, sum(picture.shape[0] + head for _, picture in rows)), "white")
    pen, top = ImageDraw.Draw(sheet), 0
    for title, picture in rows:
        pen.text((2, top + 2), title, fill="black")
        sheet.paste(Image.fromarray(picture), (0, top + head))
        top += picture.shape[0] + head
    return np.asarray(sheet)
