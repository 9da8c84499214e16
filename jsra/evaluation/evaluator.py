"""Runs a model on a dataset, collects the results and computes the metrics of the config's evaluators."""
from __future__ import annotations

import sys

from jsra.agreement import check_agreement, summary
from jsra.data.dataset import all_images
from jsra.data.loader import collate, first_of
from jsra.data.transforms import Compose, check_fixed, drawn, steps_of, test_transforms
from jsra.detectors.feature_cache import use_features
from jsra.evaluation.dataset_evaluator import build_evaluators, evaluator_settings
from jsra.evaluation.report import evaluate
from jsra.registry import ConfigError, build, nearest
from jsra.runtime.distributed import gather, is_main, on_main, rank, world_size
from jsra.test_time import FrameRunner


class Evaluator:
    """evaluator(model, name) -> the metrics of the dataset `config.dataset[split]`, by the evaluators of the config.

    Each process of an MPI run handles its share of the images; process 0 computes the metrics, and all processes get them.
    The constructor reads the dataset, so that its errors are reported before a training begins. Each image is tested once,
    also if `repeat` or `oversample_threshold` of the dataset repeat images in training, or `filter_empty_gt` or `drop_last`
    leave some out; images of dataset.train whose transforms are drawn for each image get those of dataset.test or
    dataset.val. work_dir: folder for the result JSON (default: that of the config; None: not written). flip: use mirrored
    images too (jsra.test_time).
    """

    def __init__(self, config, split: str = "val", work_dir="", progress: bool = True, flip: bool = False):
        self.config, self.flip = config, flip
        self.split = split
        self.work_dir = config["work_dir"] if work_dir == "" else work_dir
        self.progress = progress
        self.evaluators = build_evaluators(evaluator_settings(config, split))
        best = config.get("best_metric")
        if split == "val" and best is not None and best not in self.names:
            raise ConfigError(f"best_metric: the evaluators give no {best!r}{nearest(str(best), self.names)}")
        self.dataset = build(all_images(config["dataset"][split], f"dataset.{split}"), f"dataset.{split}", "dataset")
        self.dataset.each_once()
        if split == "train" and drawn(steps_of(self.dataset)):
            self._use_transforms_of_inference()
        check_fixed(steps_of(self.dataset), f"dataset.{split}.transforms")
        check_agreement(f"data in dataset.{split}", lambda: summary(self.dataset))
        on_main(self.dataset.check_pictures)
        for evaluator in self.evaluators:
            evaluator.check(self.dataset)
        collate([first_of(self.dataset)])  # wrong transforms should not be found after the first epoch

    def _use_transforms_of_inference(self):
        """Replace the training's transforms of dataset.train, here and in the config (for cached features)."""
        splits = self.config["dataset"]
        if is_main():
            names = ", ".join(drawn(steps_of(self.dataset)))
            print(f"dataset.train: the transforms of dataset.test or dataset.val are used, without {names}", file=sys.stderr)
        train = {**splits["train"], "transforms": test_transforms(self.config)}
        self.config = {**self.config, "dataset": {**splits, "train": train}}
        self.dataset.transforms = Compose(build(train["transforms"], "dataset.test.transforms"))

    @property
    def names(self) -> list:
        """The names of the metrics, the main one first."""
        return [name for evaluator in self.evaluators for name in evaluator.names]

    def check_objects(self):
        """Raise ConfigError if no image has an annotated object."""
        if not self.dataset.has_objects():
            raise ConfigError(
                f"dataset.{self.split}: {self.dataset!r} has no image with an object: there is nothing to evaluate; correct "
                "its annotations or classes, or leave it out"
            )

    def check_model(self, model):
        """Raise ConfigError if the model does not predict what is evaluated."""
        for evaluator in self.evaluators:
            evaluator.check_model(model)

    def __call__(self, model, name=None):
        results = self.results(model)
        return on_main(lambda: self.evaluate(results, name))

    def evaluate(self, results, name=None):
        """The metrics of existing results (as from `results`)."""
        return evaluate(self.evaluators, self.dataset, results, self.work_dir, name)

    def results(self, model) -> list:
        """The result of every image: a list of {img_id, boxes, scores, labels, ...} in process 0, [] in all others."""
        shown = self.progress and is_main()
        if not self.flip:  # cached features cannot be mirrored
            use_features(self.config, self.split, self.dataset, model, shown)
        loader = self.dataset.loader(rank(), world_size())
        try:
            results = list(detect(model, loader, self.split if shown else None, self.flip))
        finally:
            loader.close()
        return [result for share in gather(results) for result in share]


def detect(model, loader, title=None, flip=False):
    """Yield the result of each image of `loader`, in its order. title: of the progress bar, None for no bar. flip: see
    jsra.test_time.

    The model is in evaluation mode while this runs; its previous mode is restored at the end.
    """
    bar = _bar(title, sum(len(batch) for batch in loader.batches(0)))
    runner = FrameRunner(model, flip)
    training = model.is_training()
    model.eval()
    try:
        for images, targets in loader.epoch(0):
            yield from runner.push(images, targets)
            bar.update(len(targets))
        yield from runner.finish()
    finally:
        bar.close()
        if training:
            model.train()


def _bar(title, total):
    from tqdm import tqdm

    return tqdm(total=total, desc=title, unit="img", dynamic_ncols=True, leave=False, disable=title is None or None)
