"""Ground truth drawn over the images: what `jsra data browse` shows."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from jsra.data.image import read_image
from jsra.data.masks import encode
from jsra.output import check_folder, distinct_names
from jsra.visualize.detections import draw_detections


def draw_truth(image, target):
    """uint8 [H, W, 3] with the objects of a target drawn; ignored boxes (crowds, difficult objects) in grey."""
    picture = Image.fromarray(np.asarray(image, np.uint8))
    for x0, y0, x1, y1 in target["bboxes_ignore"].tolist():
        ImageDraw.Draw(picture).rectangle([x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)], outline=(160, 160, 160), width=2)
    result = {"boxes": target["bboxes"], "labels": target["labels"]}
    result["names"] = [target["classes"][label - 1] for label in target["labels"]]
    if target["masks"] is not None:
        height, width = image.shape[:2]
        result["masks"] = [encode(mask[:height, :width]) for mask in np.asarray(target["masks"])]
    return draw_detections(np.asarray(picture), result, most=len(target["bboxes"]))


def browse(dataset, folder, count=20, seed=None, transformed=False, progress=True):
    """Draw `count` images (evenly spread, or drawn from `seed`) with their ground truth into `folder`.

    transformed: as the model gets them, through the dataset's transforms (normalisation undone). Returns the paths.
    Raises ConfigError where `folder` is a folder of the data set's images.
    """
    check_folder(folder, (record.file for record in dataset.records))
    os.makedirs(folder, exist_ok=True)
    total = len(dataset.records)
    count = min(count, total)
    if seed is None:
        chosen = np.linspace(0, total - 1, count).round().astype(int)
    else:
        chosen = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    names = distinct_names(dataset.records[index].file for index in chosen)
    paths = []
    for index in tqdm(chosen, "drawing", disable=not progress or None, leave=False):
        image, target = _sample(dataset, int(index), transformed)
        picture = draw_truth(image, target)
        paths.append(os.path.join(folder, f"{names[target['img_file']]}.jpg"))
        Image.fromarray(picture).save(paths[-1], quality=92)
    return paths


def _sample(dataset, index, transformed):
    if not transformed:
        record = dataset.record(index)
        return read_image(record.file, (record.width, record.height), record.img_id), dataset.target(record)
    image, target = dataset.get(index)
    return as_picture(dataset, image), target


def as_picture(dataset, image):
    """The image that a dataset's transforms gave as uint8 [H, W, 3], normalisation undone."""
    if image.dtype != np.float32:
        return image
    return next(t for t in dataset.transforms.transforms if hasattr(t, "undo")).undo(image)
