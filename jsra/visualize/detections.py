"""Drawing detections on an image with Pillow."""
from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from jsra.visualize.fonts import lettering


def color(index: int) -> tuple:
    """The RGB colour of class `index`; hues differ by the golden ratio, so that neighbouring classes look different."""
    hue = (0.05 + index * 0.6180339887) % 1.0
    return tuple(int(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.85, 0.95))


def draw_detections(image, result: dict, threshold: float = 0.5, most: int = 100) -> np.ndarray:
    """The image with the boxes (and masks) of a result with a score of at least `threshold`, at most the best `most`.

    image: uint8 RGB [H, W, 3]. result: boxes xyxy [n, 4] in its pixels, scores [n] (missing for ground truth), labels [n]
    (1-based), and optionally names [n] and masks (COCO RLE). Returns uint8 RGB [H, W, 3].
    """
    image = np.asarray(image)
    scored = "scores" in result
    scores = np.asarray(result["scores"] if scored else np.ones(len(result["boxes"])), float)
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] >= threshold][:most]
    if result.get("masks") is not None:
        image = _with_masks(image, [(result["masks"][i], int(result["labels"][i])) for i in order])
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    height, width = image.shape[:2]
    line = max(2, round(min(height, width) / 300))
    size = max(11, round(min(height, width) / 40))
    for i in reversed(order):  # the best is drawn last, on top
        label = int(result["labels"][i])
        name = result["names"][i] if "names" in result else f"class {label}"
        box = [float(v) for v in result["boxes"][i]]
        draw.rectangle(_inside(box, width, height), outline=color(label), width=line)
        letters, text = lettering(f"{name} {scores[i]:.2f}" if scored else str(name), size)
        _caption(draw, text, box, color(label), letters, width, height)
    return np.asarray(picture)


def _inside(box, width, height):
    """The box [x0, y0, x1, y1], clipped to the image and with x0 <= x1, y0 <= y1, so that its outline is visible."""
    x0, y0 = min(max(box[0], 0), width - 1), min(max(box[1], 0), height - 1)
    return [x0, y0, max(min(box[2], width - 1), x0), max(min(box[3], height - 1), y0)]


def _caption(draw, text, box, background, letters, width, height):
    """Draw a label above the box, or inside it if there is no space above."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=letters)
    w, h = right - left + 4, bottom - top + 4
    x = min(max(box[0], 0), max(width - w, 0))
    y = box[1] - h if box[1] >= h else min(max(box[1], 0), height - h)
    draw.rectangle([x, y, x + w, y + h], fill=background)
    dark = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2] < 140
    draw.text((x + 2 - left, y + 2 - top), text, fill=(255, 255, 255) if dark else (0, 0, 0), font=letters)


def _with_masks(image, masks):
    from pycocotools import mask as rle

    out = image.astype(np.float32)
    for mask, label in masks:
        counts = mask["counts"]
        counts = counts.encode("ascii") if isinstance(counts, str) else counts
        inside = rle.decode({"size": list(mask["size"]), "counts": counts}).astype(bool)
        out[inside] = 0.5 * out[inside] + 0.5 * np.array(color(label), np.float32)
    return out.round().astype(np.uint8)
