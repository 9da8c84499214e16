"""From the detections of a model to metrics, a table and result files, with any evaluators."""

from __future__ import annotations

import contextlib
import numbers
import os
import re

import numpy as np

from jsra.arguments import short
from jsra.detectors.results import check_result
from jsra.evaluation.dataset_evaluator import Metrics
from jsra.output import json_text, write_json
from jsra.registry import ConfigError, registered

IDS = ".ids.json"  # end of the name of the file that says what the ids in submissions mean
KINDS = {"categories": "category", "images": "image"}


def evaluate(evaluators, dataset, results, work_dir=None, name=None) -> Metrics:
    """The metrics of all evaluators.

    results: list of {img_id, boxes xyxy [n, 4] in pixels of the original image, scores [n], labels [n] (1-based), masks
    (RLE)}, or of (result, target) pairs, one per image; if images are missing, only the others are evaluated, and the table
    says so. Writes each submission to work_dir/detections/<name>.<evaluator's key>.json if work_dir is given.
    """
    results = by_image(dataset, results)
    out, parts = Metrics(), []
    if len(results) < len(dataset.records):
        parts.append(f"evaluated on {len(results)} of {len(dataset.records)} images")
    submissions = [(evaluator.key, evaluator.submission(dataset, results)) for evaluator in evaluators]
    if work_dir is not None:
        write_submissions(dataset, submissions, work_dir, "result" if name is None else name)
    for evaluator, (_, submission) in zip(evaluators, submissions):
        found = _check(evaluator, evaluator.evaluate(dataset, results, submission))
        out.update({key: value.item() if isinstance(value, np.generic) else value for key, value in found.items()})
        out.per_class.update(found.per_class)
        parts.append(found.table)
    out.table = "\n".join(parts)
    return out


def _check(evaluator, found) -> Metrics:
    """Returns the result of an evaluator. Raises ConfigError unless it is Metrics with a number for each of its names."""
    who = f"{type(evaluator).__name__}.evaluate"
    if not isinstance(found, Metrics):
        raise ConfigError(f"{who}: expected jsra.evaluation.dataset_evaluator.Metrics, got {short(found)}")
    for name in evaluator.names:
        value = found.get(name)
        if name in found and not (isinstance(value, numbers.Real) and np.ndim(value) == 0):
            raise ConfigError(f"{who}: the metric {name!r} is {short(value)}; it must be a number, nan where it is undefined")
    if not set(found) & set(evaluator.names):
        raise ConfigError(f"{who}: none of its names {list(evaluator.names)} is among its metrics {list(found)}")
    return found


def submit(evaluators, dataset, results, work_dir, name) -> list:
    """Write the submission of each evaluator that has one, without evaluating; returns the paths."""
    results = by_image(dataset, results)
    return write_submissions(dataset, [(e.key, e.submission(dataset, results)) for e in evaluators], work_dir, name)


def by_image(dataset, results):
    """{img_id: result} in the dataset's order.

    Raises ValueError for an unknown image or two results of one image, ConfigError for a result of another form
    (jsra.detectors.results) or a label that the data set lacks.
    """
    found, classes = {}, len(dataset.CLASSES)
    for result in results:
        result = check_result("evaluation", result[0] if isinstance(result, (tuple, list)) else result)
        if np.max(result["labels"], initial=0) > classes:
            raise ConfigError(
                f"image id {result['img_id']}: the model gives the labels {short(sorted(set(map(int, result['labels']))))}; "
                f"the data set has {classes} classes, labels 1 to {classes}"
            )
        if result["img_id"] in found:
            raise ValueError(f"image id {result['img_id']} has two results")
        found[result["img_id"]] = result
    ordered = {i: found.pop(i) for i in dataset.img_ids if i in found}
    if found:
        raise ValueError(f"results for images that the dataset does not have: {list(found)[:5]}")
    return ordered


def write_submissions(dataset, submissions, work_dir, name) -> list:
    """Write work_dir/detections/<name>.<key>.json for each (key, content) with a content, and <name>.ids.json, what their ids
    mean; returns the paths of the former. If two evaluators with one key have different contents, the second one's key gets
    a number. Files of the same name from an earlier evaluation, by other evaluators, are removed: they are of other
    detections."""
    folder = os.path.join(work_dir, "detections")
    written = []
    for key, content in submissions:
        same = [json_text(one) for name_of, one in written if re.fullmatch(_numbered(key), name_of)]
        if content is not None and not (same and json_text(content) in same):
            written.append((f"{key}_{len(same) + 1}" if same else key, content))
    if written:
        write_json(os.path.join(folder, f"{name}{IDS}"), meaning(dataset), indent=None)
    paths = [write_json(os.path.join(folder, f"{name}.{key}.json"), content, indent=None) for key, content in written]
    keys = filter(None, {getattr(cls, "key", None) for cls in registered("evaluator").values()})
    ours = re.compile(rf"{re.escape(str(name))}\.({'|'.join(map(_numbered, keys))})\.json")
    for file in os.listdir(folder) if os.path.isdir(folder) else ():
        path = os.path.join(folder, file)
        if ours.fullmatch(file) and path not in paths:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
    return paths


def _numbered(key) -> str:
    """A pattern of the key and of the key with a number."""
    return rf"{re.escape(key)}(_\d+)?"


def meaning(dataset) -> dict:
    """What the ids in a submission mean: {categories: [[id, name]], images: [[id, file name]]}."""
    return {
        "categories": [[i, name] for i, name in zip(dataset.cat_ids, dataset.CLASSES)],
        "images": [[record.img_id, os.path.basename(record.file)] for record in dataset.records],
    }


def changed_ids(then, dataset) -> str:
    """What ids that `meaning` gave earlier mean now, if it is something else; else ''."""
    for key, now in meaning(dataset).items():
        now = dict(map(tuple, now))
        for known, name in then[key]:
            if now.get(known, name) != name:
                return f"{KINDS[key]} id {known} was {name!r} then, and is {now[known]!r} now"
    return ""
