"""Write the splits: DIR/<split>/000001.jpg ..., DIR/annotations/<split>.json in COCO's format, DIR/puppets.json.

In addition to COCO's keys, an annotation has
  keypoints   x, y, v of each part's joint (v 2 visible, 1 hidden, 0 outside the image), names in the category's `keypoints`
  parts       per part: name, polygon (the whole outline in pixels, hidden or not), center, visible (visible fraction)
  visible     visible fraction of the whole figure
  change      angle, mirrored, scale, tilt, pose: how the figure was made (scene.Figure)
  matrix      3 x 3, from the figure's own plane to pixels
Figures with a visible fraction below a quarter are crowds (iscrowd 1), so that training and evaluation ignore them.
"""

from __future__ import annotations

import json
import os

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from jsra.data.masks import area, box, encode
from jsra.data.puppets.figures import parts_of
from jsra.data.puppets.render import OVERSAMPLING, render
from jsra.data.puppets.scene import CLASSES, SPLITS, make_scene
from jsra.data.workers import WorkerPool
from jsra.output import write_json
from jsra.registry import ConfigError

VERSION = 1  # of the images: folders of another version are drawn again
MIN_VISIBLE = 0.25
MIN_AREA = 16  # pixels


def generate(folder, train=600, test=150, size=224, seed=0, workers=None, splits=SPLITS, force=False, progress=True):
    """Draw the dataset into `folder` and return it; a folder that already contains the same dataset is not changed.

    train, test: number of images of each training split and of each other split. size: width and height in pixels. seed:
    other seeds give other datasets. workers: number of processes, default: one per core.
    """
    if min(train, test) < 1 or size < 64:
        raise ConfigError(
            f"puppets: need at least 1 image per split and 64 pixels, got train={train}, test={test}, size={size}"
        )
    splits = list(dict.fromkeys(splits))
    for split in splits:
        if split not in SPLITS:
            raise ConfigError(f"puppets: unknown split {split!r}; known: {', '.join(SPLITS)}")
    recipe = {
        "version": VERSION, "train": train, "test": test, "size": size, "seed": seed, "splits": splits,
    }  # fmt: skip
    stamp = os.path.join(folder, "puppets.json")
    if not force and read_stamp(stamp) == recipe:
        return folder
    begin(stamp, [*splits, *(os.path.join("annotations", f"{split}.json") for split in splits)], force)
    tasks = []
    for split in splits:
        os.makedirs(os.path.join(folder, split), exist_ok=True)
        tasks += [(folder, split, i, seed, size) for i in range(train if split.startswith("train") else test)]
    found = {split: [] for split in splits}
    for (_, split, *_), result in zip(
        tasks, tqdm(draw_all(draw, tasks, workers), "puppets", len(tasks), disable=not progress or None)
    ):
        found[split].append(result)
    for split in splits:
        write_json(os.path.join(folder, "annotations", f"{split}.json"), _coco(found[split], split), indent=None)
    write_json(stamp, recipe, indent=None)  # written last: its existence shows that the dataset is complete
    return folder


def begin(stamp, made, force):
    """Write a stamp that says 'unfinished' before a dataset is drawn into the folder of `stamp`.

    Raises ConfigError if there is no stamp, but something at the paths `made`, relative to the folder: somebody's own data.
    """
    folder = os.path.dirname(stamp)
    own = [name for name in made if _is_used(os.path.join(folder, name))]
    if own and not force and not os.path.exists(stamp):
        raise ConfigError(
            f"{folder} has {own[0]}, and no {os.path.basename(stamp)}: it is not a folder of puppets, and its files would be "
            "overwritten; choose another folder (or --force)"
        )
    write_json(stamp, {"unfinished": True}, indent=None)


def _is_used(path):
    return bool(os.listdir(path)) if os.path.isdir(path) else os.path.lexists(path)


