"""Loads the pretrained weights of a run, and says what of them fits, and what differs from the run."""

from __future__ import annotations

import re

from jsra.convert.load import load_weights
from jsra.convert.origin import colour_notes
from jsra.data.classes import equal_names, listed
from jsra.data.paths import data_path
from jsra.engine import checkpoint
from jsra.registry import ConfigError
from jsra.runtime.distributed import on_main

_OF_CLASSES = re.compile(r"(^|\.)head\.(cls|logits)\.weight$")  # layers with rows for each class


def load_pretrained(model, config, classes) -> str | None:
    """Load `pretrained_weights` of a config (in process 0); lines for the log, or None if the config has none.

    classes: those of the training data. Raises ConfigError, FileNotFoundError, WeightsError.
    """
    if not config.get("pretrained_weights"):
        return None
    files = [data_path(file) for file in _files(config["pretrained_weights"])]
    files = on_main(lambda: [checkpoint.weights_file(file) for file in files])  # also of a checkpoint folder or work_dir
    transforms = config["dataset"]["train"].get("transforms")
    return on_main(lambda: "\n".join(_load(model, file, classes, transforms) for file in files))


def _files(given) -> list:
    files = [given] if isinstance(given, str) else given
    if not isinstance(files, (list, tuple)) or not all(isinstance(file, str) for file in files):
        raise ConfigError(f"pretrained_weights: expected a file or a list of files, got {given!r}")
    return list(files)


def _load(model, file, classes, transforms) -> str:
    report = load_weights(model, file)
    lines = [f"{file}: {report}".replace("\n", "; ")]
    theirs = checkpoint.classes_of(file)
    if theirs and not equal_names(theirs, classes) and any(_OF_CLASSES.search(name) for name in report.matched):
        lines.append(
            f"warning: the classes of {file} are {listed(theirs)}, those of dataset.train {listed(classes)}: the layers with "
            "rows for each class begin with the rows of other classes, by position"
        )
    return "\n".join([*lines, *colour_notes(file, transforms, "dataset.train.transforms")])
