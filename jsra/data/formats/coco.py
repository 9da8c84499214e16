"""COCO's annotation files: <split>.json with images, annotations and categories."""

from __future__ import annotations

import os
import urllib.parse
from collections import Counter

from jsra.data.coco import segmentation_problems
from jsra.data.coco_file import check_coco, file_name, is_id
from jsra.data.formats.annotations import (
    Annotations,
    Object,
    Picture,
    bounds,
    files_below,
    json_of,
    once,
    rotation,
    turned,
    without_use,
)
from jsra.data.formats.pictures import OTHERS, Pictures, size_of, split_of
from jsra.data.image import PICTURES

# The entries of images and annotations that are used, or that say nothing about the objects. Others are named.
_OF_IMAGE = {
    "id", "file_name", "width", "height", "license", "flickr_url", "coco_url", "date_captured", "extra", "date", "url",
    "path",
}  # fmt: skip
_OF_ANNOTATION = {
    "id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "ignore", "attributes", "supercategory",
    "num_keypoints", "category_name", "isbbox",
}  # fmt: skip
_OF_ATTRIBUTES = {"rotation", "keyframe", "track_id"}


def find(folder: str):
    """See jsra.data.formats."""
    files, problems, places = [], [], Pictures(folder)
    for path in files_below(folder, ".json"):
        file = _read(path, places, problems)
        if file is not None:
            name = os.path.relpath(path, folder)
            files.append((split_of(os.path.basename(name)) or split_of(os.path.dirname(name)), file))
    if not files:
        return Annotations("COCO", {}, [], problems) if problems else None
    splits = {}
    # instances_val2017.json comes before person_keypoints_val2017.json: the same pictures, but all classes.
    files.sort(key=lambda f: "instances" not in os.path.basename(f[1].path))
    for split, file in files:
        problems += [f"{file.path}: {p.where}: {p.what}; {p.cure}: left out" for p in file.problems]
        for picture in _pictures(places, file, problems):
            splits.setdefault(split or places.split(picture.file) or "all", []).append(picture)
    splits = once(splits, problems)
    used = {picture.source for pictures in splits.values() for picture in pictures}
    problems += [line for _, file in files if file.path in used for line in _not_used(file)]
    return Annotations("COCO", splits, _classes(files, splits), problems)


def _classes(files, splits) -> list:
    """The classes of the files that are used, in the order of their ids. A file whose pictures are all in another one, such
    as COCO's stuff_val2017.json, has no part in them."""
    used, classes = {picture.source for pictures in splits.values() for picture in pictures}, []
    for file in (file for _, file in files if file.path in used):
        known = sorted(file.categories.items(), key=lambda c: (isinstance(c[0], str), c[0]))
        classes += [name for _, name in known if name not in classes]
    return classes


def _not_used(file) -> list:
    """Lines about the entries of a file that are not used, such as key points."""
    images, annotations = Counter(), Counter()
    for entry in file.images.values():
        images.update(key for key in entry.keys() - _OF_IMAGE if entry[key])
    for entry in (a for listed in file.annotations.values() for a in listed):
        annotations.update(key for key in entry.keys() - _OF_ANNOTATION if entry[key])
        marks = entry.get("attributes")
        if isinstance(marks, dict):
            annotations.update(f"attributes.{key}" for key in marks.keys() - _OF_ATTRIBUTES if marks[key])
    return without_use(file.path, "images", images) + without_use(file.path, "annotations", annotations)


def _read(path, places, problems):
    """The annotation file if it is in COCO's format and has annotations, else None."""
    content = json_of(path, problems)
    parts = ("images", "categories", "annotations")
    missing = [key for key in parts if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if len(missing) == 1:  # a part of COCO (image_info_test2017.json, captions_val2017.json), or another format like it
        problems.append(f"{path}: it has no list of {missing[0]}: left out")
    if missing:
        return None
    annotations = content["annotations"]
    if annotations and not any(isinstance(a, dict) and "bbox" in a for a in annotations):  # COCO's panoptic_val2017.json
        problems.append(f"{path}: none of its {len(annotations)} annotations has a bbox, [x, y, width, height]: left out")
        return None
    _add_sizes(path, content["images"], places)
    return check_coco(path, _merged(path, content, problems))


def _add_sizes(path, images, places):
    """Give the images without a width and a height those of their files."""
    for image in images:
        if not isinstance(image, dict) or image.get("width") or image.get("height") or not file_name(image):
            continue
        place = _place(places, image["file_name"], path)[0]
        size = size_of(place)[0] if place else None
        image["width"], image["height"] = size or (1, 1)  # without a file that can be read, `_pictures` leaves it out


def _merged(path, content, problems) -> dict:
    """The content with each name of a category once, as files that were joined by hand often have not: annotations of the
    others get the id of the first."""
    entries = [c for c in content["categories"] if isinstance(c, dict) and is_id(c.get("id"))]
    entries = [c for c in entries if isinstance(c.get("name"), str)]
    first = {}
    same = {c["id"]: first[c["name"]] for c in entries if first.setdefault(c["name"], c["id"]) != c["id"]}
    if not same or len({c["id"] for c in entries}) < len(entries):
        return content
    for c in (c for c in entries if c["id"] in same):
        what = f"category {c['name']!r} has the ids {first[c['name']]!r} and {c['id']!r}: they are taken as one class"
        problems.append(f"{path}: {what}")
    kept = [c for c in content["categories"] if c not in entries or c["id"] not in same]
    annotations = [
        {**a, "category_id": same[a["category_id"]]}
        if isinstance(a, dict) and is_id(a.get("category_id")) and a["category_id"] in same
        else a
        for a in content["annotations"]
    ]
    return {**content, "categories": kept, "annotations": annotations}


def _pictures(places, file, problems):
    for img_id, image in file.images.items():
        name = image["file_name"]
        place, why = _place(places, name, file.path)
        stated = int(image["width"]), int(image["height"])
        size, why = size_of(place, stated) if place else (None, why)
        if size is None:
            problems.append(f"{file.path}: {place or 'image'} (id {img_id}): {why}: left out")
            continue
        objects = []
        for a in file.annotations[img_id]:
            x, y, w, h = a["bbox"]
            segmentation = a.get("segmentation") or []
            wrong = segmentation_problems(a, *size) if segmentation else []
            problems += [f"{file.path}: {p.where}: {p.what}: only the box is used" for p in wrong]
            label = file.categories[a["category_id"]]
            marks = {key: a[key] for key in ("area", "ignore") if a.get(key) is not None}
            box, segmentation = (x, y, x + w, y + h), [] if wrong else segmentation
            attributes = a.get("attributes")
            angle = rotation(attributes.get("rotation")) if isinstance(attributes, dict) else 0
            if angle and not segmentation:
                points = turned(box, angle)
                box, segmentation = bounds(points), [points]
            objects.append(Object(label, box, segmentation, bool(a.get("iscrowd")), marks))
        yield Picture(place, file.path, *size, objects, places.fit(place, file.path, name), name, bool(why))


def _place(places, name, source) -> tuple:
    """What Pictures.find says for a file name, also for one that is an address, as Label Studio and Labelbox write it
    ('https://host/my%20pictures/a.jpg?key=1'), and for one without its ending."""
    ending = os.path.splitext(name)[1].lower()
    place, why = places.find(name, source, any_ending=ending not in (*PICTURES, *OTHERS))
    if place is None and ("%" in name or "://" in name):
        try:
            plain = urllib.parse.unquote(urllib.parse.urlsplit(name).path if "://" in name else name)
        except ValueError:  # no address
            return place, why
        place = places.find(plain, source)[0]
    return place, why
