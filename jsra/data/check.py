"""Problems of annotations: what `jsra data check` lists, each with the image, what is wrong and the cure."""

from __future__ import annotations

import os
from collections import Counter, namedtuple

from PIL import Image, ImageOps
from tqdm import tqdm

from jsra.data.coco import flag, read_coco
from jsra.data.image import DataError, rgb_pixels
from jsra.data.masks import area, box, to_rle
from jsra.data.paths import data_path
from jsra.data.voc import VOC_CLASSES, read_xml, voc_entries, voc_image, voc_sets
from jsra.registry import ConfigError

# level: 'error' (training would fail, or learn something wrong) or 'warning'; where: image id, and annotation if it is one.
Problem = namedtuple("Problem", "level where what cure")

MASK_TOLERANCE = 3.0  # pixels by which a mask's box may differ from the annotated one


def check(config, progress=True):
    """All problems of the dataset that a config dict (type COCODataset or VOCDataset) describes.

    It reads the files itself: a dataset object cannot be built from files that are broken.
    """
    kind = config.get("type")
    if kind == "COCODataset":
        return check_coco(data_path(config["root"]), data_path(config["anno_file"]), progress)
    if kind == "VOCDataset":
        sets = voc_sets(config["root"], config.get("image_set", "trainval"))
        return check_voc(sets, config.get("classes") or VOC_CLASSES, config.get("one_based", True), progress)
    raise ConfigError(f"cannot check a {kind!r}, only COCODataset and VOCDataset")


def check_image(path, size, where):
    """Problems of an image file."""
    try:
        with Image.open(path) as image:
            found, turned = image.size, ImageOps.exif_transpose(image).size
            rgb_pixels(image)
    except FileNotFoundError:
        yield Problem("error", where, f"the image {path} is missing", "add the file, or remove the image")
        return
    except Exception as error:
        yield Problem("error", where, f"the image {path} cannot be read: {error}", "replace the file")
        return
    if tuple(size) not in (found, turned):
        yield Problem(
            "error", where, f"{path} is {found[0]} x {found[1]} pixels, annotated as {size[0]} x {size[1]}",
            "correct width and height, or scale the boxes to the file",
        )  # fmt: skip


def check_box(xyxy, size, where):
    """Problems of a box in an image of `size` (width, height)."""
    x0, y0, x1, y1 = xyxy
    text = f"the box ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
    if not all(abs(v) < 1e9 for v in xyxy):
        yield Problem("error", where, f"{text} is not finite", "correct or remove it")
    elif x1 < x0 or y1 < y0:
        yield Problem("error", where, f"{text} is inverted", "swap its corners")
    elif x1 == x0 or y1 == y0:
        yield Problem("error", where, f"{text} is empty", "remove it")
    elif x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]:
        yield Problem("error", where, f"{text} lies outside the image", "remove it, or look for swapped x and y")
    elif x0 < -1 or y0 < -1 or x1 > size[0] + 1 or y1 > size[1] + 1:
        yield Problem("warning", where, f"{text} goes beyond the image ({size[0]} x {size[1]})", "cut it at the border")
    elif x1 - x0 < 1 or y1 - y0 < 1:
        yield Problem("warning", where, f"{text} is thinner than a pixel; training leaves it out", "remove it")


def check_coco(root, anno_file, progress=True):
    """Problems of a COCO annotation file and its images in `root`."""
    content = read_coco(anno_file)
    problems = []
    # The ids of annotations mean nothing to jsra; other tools want them unique.
    for key, level in (("images", "error"), ("categories", "error"), ("annotations", "warning")):
        counts = Counter(item.get("id") for item in content.get(key, ()))
        for item, count in counts.items():
            if count > 1:
                what, cure = f"appears {count} times", "give every entry its own id"
                problems.append(Problem(level, f"{key} id {item}", what, cure))
    for name, count in Counter(c["name"] for c in content["categories"]).items():
        if count > 1:
            problems.append(Problem("error", f"category {name!r}", f"appears {count} times", "rename or merge them"))
    categories = {c["id"] for c in content["categories"]}
    images = {image["id"]: image for image in content["images"]}
    per_image = {i: [] for i in images}
    for a in content.get("annotations", ()):
        if a.get("image_id") in images:
            per_image[a["image_id"]].append(a)
        else:
            what = f"belongs to image id {a.get('image_id')}, which is not listed"
            problems.append(Problem("error", f"annotation {a.get('id')}", what, "remove it, or list the image"))
    for img_id, image in tqdm(images.items(), "checking", disable=not progress or None, leave=False):
        where = f"image id {img_id}"
        size = image["width"], image["height"]
        problems += check_image(os.path.join(root, image["file_name"]), size, where)
        if not per_image[img_id]:
            problems.append(
                Problem("warning", where, "has no annotations", "fine for a background image; else annotate it")
            )
        seen = Counter()
        for a in per_image[img_id]:
            problems += _check_annotation(a, size, categories, f"{where}, annotation {a.get('id')}")
            seen[(a.get("category_id"), *a.get("bbox", ()))] += 1
        for (category, *bbox), count in seen.items():
            if count > 1 and bbox:
                what = f"the box {bbox} of category {category} appears {count} times"
                problems.append(Problem("warning", where, what, "remove the copies"))
    return problems


