"""Checks what a user's own data set gives to COCO's evaluation: otherwise its faults would be found after the inference."""

from __future__ import annotations

import json
import numbers

from jsra.arguments import short
from jsra.data.coco_file import check_coco
from jsra.data.problems import first_lines
from jsra.output import json_text
from jsra.registry import ConfigError

_UNUSED = {"file_name": "-", "width": 1, "height": 1}  # of an image, if ground_truth() leaves them out


def check_truth(dataset):
    """Raise ConfigError for ids that a result file cannot contain, and for a `ground_truth` of the user's own that is not in
    COCO's format, or lacks images or categories of the data set."""
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
    found = check_coco(where, _completed(json.loads(json_text(truth))))
    lines = [f"{p.where}: {p.what}; {p.cure}" for p in found.problems]
    for kind, ids, given in (("image", dataset.img_ids, found.images), ("category", dataset.cat_ids, found.categories)):
        known = {json_text(value) for value in given}
        lines += [f"{kind} id {i} of the data set is not listed; list it" for i in ids if json_text(i) not in known]
    if lines:
        raise ConfigError("\n  ".join([f"{where} cannot be evaluated:", *first_lines(lines)]))


def _in_json(value) -> bool:
    if isinstance(value, tuple):  # a list in the file
        return all(map(_in_json, value))
    return isinstance(value, (str, numbers.Real)) and not isinstance(value, bool)


def _completed(truth):
    """The content with what COCO's AP of boxes does not need, and without annotations of images that are not listed, which
    are not evaluated."""
    images, annotations = truth.get("images"), truth.get("annotations")
    if isinstance(images, list):
        truth["images"] = [{**_UNUSED, **image} if isinstance(image, dict) else image for image in images]
        ids = {str(image.get("id")) for image in images if isinstance(image, dict)}
        if isinstance(annotations, list):
            truth["annotations"] = [a for a in annotations if not isinstance(a, dict) or str(a.get("image_id")) in ids]
    return truth
