"""COCO's annotation files: <split>.json with images, annotations and categories."""

from __future__ import annotations

import json
import os

from jsra.data.formats.annotations import Annotations, Object, Picture, files_below, pictures_below, split_of


def find(folder: str):
    """See jsra.data.formats."""
    splits, classes, problems = {}, [], []
    for path in files_below(folder, ".json"):
        content = _read(path)
        if content is None:
            continue
        pictures = _pictures(folder, path, content, problems)
        splits.setdefault(split_of(os.path.basename(path)) or "all", []).extend(pictures)
        known = sorted(content["categories"], key=lambda c: c["id"])
        classes += [c["name"] for c in known if c["name"] not in classes]
    if not splits:
        return None
    return Annotations("COCO", splits, classes, problems)


def _read(path):
    """The parsed file if it is COCO's form, else None."""
    try:
        with open(path, encoding="utf8") as f:
            content = json.load(f)
    except (OSError, ValueError):
        return None
    needed = ("images", "annotations", "categories")
    return content if isinstance(content, dict) and all(isinstance(content.get(k), list) for k in needed) else None


def _pictures(folder, path, content, problems):
    names = {c["id"]: c["name"] for c in content["categories"]}
    places = _places(folder)
    found = {}
    for image in content["images"]:
        file = places.get(_key(image["file_name"])) or places.get(os.path.basename(image["file_name"]))
        if file is None:
            problems.append(f"{path}: the picture {image['file_name']} (id {image['id']}) is not in {folder}: left out")
            continue
        found[image["id"]] = Picture(file, image["width"], image["height"], [])
    for a in content["annotations"]:
        if a.get("image_id") not in found:
            continue
        if a.get("category_id") not in names or len(a.get("bbox") or ()) != 4:
            problems.append(f"{path}: annotation {a.get('id')} has no usable bbox or category_id: left out")
            continue
        x, y, w, h = a["bbox"]
        polygons = a.get("segmentation") if isinstance(a.get("segmentation"), list) else []
        o = Object(names[a["category_id"]], (x, y, x + w, y + h), polygons, bool(a.get("iscrowd")))
        found[a["image_id"]].objects.append(o)
    return list(found.values())


def _places(folder) -> dict:
    """{the last two parts of a path, and its file name alone where that is unique: path} of all pictures."""
    places, counts = {}, {}
    for path in pictures_below(folder):
        name = os.path.basename(path)
        counts[name] = counts.get(name, 0) + 1
        places[_key(path)] = path
        places[name] = path
    return {key: path for key, path in places.items() if "/" in key or counts[key] == 1}


def _key(path):
    return "/".join(path.replace(os.sep, "/").split("/")[-2:])