def _check_annotation(a, size, categories, where):
    if a.get("category_id") not in categories:
        what = f"category {a.get('category_id')} is not listed"
        yield Problem("error", where, what, "correct category_id, or list the category")
    bbox = a.get("bbox")
    if not isinstance(bbox, (list, tuple)) or len(bbox) != 4:
        yield Problem("error", where, f"bbox is {bbox!r}", "give [x, y, width, height]")
        return
    for key in ("iscrowd", "ignore"):
        try:
            flag(a, key)
        except DataError:
            yield Problem("error", where, f"{key} is {a[key]!r}", "write 0 or 1")
    x, y, w, h = bbox
    yield from check_box((x, y, x + w, y + h), size, where)
    if a.get("area", 1) <= 0:
        yield Problem(
            "warning", where, f"area is {a['area']}; training leaves it out", "give the mask's area in pixels"
        )
    if not a.get("segmentation"):
        return
    try:
        rle = to_rle(a["segmentation"], *size)
    except Exception as error:
        yield Problem("error", where, f"segmentation cannot be read: {error}", "draw the mask again, or remove it")
        return
    if area(rle) == 0:
        yield Problem("error", where, "the mask is empty", "draw the mask again, or remove the annotation")
        return
    mx, my, mw, mh = box(rle)
    # A mask is cut at the image's border, so the box is too before they are compared.
    inside = [max(x, 0), max(y, 0), min(x + w, size[0]), min(y + h, size[1])]
    difference = max(abs(p - q) for p, q in zip((mx, my, mx + mw, my + mh), inside))
    if difference > MASK_TOLERANCE:
        mine = f"[{mx:g}, {my:g}, {mw:g}, {mh:g}]"
        what = f"box and mask differ by {difference:.0f} pixels: the mask's box is {mine}, not {bbox}"
        yield Problem("warning", where, what, "take the mask's box, or draw the mask again")


def check_voc(sets, classes, one_based=True, progress=True):
    """Problems of VOC folders: [(folder, image set)]."""
    problems = []
    entries = voc_entries(sets)
    for name, count in Counter(name for name, *_ in entries).items():
        if count > 1:
            problems.append(
                Problem("error", f"image {name}", f"appears {count} times in the image set", "remove the copies")
            )
    for name, annotation, folder in tqdm(entries, "checking", disable=not progress or None, leave=False):
        where = f"image {name}"
        try:
            content = read_xml(annotation)
        except DataError as error:
            problems.append(Problem("error", where, str(error), "correct the file, or remove the image from the set"))
            continue
        size = content["width"], content["height"]
        problems += check_image(voc_image(folder, name, content), size, where)
        if not content["objects"]:
            problems.append(
                Problem("warning", where, "has no annotations", "fine for a background image; else annotate it")
            )
        for i, item in enumerate(content["objects"]):
            here = f"{where}, object {i + 1} ({item['name']})"
            if item["name"] not in classes:
                what = f"class {item['name']!r} is not one of the data set's: {', '.join(classes)}"
                problems.append(Problem("warning", here, f"{what}; it is left out", "correct it, or add it to classes"))
            x0, y0, x1, y1 = item["box"]
            shift = 1 if one_based else 0
            problems += check_box((x0 - shift, y0 - shift, x1, y1), size, here)
    return problems
