"""Loads the pretrained weights of a run, and says what of them fits, and what differs from the run."""

from __future__ import annotations

import re

from jsra.backbones.norm import BatchNorm2d
from jsra.convert.load import load_weights
from jsra.convert.origin import colour_notes
from jsra.data.classes import equal_names, listed
from jsra.data.paths import data_path
from jsra.engine import checkpoint
from jsra.registry import ConfigError
from jsra.runtime.distributed import on_main

_OF_CLASSES = re.compile(r"(^|\.)head\.(cls|logits)\.weight$")  # layers with rows for each class


def load_pretrained(model, config, classes) -> str | None:
    """Load `pretrained_weights` of a config (in process 0); lines for the log, or None if there is nothing to say.

    classes: those of the training data. Raises ConfigError, FileNotFoundError, WeightsError.
    """
    if not config.get("pretrained_weights"):
        return random_frozen(model, ()) or None
    files = [data_path(file) for file in _files(config["pretrained_weights"])]
    files = on_main(lambda: [checkpoint.weights_file(file) for file in files])  # also of a checkpoint folder or work_dir
    transforms = config["dataset"]["train"].get("transforms")
    return on_main(lambda: _load_all(model, files, classes, transforms))


def _files(given) -> list:
    files = [given] if isinstance(given, str) else given
    if not isinstance(files, (list, tuple)) or not all(isinstance(file, str) for file in files):
        raise ConfigError(f"pretrained_weights: expected a file or a list of files, got {given!r}")
    return list(files)


def _load_all(model, files, classes, transforms) -> str:
    reports = [load_weights(model, file) for file in files]
    lines = [_about(file, report, classes, transforms) for file, report in zip(files, reports)]
    frozen = random_frozen(model, {name for report in reports for name in report.matched})
    return "\n".join([*lines, frozen] if frozen else lines)


def random_frozen(model, loaded) -> str:
    """A line about layers that are not trained and whose names are not in `loaded`; "" if there are none."""
    frozen = [name for name, parameter in model.named_parameters() if parameter.is_stop_grad() and name not in loaded]
    layers = [name for name in frozen if name.endswith(("weight", "bias"))]
    norms = [n for n, m in model.named_modules() if isinstance(m, BatchNorm2d) and m.frozen]
    norms = [name for name in norms if f"{name}.running_mean" not in loaded]
    found = []
    if layers:
        found.append(f"{len(layers)} weights are frozen and keep their random values ({layers[0]}, ...)")
    if norms:
        found.append(f"{len(norms)} norms are frozen and keep the mean 0 and the variance 1 ({norms[0]}, ...)")
    if not found:
        return ""
    return (
        f"warning: {'; '.join(found)}, because no pretrained weights of them were loaded: set pretrained_weights, or train "
        "them (frozen_stages=-1 and norm_eval=False of the backbone)"
    )


def _about(file, report, classes, transforms) -> str:
    lines = [f"{file}: {report}".replace("\n", "; ")]
    theirs = checkpoint.classes_of(file)
    if theirs and not equal_names(theirs, classes) and any(_OF_CLASSES.search(name) for name in report.matched):
        lines.append(
            f"warning: the classes of {file} are {listed(theirs)}, those of dataset.train {listed(classes)}: the layers with "
            "rows for each class begin with the rows of other classes, by position"
        )
    return "\n".join([*lines, *colour_notes(file, transforms, "dataset.train.transforms")])
