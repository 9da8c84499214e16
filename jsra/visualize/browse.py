"""Draws the ground truth on images, for `jsra data browse`."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from jsra.arguments import short
from jsra.data.image import DataError, read_image
from jsra.data.loader import check_sample, collate
from jsra.data.masks import encode
from jsra.data.transforms import steps_of
from jsra.output import check_folder, distinct_names, picture_ending, write_picture
from jsra.registry import ConfigError
from jsra.visualize.detections import draw_detections

STRIP = 6


def draw_truth(image, target):
    """The image with the objects of a target, uint8 [H, W, 3]; ignored boxes (crowds, difficult objects) are grey.

    Boxes of a user's own target that cannot be drawn are left out: the model says what is wrong with them, or needs none.
    """
    picture = Image.fromarray(np.asarray(image, np.uint8))
    if not drawable(target):
        return np.asarray(picture)
    ignored = target.get("bboxes_ignore")
    for x0, y0, x1, y1 in () if ignored is None else np.asarray(ignored).tolist():
        ImageDraw.Draw(picture).rectangle([x0, y0, max(x1 - 1, x0), max(y1 - 1, y0)], outline=(160, 160, 160), width=2)
    result = {"boxes": target["bboxes"], "labels": target["labels"]}
    classes, tracks = target.get("classes"), target.get("track_ids")
    known = {} if classes is None else dict(enumerate(classes, 1))
    result["names"] = [known.get(int(label), f"class {int(label)}") for label in target["labels"]]
    if "video_id" in target and tracks is not None:
        result["names"] = [f"{name} {track}" for name, track in zip(result["names"], tracks)]
    if target.get("masks") is not None:
        height, width = image.shape[:2]
        result["masks"] = [encode(mask[:height, :width]) for mask in np.asarray(target["masks"])]
    return draw_detections(np.asarray(picture), result, most=len(target["bboxes"]))


def drawable(target) -> bool:
    """Whether a target has bboxes [n, 4] and labels [n] of finite numbers; bboxes_ignore may be missing."""
    if target.get("bboxes") is None or target.get("labels") is None:
        return False
    given = (target["bboxes"], target.get("bboxes_ignore"), target["labels"])
    try:
        boxes, ignored, labels = (np.asarray(() if value is None else value) for value in given)
    except ValueError:  # items of different lengths
        return False
    sound = (a.dtype.kind in "iuf" and np.isfinite(a).all() for a in (boxes, ignored, labels))
    return all(sound) and all(not b.size or b.shape[1:] == (4,) for b in (boxes, ignored)) and labels.shape == boxes.shape[:1]


def browse(dataset, folder, count=20, seed=None, transformed=False, progress=True):
    """Draw `count` images (evenly spread, or drawn from `seed`) with their ground truth into `folder`.

    For a video dataset, a picture is a strip of STRIP frames of a video, and objects have their track ids. transformed: draw
    images after the dataset's transforms, as the model gets them (with normalisation undone), also where a user's own data
    set has no files of pictures. Returns the paths. Raises ConfigError if `folder` is a folder with images of the dataset.
    """
    check_folder(folder, (record.file for record in dataset.records if record.file))
    os.makedirs(folder, exist_ok=True)
    strips = _strips(dataset)
    total = len(strips)
    count = min(count, total)
    if seed is None:
        chosen = np.linspace(0, total - 1, count).round().astype(int)
    else:
        chosen = np.sort(np.random.default_rng(seed).choice(total, count, replace=False))
    chosen = [strips[i] for i in chosen]
    names = distinct_names([_place(dataset, strip) for strip in chosen])
    paths = []
    for strip, name in zip(tqdm(chosen, "drawing", disable=not progress or None, leave=False), names):
        pictures = [draw_truth(*_sample(dataset, index, transformed)) for index in strip]
        height = max(picture.shape[0] for picture in pictures)
        pictures = [np.pad(p, ((0, height - p.shape[0]), (0, 0), (0, 0))) for p in pictures]
        drawn = np.concatenate(pictures, axis=1)
        path = os.path.join(folder, name + picture_ending(drawn))
        paths.append(write_picture(path, drawn, quality=92))
    return paths


def _strips(dataset) -> list:
    """The records of each picture: one, or several evenly spaced frames of a video."""
    videos = dataset.videos_of_samples() if hasattr(dataset, "videos_of_samples") else None
    if videos is None:
        return [[index] for index in range(len(dataset.records))]
    found = {}
    for index, video in enumerate(videos[: len(dataset.records)]):
        found.setdefault(("still", index) if video is None else video, []).append(index)
    spread = (np.linspace(0, len(own) - 1, min(STRIP, len(own))).round().astype(int) for own in found.values())
    return [[own[i] for i in places] for own, places in zip(found.values(), spread)]


def _place(dataset, strip) -> str:
    """The path from which a picture gets its name: its file, or the folder of its video; the id of an image that is no
    file."""
    record = dataset.records[strip[0]]
    return (record.file if len(strip) == 1 else os.path.dirname(record.file)) or str(record.img_id)


def _sample(dataset, index, transformed):
    record = dataset.records[index]
    if not transformed:
        try:
            return read_image(record.file, (record.width, record.height), record.img_id), dataset.target(record)
        except DataError:
            if dataset.is_ours("get", "picture"):
                raise
    sample = dataset.first_sample(index)
    image, target = check_sample(dataset, sample, dataset.get(sample))
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        collate([(image, target)])  # raises ConfigError for an image that is not normalised either
    if not drawable(target):
        what = "the target must have bboxes [n, 4] and labels [n], finite numbers"
        raise ConfigError(f"{type(dataset).__name__}.get: image {record.img_id!r}: {what}, not {short(target)}")
    return as_picture(dataset, image), target


def as_picture(dataset, image):
    """An image after the dataset's transforms as uint8 [H, W, 3], with normalisation undone."""
    if image.dtype == np.uint8:
        return image
    return next((t.undo for t in steps_of(dataset) if hasattr(t, "undo")), _stretched)(image)


def _stretched(image):
    """[3, H, W] of a user's own normalisation as uint8 [H, W, 3]: the least and the largest number are black and white."""
    low, high = image.min(), image.max()
    return ((image - low) * (255 / max(high - low, 1e-12))).astype(np.uint8).transpose(1, 2, 0)
