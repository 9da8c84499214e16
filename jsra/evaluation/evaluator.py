"""Running a model over a dataset: images in, results out, metrics from `dataset.evaluate`."""
from __future__ import annotations

import json
import os

import jittor as jt
import numpy as np

from jsra.engine.distributed import barrier, is_main, rank, world_size
from jsra.fuse import FusedModel
from jsra.registry import build


class Evaluator:
    """evaluator(model, name) -> metrics of the dataset `config.dataset[split]`.

    Every process of an MPI run takes its share of the images; the first one gets the metrics, the others an empty dict.
    The dataset is read at the first use. work_dir: where the result JSON goes (default: the config's; None: nowhere).
    """

    def __init__(self, config, split: str = "val", work_dir="", progress: bool = True):
        self.settings, self.split = config["dataset"][split], split
        self.work_dir = config["work_dir"] if work_dir == "" else work_dir
        self.progress = progress
        self._dataset = None

    @property
    def dataset(self):
        if self._dataset is None:
            self._dataset = build(self.settings, f"dataset.{self.split}")
        return self._dataset

    def __call__(self, model, name=None):
        results = self.results(model)
        return self.dataset.evaluate(results, self.work_dir, name) if is_main() else {}

    def results(self, model) -> list:
        """The result of every image: a list of {img_id, boxes, scores, labels, ...}; [] in all processes but the first."""
        loader = self.dataset.loader(rank=rank(), world_size=world_size())
        try:
            results = list(detect(model, loader, self.split if self.progress and is_main() else None))
        finally:
            loader.close()
        return results if world_size() == 1 else _gather(results, self.work_dir or ".")


def detect(model, loader, title=None):
    """Yield the result of each image of `loader`, in its order. `title`: of a progress bar, or None for no bar.

    The model is in evaluation mode while this runs and as it was before afterwards.
    """
    bar = _bar(title, len(loader.dataset))
    fused = FusedModel(model)
    training = model.is_training()
    model.eval()
    try:
        for images, targets in loader.epoch(0):
            yield from fused(jt.array(images), targets)
            bar.update(len(targets))
    finally:
        bar.close()
        if training:
            model.train()


def _bar(title, total):
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit="img", dynamic_ncols=True, leave=False, disable=title is None or None)


def _gather(results, folder):
    """The results of all processes, in the first one; through files, because Jittor's MPI moves arrays of one shape."""
    os.makedirs(folder, exist_ok=True)
    with open(_part(folder, rank()), "w", encoding="utf8") as f:
        json.dump([_plain(result) for result in results], f)
    barrier()
    merged = []
    if is_main():
        for other in range(world_size()):
            path = _part(folder, other)
            with open(path, encoding="utf8") as f:
                merged += json.load(f)
            os.remove(path)
    return merged


def _part(folder, number):
    return os.path.join(folder, f".results.{number}.json")


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return value.decode("ascii") if isinstance(value, bytes) else value
