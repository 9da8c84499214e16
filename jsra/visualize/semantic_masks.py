"""Draws the semantic masks of RoIs on the image: figure 3 of the SRA paper.

Each RoI has a row; its first picture is the image with the box, each of the others shows a mask; large weights are warm.
"""
from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from jsra.visualize.fonts import lettering

IN_A_LINE = 12  # masks per line


def heat(values: np.ndarray) -> np.ndarray:
    """[h, w] in [0, 1] -> RGB float32 [h, w, 3] in 0..255: dark blue, cyan, yellow, red."""
    stops = np.array([[0, 0, 90], [0, 170, 220], [255, 230, 0], [215, 0, 0]], np.float32)
    position = np.clip(values, 0, 1) * (len(stops) - 1)
    low = np.minimum(position.astype(int), len(stops) - 2)
    share = (position - low)[..., None]
    return stops[low] * (1 - share) + stops[low + 1] * share


def most_telling(masks: list, count: int) -> list:
    """The indices, in ascending order, of the `count` masks that are sharpest on average over the RoIs.

    masks: an array [N, rows, columns] per RoI; each mask sums to 1. Sharpness is 1 - entropy / log(positions). Of two masks
    that sample the same positions (correlation above 0.95), only the sharper one is used, as long as there are others.
    """
    flat = [np.asarray(m, np.float64).reshape(len(m), -1) for m in masks]
    sharpness = sum(1 + (p * np.log(np.maximum(p, 1e-12))).sum(1) / max(np.log(p.shape[1]), 1e-6) for p in flat)
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.atleast_2d(np.nan_to_num(np.corrcoef(np.concatenate(flat, axis=1)))) > 0.95
    order = np.argsort(-sharpness, kind="stable")
    chosen = []
    for i in order:
        if len(chosen) < count and not any(alike[i, j] for j in chosen):
            chosen.append(int(i))
    chosen += [int(i) for i in order if int(i) not in chosen][: count - len(chosen)]
    return sorted(chosen)


def overlay(image: np.ndarray, box, mask: np.ndarray, strength: float = 0.65) -> np.ndarray:
    """The image with one mask [h, w] drawn in its box: each of the RoI's h x w blocks has the colour of its weight.

    The mask is scaled by its largest weight; blocks that are not sampled show the dimmed image.
    """
    x0, y0, x1, y1 = _pixels(box, image)
    out = image.astype(np.float32) * 0.55
    relative = (mask / max(float(mask.max()), 1e-12)).astype(np.float32)
    size = (x1 - x0, y1 - y0)
    weights = np.asarray(Image.fromarray(relative).resize(size, Image.BILINEAR))[..., None]
    region = image[y0:y1, x0:x1].astype(np.float32)
    share = strength * np.sqrt(weights)
    out[y0:y1, x0:x1] = region * (0.75 - 0.75 * share) + heat(weights[..., 0]) * share
    return np.clip(out, 0, 255).astype(np.uint8)


def _pixels(box, image):
    """The box in whole pixels, inside the image, at least one pixel."""
    height, width = image.shape[:2]
    x0, y0 = int(np.clip(np.floor(box[0]), 0, width - 1)), int(np.clip(np.floor(box[1]), 0, height - 1))
    return x0, y0, int(np.clip(np.ceil(box[2]), x0 + 1, width)), int(np.clip(np.ceil(box[3]), y0 + 1, height))


def draw_semantic_masks(image, boxes, masks, chosen, side: int = 220, margin: float = 0.25) -> np.ndarray:
    """The figure: one row per RoI, one column per chosen mask; more than IN_A_LINE masks continue in lines below.

    image: uint8 RGB [H, W, 3]; boxes [K, 4] xyxy in its pixels; masks: [N, rows, columns] per RoI; chosen: indices of
    masks; side: pixels of a picture; margin: shown around the box, as a fraction of the box. Returns uint8 RGB.
    """
    image = np.asarray(image)
    head = 18
    lines = [chosen[i : i + IN_A_LINE] for i in range(0, max(len(chosen), 1), IN_A_LINE)]
    width, height = side + 6, head + side + 6
    sheet = Image.new("RGB", ((len(lines[0]) + 1) * width - 6, len(boxes) * len(lines) * height - 6), "white")
    draw = ImageDraw.Draw(sheet)

    def put(column, line, title, picture):
        letters, title = lettering(title, 12)
        draw.text((column * width + 2, line * height + 2), title, fill="black", font=letters)
        _paste(sheet, picture, (column * width, line * height + head), side)

    for row, box in enumerate(boxes):
        x0, y0, x1, y1 = _window(box, image, margin)
        put(0, row * len(lines), "RoI", _with_box(image, box)[y0:y1, x0:x1])
        for number, line in enumerate(lines, row * len(lines)):
            for column, n in enumerate(line, 1):
                put(column, number, f"mask {n}", overlay(image, box, np.asarray(masks[row][n]))[y0:y1, x0:x1])
    return np.asarray(sheet)


def _window(box, image, margin):
    """A square window around the box, clipped to the image."""
    x0, y0, x1, y1 = _pixels(box, image)
    half = (0.5 + margin) * max(x1 - x0, y1 - y0)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    return _pixels([cx - half, cy - half, cx + half, cy + half], image)


def _with_box(image, box):
    picture = Image.fromarray(image)
    x0, y0, x1, y1 = _pixels(box, image)
    width = max(2, round(max(x1 - x0, y1 - y0) / 60))
    ImageDraw.Draw(picture).rectangle([x0, y0, x1 - 1, y1 - 1], outline=(255, 60, 0), width=width)
    return np.asarray(picture)


def _paste(sheet, picture, place, side):
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(picture).resize(size, Image.BILINEAR)
    sheet.paste(small, (place[0] + (side - size[0]) // 2, place[1] + (side - size[1]) // 2))
