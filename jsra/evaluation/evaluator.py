"""Runs a model on a dataset, collects the results and computes the metrics of the config's evaluators."""
from __future__ import annotations

from jsra.agreement import check_agreement, summary
from jsra.data.loader import collate
from jsra.data.transforms import Compose, in_place
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
    also if `repeat`, `oversample_threshold` or `drop_last` of the dataset repeat or leave out images in training, as a whole
    and not mirrored. work_dir: folder for the result JSON (default: that of the config; None: not written). flip: use
    mirrored images too (jsra.test_time).
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
        self.dataset = build(config["dataset"][split], f"dataset.{split}", "dataset")
        self.dataset.each_once()
        self._leave_out_random_places()
        check_agreement(f"data in dataset.{split}", lambda: summary(self.dataset))
        on_main(self.dataset.check_pictures)
        for evaluator in self.evaluators:
            evaluator.check(self.dataset)
        collate([self.dataset.get(0)])  # wrong transforms should not be found after the first epoch

    def _leave_out_random_places(self):
        """Leave out transforms after which detections would not fit the picture, e.g. if the training data is evaluated."""
        if isinstance(self.dataset.transforms, Compose):
            self.dataset.transforms, names = in_place(self.dataset.transforms)
            if names:
                self.dataset.notes.append(f"evaluated without {' and '.join(names)}: on the whole pictures, not mirrored")

    @property
    def names(self) -> list:
        """The names of the metrics, the main one first."""
        return [name for evaluator in self.evaluators for name in evaluator.names]

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
