"""Evaluators compute metrics from the results of a model on a dataset. A config chooses them by its key `evaluator`:

    evaluator = [dict(type="COCOBoxAP"), dict(type="COCOMaskAP")]      # one or several; each is one file of this package

Without that key, the dataset's type decides (`default_evaluator`).
"""

from __future__ import annotations

from collections import Counter

from jsra.registry import ConfigError, build, get


class Metrics(dict):
    """{name: float}, e.g. bbox_mAP, voc_AP50; `per_class` {metric: {class: value}}; `table`: text."""

    def __init__(self, *args, per_class=None, table=""):
        super().__init__(*args)
        self.per_class = {} if per_class is None else per_class
        self.table = table


class DatasetEvaluator:
    """Base class of evaluators. A subclass is registered as an 'evaluator' and defines evaluate(), `key`, `names`, `columns`.

    key: part of the name of its submission file. names: the names of its metrics, the main one first. columns: {column of the
    papers' tables: name of a metric}; AP is the column of the main result.
    """

    key = ""
    names = ()
    columns = {}

    def check(self, dataset):
        """Raise ConfigError if the dataset lacks something that this evaluator needs; called before the model runs."""

    def check_model(self, model):
        """Raise ConfigError if the model does not predict what this evaluator needs; called before it runs."""

    def submission(self, dataset, results):
        """The content of the result file for an evaluation server (a JSON value), or None if there is no such file."""
        return None

    def evaluate(self, dataset, results, submission) -> Metrics:
        """The metrics of all results at once.

        results: {img_id: {img_id, boxes xyxy [n, 4] in pixels of the original image, scores [n], labels [n] (1-based), masks
        (RLE)}} in the dataset's order; images without an entry were not evaluated. submission: what `submission` returned.
        """
        raise NotImplementedError


def evaluator_settings(config, split: str) -> list:
    """The list of evaluator configs for the entry `split` of config.dataset."""
    settings = config.get("evaluator")
    if settings is None:
        entry = config["dataset"].get(split)
        settings = default_evaluators(entry["type"], f"dataset.{split}") if entry else []
    if not isinstance(settings, (dict, list, tuple)):
        raise ConfigError(f"evaluator: expected a list of evaluators, [dict(type=...)], got {settings!r}")
    return [settings] if isinstance(settings, dict) else list(settings)


def default_evaluators(dataset_type: str, path: str = "dataset") -> list:
    """The evaluator configs of a dataset type, for configs without the key `evaluator`."""
    return [{"type": get(dataset_type, path).default_evaluator}]


def build_evaluators(settings) -> list:
    """Build the evaluators of a list of configs. Raises ConfigError if one is not an evaluator, or if two of them have a
    metric of the same name."""
    if not settings:
        raise ConfigError("evaluator: the list is empty; add an evaluator, or remove evaluator to use the default")
    evaluators = [build(item, f"evaluator[{i}]", "evaluator") for i, item in enumerate(settings)]
    for evaluator in evaluators:
        if isinstance(evaluator.names, str) or not evaluator.names:
            who = type(evaluator).__name__
            raise ConfigError(f"{who}: names must be a tuple of the metrics' names, not {evaluator.names!r}")
    counts = Counter(name for evaluator in evaluators for name in evaluator.names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ConfigError(f"evaluator: two evaluators give the metric {twice[0]!r}; keep one")
    return evaluators
