"""The input of `jsra analyze`: the detections of a run, and their dataset."""

from __future__ import annotations

import math
import os
import re

from jsra.arguments import short
from jsra.config import Config, load_config
from jsra.data.coco import goes_beyond
from jsra.data.coco_file import is_id, is_number, parse_json
from jsra.data.dataset import all_images
from jsra.data.problems import counted
from jsra.engine import checkpoint
from jsra.engine.log import FILE, read
from jsra.evaluation.report import IDS, changed_ids
from jsra.folders import exists, is_file
from jsra.registry import ConfigError, build

METRICS = "metrics.json"  # written by jsra test


def load(run: str, config=None, split: str | None = None):
    """(dataset, detections in COCO's result format, path of their file) of a run.

    run: a folder of `jsra test` (WORK_DIR/test), or a work_dir of `jsra train` (its test if there is one, otherwise its last
    evaluation). config: a config file, needed if the folder does not name one; split: of its dataset.
    Raises FileNotFoundError, and ConfigError if config and detections do not fit.
    """
    folder, settings, split = _settings(run, config, split)
    found = os.path.join(folder, "detections")
    names = sorted(n for n in os.listdir(found) if not n.endswith(IDS)) if os.path.isdir(found) else []
    wanted = [name for name in (f"{split}.bbox.json", "result.bbox.json") if name in names]
    if not wanted:
        raise FileNotFoundError(_no_boxes(found, split, names, tested=is_file(os.path.join(folder, METRICS))))
    path = os.path.join(found, wanted[0])
    entry = (settings.get("dataset") or {}).get(split)
    if not entry:
        raise ConfigError(f"the config of {run} has no dataset.{split}")
    dataset = build(all_images(entry, f"dataset.{split}"), f"dataset.{split}", "dataset")
    detections = parse_json(path)
    _check_rows(detections, set(dataset.cat_ids), path)
    _check_ids(_ids_of(path), dataset, path)
    unknown = {d["image_id"] for d in detections} - set(dataset.img_ids)
    if unknown:
        raise ConfigError(
            f"{path} has detections of {len(unknown)} images that dataset.{split} does not have, such as "
            f"{sorted(unknown, key=str)[0]!r}; give the split with --split or the config with --config"
        )
    return dataset, detections, path


def _no_boxes(found, split, names, tested):
    """The message for a folder without boxes in COCO's format. tested: whether `jsra test` has written there."""
    cure = "run `jsra test CONFIG WEIGHTS` first"
    if tested and not any(name.endswith(".bbox.json") for name in names):  # e.g. VOCBoxAP, the default of a VOCDataset
        cure = "its evaluators write no boxes (or the files were removed): add dict(type='COCOBoxAP') to the config's "
        cure += "evaluator, and test it again"
    there = f" (there are {', '.join(names)})" if names else ""
    return f"{found} has no {split}.bbox.json: {cure}{there}"


def notes(dataset, detections) -> list:
    """A list with a line if boxes exceed their images, e.g. because they are given by two corners; else []."""
    sizes = {record.img_id: (record.width, record.height) for record in dataset.records}
    boxes = [(d["bbox"], sizes[d["image_id"]]) for d in detections]
    count = sum(goes_beyond((x, y, x + w, y + h), *size) for (x, y, w, h), size in boxes)
    if not count:
        return []
    return [f"{count} of {len(boxes)} boxes exceed their image by more than a pixel: a bbox is [x, y, width, height]"]


def added(dataset, path: str) -> list:
    """A list with a line if images with objects came into the dataset after the file of its detections was written; else [].

    path: of that file."""
    ids = _ids_of(path)
    then = {image for image, _ in parse_json(ids)["images"]} if is_file(ids) else set(dataset.img_ids)
    found = {annotation["image_id"] for annotation in dataset.ground_truth().get("annotations", ())} - then
    new = sorted((r for r in dataset.records if r.img_id in found), key=lambda r: str(r.img_id))
    if not new:
        return []
    first = f"{os.path.basename(new[0].file)} (id {new[0].img_id})"
    what = f"{counted(len(new), 'image')} of the annotations, such as {first}, came after {path} was written"
    return [f"{what}: their objects count as missed; run `jsra test` again"]


