"""Ground truth drawn over the images: what `jsra data browse` shows."""

from __future__ import annotations

import colorsys
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm


def class_colour(label):
    """A colour per 1-based label; neighbours differ by the golden ratio in hue."""
    return tuple(int(255 * v) for v in colorsys.hsv_to_rgb(label * 0.618034 % 1, 0.75, 1.0))


def draw_boxes(image, boxes, labels, names, masks=None, ignored=(), scores=None):
    """uint8 [H, W, 3] with masks tinted, boxes xyxy outlined and named; ignored boxes [m, 4] in grey."""
    pixels = np.asarray(image, np.uint8).astype(np.float32)
    for mask, label in zip(() if masks is None else masks, labels):
        inside = mask.astype(bool)[: pixels.shape[0], : pixels.shape[1]]
        pixels[: inside.shape[0], : inside.shape[1]][inside] *= 0.55
        pixels[: inside.shape[0], : inside.shape[1]][inside] += 0.45 * np.array(class_colour(int(label)))
    picture = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    width = max(1, round(max(picture.size) / 400))
    font = _font(max(10, round(max(picture.size) / 55)))
    for box in ignored:
        draw.rectangle([float(v) for v in box], outline=(160, 160, 160), width=width)
    for i, (box, label) in enumerate(zip(boxes, labels)):
        colour = class_colour(int(label))
        x0, y0, x1, y1 = (float(v) for v in box)
        draw.rectangle([x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)], outline=colour, width=width)
        text = names[int(label) - 1] + ("" if scores is None else f" {scores[i]:.2f}")
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        y = max(y0 - (bottom + 2), 0)
        draw.rectangle([x0, y, x0 + right - left + 4, y + bottom + 2], fill=colour)
        draw.text((x0 + 2, y), text, fill=(0, 0, 0), font=font)
    return np.asarray(picture)


def _font(size):
    try:
        return ImageFont.load_default(size)
    except TypeError:  # Pillow before 10.1 has one size only
        return ImageFont.load_default()


def browse(dataset, folder, count=20, seed=None, transformed=False, progress=True):
    """Draw `count` images (evenly spread, or drawn from `seed`) with their ground truth into `folder`.

    transformed: as the model gets them, through the dataset's transforms (normalisation undone). Returns the paths.
    """
    os.makedirs(folder, exist_ok=True)
    total = len(dataset.records)
    count = min(count, total)
    if seed is None:
        chosen = np.linspace(0, total - 1, count).round().astype(int)
    else:
        chosen = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    paths = []
    for index in tqdm(chosen, "drawing", disable=not progress, leave=False):
        image, target = _sample(dataset, int(index), transformed)
        picture = draw_boxes(image, target["bboxes"], target["labels"], dataset.CLASSES, target["masks"],
                             target["bboxes_ignore"])  # fmt: skip
        name = os.path.splitext(os.path.basename(target["img_file"]))[0]
        paths.append(os.path.join(folder, f"{name}.jpg"))
        Image.fromarray(picture).save(paths[-1], quality=92)
    return paths


def _sample(dataset, index, transformed):
    if not transformed:
        record = dataset.record(index)
        from jsra.data.image import read_image

        return read_image(record.file, (record.width, record.height), record.img_id), dataset.target(record)
    image, target = dataset.get(index)
    if image.dtype == np.float32:
        normalize = next(t for t in dataset.transforms.transforms if hasattr(t, "undo"))
        image = normalize.undo(image)
    return image, target
