"""Datasets and transforms with JDet's interface."""

from __future__ import annotations

import functools

import numpy as np
from jdet.config import get_cfg
from jdet.utils.registry import DATASETS, TRANSFORMS

from jsra.data.dataset import all_images
from jsra.data.masks import InstanceMasks
from jsra.engine.train import seed_of
from jsra.evaluation.dataset_evaluator import build_evaluators, default_evaluators
from jsra.evaluation.report import evaluate
from jsra.integrations.jdet.names import PREFIX, add, make, own
from jsra.integrations.jdet.training import progress
from jsra.integrations.jdet.values import arrays, for_jdet
from jsra.registry import build, registered
from jsra.runtime.distributed import rank, world_size
from jsra.runtime.seed import set_seed


def add_parts():
    for name in registered("dataset"):
        add(DATASETS, name, functools.partial(Dataset, name))
    for name, cls in registered("transform").items():
        add(TRANSFORMS, name, functools.partial(Transform, cls))


class Dataset:
    """A dataset of jsra with the interface of JDet's Runner: batches by iteration, evaluate(results, work_dir, epoch,
    logger).

    The annotations are read at the first use. JDet's Runner sets `drop_last` only for the training set; by this it is
    recognised: its order and random numbers depend on the iteration (jsra.engine.train), other datasets are read in order.
    """

    def __init__(self, name, **settings):
        self._settings = {"seed": int(get_cfg().get("seed") or 0), **own(settings), "type": name}
        self._training = "drop_last" in settings
        self._parts = None

    def _open(self):
        if self._parts is None:
            settings = self._settings if self._training else all_images(self._settings)
            dataset = build(settings, self._settings["type"])
            self._parts = dataset, dataset.loader(rank(), world_size(), joint=self._training)
        return self._parts

    @property
    def dataset(self):
        """The dataset of jsra."""
        return self._open()[0]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __bool__(self):
        return True

    def __len__(self):
        length = len(self._open()[1])
        if self._training:
            progress.epoch_length = length
        return length

    def __iter__(self):
        loader = self._open()[1]
        first, length = progress.iteration if self._training else 0, len(self)
        for i, (images, targets) in enumerate(loader.epoch(first // length, start=first % length)):
            targets = [for_jdet({"hboxes": t["bboxes"], "hboxes_ignore": t["bboxes_ignore"], **t}) for t in targets]
            if self._training:
                progress.iteration = first + i
                set_seed(seed_of(self._settings["seed"], progress.iteration))
            yield images, targets
        if self._training:
            progress.iteration = first + length - first % length

    def evaluate(self, results, work_dir=None, epoch=None, logger=None):
        """The metrics of the (result, target) pairs collected by Runner.val, by the config's `evaluator`."""
        settings = own(get_cfg().get("evaluator")) or default_evaluators(self._settings["type"])
        evaluators = build_evaluators([settings] if isinstance(settings, dict) else settings)
        metrics = evaluate(evaluators, self.dataset, results, work_dir, epoch)
        if logger is not None:
            logger.print_log(metrics.table)
        return dict(metrics)


class Transform:
    """A transform of jsra for JDet's Compose, t(image, target); its random numbers come from NumPy's global generator, which
    Jittor seeds in each data worker."""

    def __init__(self, cls, **settings):
        self.transform = make(cls, **settings)

    def __call__(self, image, target=None):
        rotated = sorted({"rboxes", "polys", "hboxes"} & set(target or ()))
        if rotated:
            raise ValueError(
                f"{PREFIX}{type(self.transform).__name__} only transforms horizontal boxes ('bboxes'), but this target has "
                f"{', '.join(rotated)}; use JDet's own transform here"
            )
        rng = np.random.default_rng(np.random.randint(2**31, size=4))
        target = arrays(target or {})
        if target.get("masks") is not None:
            target["masks"] = InstanceMasks.of_bitmaps(target["masks"])
        image, target = self.transform(image, target, rng)
        if target.get("masks") is not None:
            target["masks"] = np.asarray(target["masks"])
        return image, target
