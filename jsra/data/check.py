"""Finds problems in annotations for `jsra data check`: each with the image, what is wrong and how to fix it."""

from __future__ import annotations

import os
from collections import Counter

from tqdm import tqdm

from jsra.data.check_entries import check_box, check_copies, check_image
from jsra.data.check_vid import check_vid
from jsra.data.classes import look_alikes
from jsra.data.coco import listed_images, segmentation_problems
from jsra.data.coco_file import file_name, of_annotation, read_coco
from jsra.data.dataset import all_images
from jsra.data.formats.annotations import rotation
from jsra.data.image import DataError
from jsra.data.lvis import image_file as lvis_file
from jsra.data.lvis import read_lvis
from jsra.data.masks import area, box, to_rle
from jsra.data.paths import data_path
from jsra.data.problems import error, warning
from jsra.data.voc import VOC_CLASSES
from jsra.data.voc_file import read_xml, voc_entries, voc_image, voc_sets
from jsra.registry import ConfigError, build, check_settings, get, nearest

KINDS = ("COCODataset", "LVISDataset", "VOCDataset", "VIDDataset")  # types of data sets that are checked
MASK_TOLERANCE = 3.0  # pixels by which the box of a mask may differ from the annotated box


def check(config, progress=True):
    """All problems of the dataset that a config dict (type COCODataset, LVISDataset, VOCDataset or VIDDataset) describes.

    It reads the files directly, because a dataset object cannot be built from broken files.
    """
    kind = config.get("type")
    if kind is None:
        raise ConfigError(f"the dataset has no type: write type=..., one of {', '.join(KINDS)}")
    check_settings(get(kind, "dataset", "dataset"), {k: v for k, v in config.items() if k != "type"}, "dataset")
    if kind in ("COCODataset", "LVISDataset"):
        read, image_file = (read_lvis, lvis_file) if kind == "LVISDataset" else (read_coco, file_name)
        file, root = read(data_path(config["anno_file"])), data_path(config["root"])
        if config.get("image_ids"):
            file = file._replace(images=listed_images(file.images, data_path(config["image_ids"]), file.path))
        unknown = [name for name in config.get("classes") or () if name not in file.categories.values()]
        problems = [
            error(f"class {n!r}", "is not in the file", f"correct classes{nearest(str(n), file.categories.values())}")
            for n in unknown
        ]
        return problems + check_coco(root, file, image_file, progress, config.get("with_masks", False))
    if kind == "VOCDataset":
        sets = voc_sets(config["root"], config.get("image_set", "trainval"))
        return check_voc(sets, config.get("classes") or VOC_CLASSES, config.get("one_based", True), progress)
    if kind == "VIDDataset":
        return check_vid(config, progress)
    raise ConfigError(f"cannot check a {kind!r}, only {', '.join(KINDS)}")


def refusal(config, split: str = "train") -> list:
    """An error if the data set cannot be built although its files have none, or has no object to learn (train) or to evaluate
    in a training (val): [] or a list with one problem. A test may use a list of images without annotations.

    For example, a class is listed twice, or no object is of the classes.
    """
    try:
        dataset = build(config if split == "train" else all_images(config), "dataset", "dataset")
        if split == "train":
            dataset.check_objects()
        elif split == "val" and not dataset.has_objects():
            raise DataError(f"{dataset!r} has no image with an object: there is nothing to evaluate")
    except (ConfigError, DataError, OSError) as reason:
        who = "a training" if split in ("train", "val") else "a test"
        return [error(f"{who} refuses the data set", str(reason), "correct the config or the files")]
    return []


def check_coco(root, file, image_file, progress=True, with_masks=False):
    """Problems of a file in COCO's format (jsra.data.coco_file.COCOFile) and its images in `root`.

    image_file: a function from an image's entry to its file. with_masks: every object should have a mask.
    """
    problems = [*file.problems, *_twice(file, image_file)]
    used = {a["category_id"] for listed in file.annotations.values() for a in listed}
    alike = look_alikes(name for category, name in file.categories.items() if category in used)
    cure = "if they are one class, give their annotations one category_id, and remove the other category"
    problems += [warning("categories", what, cure) for what in alike]
    with_masks = with_masks or any(a.get("segmentation") for listed in file.annotations.values() for a in listed)
    for img_id, image in tqdm(file.images.items(), "checking", disable=not progress or None, leave=False):
        where = f"image id {img_id}"
        size = int(image["width"]), int(image["height"])
        problems += check_image(os.path.join(root, image_file(image)), size, where)
        if not file.annotations[img_id]:
            problems.append(warning(where, "has no annotations", "fine for a background image; else annotate it"))
        for a in file.annotations[img_id]:
            problems += _check_annotation(a, size, with_masks)
        problems += check_copies([(a["category_id"], tuple(a["bbox"])) for a in file.annotations[img_id]], where)
    return problems