def outdated(run: str) -> list:
    """A list with a line if the work_dir `run` has a later checkpoint than the one whose detections are read; else []."""
    last = checkpoint.latest(run)
    if last is None:
        return []
    metrics = os.path.join(run, "test", METRICS)
    if is_file(metrics):
        said = parse_json(metrics)
        weights = said.get("weights") if isinstance(said, dict) else None
        found = re.search(r"iter_(\d{8,})", weights) if isinstance(weights, str) else None
        what, cure = f"the test in {os.path.dirname(metrics)}", "run `jsra test` again"
        if os.path.getmtime(metrics) > os.path.getmtime(os.path.join(last, checkpoint.STATE)):
            return []  # an earlier checkpoint was tested on purpose
    else:
        evaluated = read(run)["val"] if is_file(os.path.join(run, FILE)) else []
        found = re.match(r"(\d+)", str(evaluated[-1]["iteration"])) if evaluated else None
        what, cure = "the last evaluation", "`jsra test` evaluates the last checkpoint"
    try:
        iteration = checkpoint.read_state(last).get("iteration")
    except checkpoint.CheckpointError:
        return []  # damaged: it will be said where it is used
    if found is None or not isinstance(iteration, int) or int(found[1]) >= iteration:
        return []
    return [f"{what} is of iteration {int(found[1])}, and {run} has one of iteration {iteration}: {cure}"]


def _ids_of(path):
    """The file that says what the ids in a file of detections mean."""
    return path[: -len(".bbox.json")] + IDS


def _check_ids(path, dataset, detections):
    """Raise ConfigError if ids have another meaning than when the detections were made. path: the file that says it."""
    if not is_file(path):
        return  # versions before had none
    then = parse_json(path)
    try:
        found = changed_ids(then, dataset)
    except (TypeError, KeyError, ValueError):
        raise ConfigError(f"{path} is damaged: remove it, or write it again with `jsra test`") from None
    if found:
        raise ConfigError(
            f"the annotations have changed since {detections} was written: {found}; run `jsra test` again, or bring the "
            "annotation file back"
        )


def _check_rows(rows, categories, path):
    """Raise ConfigError unless the file's content is COCO's list of box results with categories of the dataset."""
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: expected a list of detections, COCO's result format, got {short(rows)}")
    for number, row in enumerate(rows):
        try:
            numbers = [*row["bbox"], row["score"]]
            sound = len(numbers) == 5 and all(is_number(v) and math.isfinite(v) for v in numbers)
            sound = sound and min(numbers[2:4]) >= 0 and row["category_id"] in categories
            sound = sound and all(is_id(row[key]) or is_number(row[key]) for key in ("image_id", "category_id"))
        except (TypeError, OverflowError, KeyError):
            sound = False
        if not sound:
            raise ConfigError(
                f"{path}: row {number} is not a detection of the data set's categories (image_id, category_id, bbox, score): "
                f"{short(row)}; write the file again with `jsra test`"
            )


def _settings(run, config, split):
    """(folder of the detections, config, split)."""
    if not exists(run) or not os.path.isdir(run):
        raise FileNotFoundError(f"{run}: there is no such folder of a run")
    folder = next((f for f in (run, os.path.join(run, "test")) if is_file(os.path.join(f, METRICS))), run)
    metrics = os.path.join(folder, METRICS)
    if is_file(metrics):
        said = parse_json(metrics)
        known = said if isinstance(said, dict) else {}
        split = split or known.get("split")
        if config is None and "config" in known:
            if not (isinstance(split, str) and _is_config(known["config"])):
                raise ConfigError(f"{metrics} holds no split and config of a run: write it again with `jsra test`")
            return folder, Config(known["config"]), split
    if config is not None:
        return folder, load_config(config), split or "val"
    last = checkpoint.latest(run)
    if last is None:
        raise FileNotFoundError(
            f"{run} has neither {METRICS} of `jsra test` nor a checkpoint: give its config with --config"
        )
    settings = checkpoint.read_state(last).get("config")
    if not _is_config(settings):
        raise ConfigError(f"{last} holds no config of a run: name it with --config")
    return folder, Config(settings), split or "val"


def _is_config(value):
    return isinstance(value, dict) and isinstance(value.get("dataset"), dict)