def read_stamp(stamp):
    """The content of a dataset's last file (see `generate`), None if it is missing or broken."""
    try:
        with open(stamp, encoding="utf8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def draw_all(draw, tasks, workers):
    """The results of draw(folder, split, index, ...) for each task, in order, from `workers` processes (None: as cores)."""
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    if workers < 2:
        yield from (draw(*task) for task in tasks)
        return
    pool = WorkerPool(draw, workers, 4, 120, lambda folder, split, i, *_: f"{folder}/{split}, number {i + 1}")
    try:
        yield from pool.run(tasks)
    finally:
        pool.close()


def draw(folder, split, index, seed, size):
    """Draw and save one image; returns (image record, annotations without ids)."""
    scene = make_scene(split, index, seed, size)
    pixels, seen = render(scene)
    name = f"{index + 1:06d}.jpg"
    Image.fromarray(pixels).save(os.path.join(folder, split, name), quality=90)
    image = {"id": index + 1, "file_name": name, "width": size, "height": size, "scene": index}
    annotations = [annotation(figure, number, seen) for number, figure in enumerate(scene.figures)]
    return image, [a for a in annotations if a is not None]


def annotation(figure, number, seen):
    """The annotation of one figure, None if it is not visible."""
    k = OVERSAMPLING
    height, width = seen.shape[0] // k, seen.shape[1] // k
    placed = figure.parts
    points = np.concatenate([outline for outline, _, _ in placed.values()])
    x0, y0 = np.clip(np.floor(points.min(0)).astype(int) - 1, 0, (width, height))
    x1, y1 = np.clip(np.ceil(points.max(0)).astype(int) + 1, 0, (width, height))
    near = seen[y0 * k : y1 * k, x0 * k : x1 * k]
    own = near >> 6 == number + 1
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = own.reshape(y1 - y0, k, x1 - x0, k).sum((1, 3)) * 2 >= k * k
    if not mask.any():
        return None
    rle = encode(mask)
    counts = np.bincount(near[own] & 63, minlength=64) / k**2
    parts, keypoints = [], []
    for index, part in enumerate(parts_of(figure.name)):
        outline, joint, _ = placed[part.name]
        parts.append({
            "name": part.name, "polygon": _rounded(outline.ravel()), "center": _rounded(outline.mean(0)),
            "visible": round(float(min(1, counts[index] / max(_polygon_area(outline), 1e-6))), 3),
        })  # fmt: skip
        x, y = (int(v) for v in np.floor(joint))
        inside = 0 <= x < width and 0 <= y < height
        keypoints += [*_rounded(joint), (2 if mask[y, x] else 1) if inside else 0]
    visible = float(own.sum()) / max(_whole_area([p[0] * k for p in placed.values()]), 1)
    return {
        "category_id": CLASSES.index(figure.name) + 1, "bbox": box(rle), "area": area(rle), "segmentation": rle,
        "iscrowd": int(visible < MIN_VISIBLE or area(rle) < MIN_AREA), "keypoints": keypoints,
        "num_keypoints": sum(v > 0 for v in keypoints[2::3]), "visible": round(min(visible, 1.0), 3), "parts": parts,
        "change": figure.change, "matrix": [[float(v) for v in row] for row in figure.matrix],
    }  # fmt: skip


def _rounded(values):
    return [round(float(v), 1) for v in values]


def _polygon_area(outline):
    x, y = outline.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _whole_area(outlines):
    """Area of the union of outlines in pixels, including parts outside the image."""
    points = np.concatenate(outlines)
    low = np.floor(points.min(0)).astype(int) - 1
    size = np.ceil(points.max(0)).astype(int) + 2 - low
    image = Image.new("1", tuple(int(v) for v in size))
    for outline in outlines:
        ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in outline - low], fill=1)
    return int(np.asarray(image).sum())


def _coco(found, split):
    images, annotations = [], []
    for image, own in found:
        images.append(image)
        for annotation in own:
            annotations.append({"id": len(annotations) + 1, "image_id": image["id"], **annotation})
    categories = [
        {"id": i + 1, "name": name, "supercategory": "puppet", "keypoints": [p.name for p in parts_of(name)],
         "skeleton": [[1 + [q.name for q in parts_of(name)].index(p.parent), j + 1]
                      for j, p in enumerate(parts_of(name)) if p.parent]}
        for i, name in enumerate(CLASSES)
    ]  # fmt: skip
    info = {"description": f"jsra puppets, split {split}", "version": str(VERSION)}
    return {"info": info, "images": images, "annotations": annotations, "categories": categories}
