"""Shows the training data of a run: its first batches after augmentation, and the numbers of objects."""

from __future__ import annotations

import os
import re

import numpy as np
from PIL import Image

from jsra.data.loader import collate
from jsra.output import check_kept, write_picture
from jsra.visualize.browse import as_picture, draw_truth

SIDE = 400  # largest side of a picture in a sheet, in pixels
MOST = 16  # pictures per sheet
CURVES = "curves.png"  # drawn by `jsra train` at its end
# COCO's sizes of objects, by the area of the box in pixels of the original image.
SIZES = (("small", 0, 32**2), ("medium", 32**2, 96**2), ("large", 96**2, np.inf))


def draw_batches(loader, folder: str, count: int = 3) -> list:
    """Draw the first `count` batches of a loader: the images as the model gets them, with boxes and masks. Of a data set that
    delivers features, these are the images of the features.

    Writes folder/train_batch0.jpg, ...; returns the paths. Batches are loaded in this process. Raises ConfigError if one of
    these files, or that of the curves, is a picture of the data set.
    """
    files = (record.file for record in loader.dataset.records)
    check_kept(folder, rf"train_batch\d+\.jpg|{re.escape(CURVES)}", files, "work_dir")
    os.makedirs(folder, exist_ok=True)
    paths = []
    for number, indices in enumerate(loader.batches(0)[:count]):
        samples = loader.pictures(indices[:MOST])
        collate(samples)  # raises ConfigError for a user's own images in another form
        paths.append(os.path.join(folder, f"train_batch{number}.jpg"))
        pictures = [draw_truth(as_picture(loader.dataset, image), target) for image, target in samples]
        write_picture(paths[-1], np.asarray(sheet(pictures)), quality=90)
    return paths


def sheet(pictures):
    """Several pictures, uint8 [h, w, 3], in one, row by row; each is at most SIDE pixels wide and high."""
    columns = int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    small = [Image.fromarray(picture) for picture in pictures]
    for picture in small:
        picture.thumbnail((SIDE, SIDE))
    width, height = max(p.width for p in small), max(p.height for p in small)
    out = Image.new("RGB", (columns * width, rows * height), (40, 40, 40))
    for i, picture in enumerate(small):
        out.paste(picture, (i % columns * width, i // columns * height))
    return out


def label_lines(dataset, most: int = 12) -> list:
    """Lines for the log about the objects of a dataset: numbers per size and per class (the `most` most frequent ones)."""
    records = dataset.records
    boxes = np.concatenate([r.boxes for r in records]).reshape(-1, 4)
    labels = np.concatenate([r.labels for r in records]).astype(int)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    sizes = ", ".join(f"{((area >= low) & (area < high)).sum()} {name}" for name, low, high in SIZES)
    counts = np.bincount(labels - 1, minlength=len(dataset.CLASSES))
    order = np.argsort(-counts, kind="stable")
    shown = ", ".join(f"{dataset.CLASSES[i]} {counts[i]}" for i in order[:most])
    rest = f", {len(order) - most} classes more with {counts[order[most:]].sum()}" if len(order) > most else ""
    lines = [
        f"trains on {len(records)} images with {len(boxes)} objects ({sizes}), "
        f"{sum(len(r.ignored) for r in records)} ignored regions",
        f"objects of each class: {shown}{rest}",
    ]
    absent = [dataset.CLASSES[i] for i in order if not counts[i]]
    if absent:
        lines.append(f"no object of {len(absent)} classes: {', '.join(absent[:most])}{' ...' if len(absent) > most else ''}")
    return lines
