"""Checks what a user's own data set gives to COCO's evaluation: otherwise its faults would be found after the inference."""

from __future__ import annotations

import json
import numbers

from jsra.arguments import short
from jsra.data.coco_file import check_coco
from jsra.data.problems import first_lines
from jsra.output import json_text
from jsra.registry import ConfigError

# What COCO's AP needs of an annotation; a mask is checked by COCOMaskAP.
_NEEDED = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")


def check_truth(dataset, boxes: bool = True):
    """Raise ConfigError for ids that a result file cannot contain, and for a `ground_truth` of the user's own that is not in
    COCO's format, or lacks images or categories of the data set. boxes: annotations must have them; otherwise (masks)
    images must have sizes."""
    who = type(dataset).__name__
    for kind, ids in (("image", dataset.img_ids), ("category", dataset.cat_ids)):
        for value in ids:
            if not _in_json(value):
                raise ConfigError(f"{who}: {kind} ids must be numbers or text, for result files; one is {short(value)}")
    if dataset.is_ours("ground_truth"):
        return
    where, truth = f"{who}.ground_truth()", dataset.ground_truth()
    if not isinstance(truth, dict):
        raise ConfigError(f"{where}: expected a dictionary in COCO's format, got {short(truth)}")
    try:
        content = json.loads(json_text(_needed(truth, boxes)))
    except TypeError as error:  # a generator, an object
        raise ConfigError(f"{where}: {error}: give lists, dictionaries, numbers and texts") from None
    found = check_coco(where, content)
    lines = [f"{p.where}: {p.what}; {p.cure}" for p in found.problems]
    for kind, ids, given in (("image", dataset.img_ids, found.images), ("category", dataset.cat_ids, found.categories)):
        known = {json_text(value) for value in given}
        lines += [f"{kind} id {i} of the data set is not listed; list it" for i in ids if json_text(_id(i)) not in known]
    if lines:
        raise ConfigError("\n  ".join([f"{where} cannot be evaluated:", *first_lines(lines)]))


def _in_json(value) -> bool:
    if isinstance(value, tuple):  # a list in the file
        return all(map(_in_json, value))
    return isinstance(value, (str, numbers.Real)) and not isinstance(value, bool)


def _needed(truth, boxes):
    """What of the content is evaluated, in the form of an annotation file: without annotations of images that are not listed,
    and with names and, for boxes, sizes, which need not be there."""

    def image(entry):
        size = {"width": 1, "height": 1} if boxes else _of(entry, ("width", "height"))
        return {"file_name": "-", **size, **_of(entry, ("id",))}

    def category(entry):
        return {"name": repr(entry.get("id")), **_of(entry, ("id",))}

    def annotation(entry):
        return {**({} if boxes else {"bbox": [0, 0, 1, 1]}), **_of(entry, _NEEDED)}

    found = {key: truth[key] for key in ("images", "categories", "annotations") if key in truth}
    for key, change in (("images", image), ("categories", category), ("annotations", annotation)):
        if isinstance(found.get(key), (list, tuple)):
            found[key] = [change(entry) if isinstance(entry, dict) else entry for entry in found[key]]
    if isinstance(found.get("images"), list) and isinstance(found.get("annotations"), list):
        ids = {str(entry.get("id")) for entry in found["images"] if isinstance(entry, dict)}
        found["annotations"] = [a for a in found["annotations"] if not isinstance(a, dict) or str(a.get("image_id")) in ids]
    return found


def _of(entry, keys):
    return {key: _id(entry[key]) if key.endswith("id") else entry[key] for key in keys if key in entry}


def _id(value):
    """An id; 1.0, which is 1 as a key of a dictionary, as a whole number."""
    return int(value) if isinstance(value, numbers.Real) and value == value // 1 and not isinstance(value, bool) else value