def _twice(file, image_file):
    """Ids and files that appear more than once: the format allows them, but other tools do not work with them."""
    ids = Counter(a["id"] for listed in file.annotations.values() for a in listed if isinstance(a.get("id"), (int, str)))
    files = Counter(image_file(image) for image in file.images.values())
    for what, counts in (("annotations id", ids), ("the image", files)):
        for value, count in counts.items():
            if count > 1:
                yield warning(f"{what} {value}", f"appears {count} times", "give every entry its own")


def _check_annotation(a, size, with_masks):
    where = of_annotation(a)
    x, y, w, h = bbox = a["bbox"]
    yield from check_box((x, y, x + w, y + h), size, where)
    attributes = a.get("attributes")
    yield from _check_rotation(attributes.get("rotation") if isinstance(attributes, dict) else None, where)
    if a.get("area") is not None and a["area"] <= 0:
        yield warning(where, f"area is {a['area']}; training ignores it", "give the mask's area in pixels")
    if not a.get("segmentation"):
        yield from _check_area(a.get("area"), max(w, 0) * max(h, 0), "the box has", where, least=0)
        if with_masks:
            yield warning(where, "has no segmentation; a mask model learns only its box", "draw its mask")
        return
    found = segmentation_problems(a, *size)
    yield from found
    if found:
        return
    rle = to_rle(a["segmentation"], *size)
    yield from _check_area(a.get("area"), area(rle), "the mask covers", where)
    if area(rle) == 0:
        yield warning(where, "the mask does not cover a pixel", "draw the mask again, or remove the annotation")
        return
    mx, my, mw, mh = box(rle)
    # Masks are clipped to the image, so the box is clipped before the comparison.
    inside = [max(x, 0), max(y, 0), min(x + w, size[0]), min(y + h, size[1])]
    difference = max(abs(p - q) for p, q in zip((mx, my, mx + mw, my + mh), inside))
    if difference > MASK_TOLERANCE:
        mine = f"[{mx:g}, {my:g}, {mw:g}, {mh:g}]"
        what = f"box and mask differ by {difference:.0f} pixels: the mask's box is {mine}, not {bbox}"
        yield warning(where, what, "use the mask's box, or draw the mask again")


def _check_area(stated, found, what, where, least=0.5):
    """A problem of an `area` that is less than `least` or more than twice the area that was found, by which AP_s, AP_m and
    AP_l sort objects."""
    if stated is not None and stated > 0 < found and abs(stated - found) > 16 and not least * found <= stated <= 2 * found:
        cure = "write the mask's area in pixels: AP by size uses it"
        yield warning(where, f"area is {stated:g}, {what} {found:g} pixels", cure)


def _check_rotation(attribute, where):
    """A problem of a rotated box of CVAT, of which the file has the box before the rotation."""
    angle = rotation(attribute)
    if angle:
        what = f"is rotated by {angle:g} degrees, but the box is that before the rotation"
        yield warning(where, what, "`jsra init` turns such boxes; or draw an upright box")


def check_voc(sets, classes, one_based=True, progress=True):
    """Problems of VOC folders: [(folder, image set)]."""
    problems = []
    entries = voc_entries(sets)
    for name, count in Counter(name for name, *_ in entries).items():
        if count > 1:
            problems.append(error(f"image {name}", f"appears {count} times in the image set", "remove the copies"))
    for name, annotation, picture in tqdm(entries, "checking", disable=not progress or None, leave=False):
        where = f"image {name}"
        content, found = read_xml(annotation, where)
        problems += found
        if content is None:
            continue
        size = content["width"], content["height"]
        problems += check_image(voc_image(picture, content), size, where)
        if not content["objects"]:
            problems.append(warning(where, "has no annotations", "fine for a background image; else annotate it"))
        for i, item in enumerate(content["objects"]):
            here = f"{where}, object {i + 1} ({item['name']})"
            if item["name"] not in classes:
                what = f"class {item['name']!r} is not one of the data set's: {', '.join(classes)}"
                problems.append(warning(here, f"{what}; it is left out", "correct it, or add it to classes"))
            x0, y0, x1, y1 = item["box"]
            shift = 1 if one_based else 0
            problems += [*check_box((x0 - shift, y0 - shift, x1, y1), size, here), *_check_rotation(item["rotation"], here)]
        problems += check_copies([(item["name"], tuple(item["box"])) for item in content["objects"]], where)
    return problems
