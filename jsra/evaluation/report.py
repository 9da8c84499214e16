"""From the detections of a model to metrics, a table and result files, with any evaluators."""

from __future__ import annotations

import numbers
import os

import numpy as np

from jsra.arguments import short
from jsra.detectors.results import check_result
from jsra.evaluation.dataset_evaluator import Metrics
from jsra.output import write_json
from jsra.registry import ConfigError


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
    for evaluator in evaluators:
        submission = evaluator.submission(dataset, results)
        if work_dir is not None and submission is not None:
            write_submission(submission, work_dir, "result" if name is None else name, evaluator.key)
        found = _check(evaluator, evaluator.evaluate(dataset, results, submission))
        out.update(found)
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
    written = [(e.key, e.submission(dataset, results)) for e in evaluators]
    return [write_submission(content, work_dir, name, key) for key, content in written if content is not None]


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


def write_submission(submission, work_dir, name, key) -> str:
    """Write work_dir/detections/<name>.<key>.json and return its path."""
    return write_json(os.path.join(work_dir, "detections", f"{name}.{key}.json"), submission, indent=None)
