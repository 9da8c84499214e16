"""Trains and evaluates the rows of a table: finished runs are read, interrupted ones are continued, missing ones are trained.

A run is stored in ROOT/<config name>/seed<k>/: the checkpoints and log of the engine, settings.json (everything the result
depends on, see jsra.settings) from the beginning, and result.json when it is finished. Rows with the same config share its
runs. Results or checkpoints of other settings are never used for a run.
"""

from __future__ import annotations

import functools
import gc
import math
import os
import time

from jsra.arguments import short
from jsra.config import load_config
from jsra.data.coco_file import is_number, parse_json
from jsra.defaults import differences
from jsra.folders import exists, is_file
from jsra.output import write_json
from jsra.registry import ConfigError
from jsra.settings import fingerprint, resolved

RESULT, SETTINGS = "result.json", "settings.json"
CURE = "delete the file: the same command makes it again"
OTHER = "other settings"  # state of a run whose result or checkpoints were made with other settings
# Settings of a config that a run has of its own.
OF_RUN = {"work_dir": "ROOT/<name of the config>/seed<k>: give --root", "seed": "0 to K - 1: give --seeds K"}
TRANSFORMED = "test_"  # dataset entries with this prefix are also evaluated; their AP is the column AP_<rest>


class OtherSettings(ConfigError):
    """The files in a run's work_dir were made with other settings, or with an earlier version of the code."""


def check_root(root):
    """Raise ConfigError if the folder of the runs is no folder: otherwise each run would be 'not trained'."""
    if exists(root) and not os.path.isdir(root):
        raise ConfigError(f"--root {root} is a file: give the folder of the runs")


class Run:
    """One training of a config: its folder and its state.

    overrides: strings 'a.b=c'; they are part of the run's identity, so a result made with other overrides is refused.
    """

    def __init__(self, path, seed: int = 0, root: str = "work_dirs", overrides=()):
        self.path = os.fspath(path)
        self.seed = seed
        self.root = root
        self.config = load_config(self.path, overrides)
        for text in overrides:
            key = text.lstrip("+").partition("=")[0].strip()
            if key in OF_RUN:
                raise ConfigError(f"--set {key}: of a table's run it is {OF_RUN[key]}")
        self.work_dir = os.path.join(root, self.config["name"], f"seed{seed}")
        self.config["work_dir"] = self.work_dir
        self.config["seed"] = seed

    @functools.cached_property
    def settings(self) -> dict:
        """Everything that the result depends on, except the seed."""
        return resolved(self.config.to_dict())

    @functools.cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.settings)

    def stored(self) -> dict | None:
        """The existing result.json, whatever its settings, or None."""
        from jsra.runtime.distributed import on_main

        return on_main(lambda: _read_result(os.path.join(self.work_dir, RESULT)))

    def result(self) -> dict | None:
        """The result.json of the finished run, or None. Raises OtherSettings if it was made with other settings."""
        found = self.stored()
        if found is not None:
            self._check(found.get("settings"), found.get("seed"), "was trained")
        return found

    def check_begun(self):
        """Raise OtherSettings if the existing checkpoints, which would be continued, were made with other settings."""
        from jsra.engine.checkpoint import latest
        from jsra.runtime.distributed import on_main

        begun = on_main(lambda: latest(self.work_dir) and [read(os.path.join(self.work_dir, SETTINGS))])
        if begun:
            self._check(begun[0], self.seed, "was begun")

    def _check(self, settings, seed, verb):
        if settings == self.settings and type(seed) is int and seed == self.seed:
            return
        if settings is None:
            what = f"does not record with which settings it {verb} (by an earlier version of jsra)"
        elif settings != self.settings:
            what = f"{verb} with other settings: {differences(settings, self.settings)}"
        else:
            what = f"{verb} with seed {seed}"
        raise OtherSettings(f"{self.work_dir} {what}; delete the folder to train it again, or give another --root")

    def state(self) -> str:
        """'trained', 'at iteration n', 'other settings' or 'not trained'."""
        from jsra.engine.checkpoint import iteration_of, latest
        from jsra.runtime.distributed import on_main

        try:
            if self.result() is not None:
                return "trained"
            self.check_begun()
        except OtherSettings:
            return OTHER
        last = on_main(lambda: latest(self.work_dir))
        return f"at iteration {iteration_of(last)}" if last else "not trained"

    def complete(self, train: bool = True) -> dict | None:
        """The result, which is read, or trained and evaluated now. train=False: None if there is no result."""
        found = self.result()
        if found is None and train:
            found = self._train()
        return found

    def _train(self):
        from jsra.engine.build import build_run
        from jsra.engine.train import train
        from jsra.runtime.device import use_best_device
        from jsra.runtime.distributed import on_main

        use_best_device()
        self.check_begun()
        began = time.monotonic()
        evaluators = self._transformed_evaluators()
        training = build_run(self.config, resume="auto", seed=self.seed)
        first = training.iteration
        try:
            on_main(self._note_settings)
            metrics = train(training)
            trained = time.monotonic()
            if not metrics:  # the process was killed between the last iteration and result.json
                metrics = training.evaluated()
            measured = self._evaluate(training, metrics, evaluators)
            seconds = {
                "train": round(trained - began, 1),
                "evaluate": round(time.monotonic() - trained, 1),
                "from_iteration": first,
            }
            result = self._write(measured, training, seconds)
        finally:
            training.close()
        del training
        gc.collect()
        return result

    def _note_settings(self):
        write_json(os.path.join(self.work_dir, SETTINGS), self.settings)

    def _transformed_evaluators(self) -> dict:
        """{name of a transformation: Evaluator}, made before the training to report errors in their data early."""
        from jsra.evaluation.evaluator import Evaluator

        splits = self.config["dataset"]
        chosen = [s for s in splits if s.startswith(TRANSFORMED) and splits[s] != splits.get("val")]
        return {s[len(TRANSFORMED) :]: Evaluator(self.config, s, work_dir=None) for s in chosen}

    def _evaluate(self, training, metrics, transformed):
        """{column: value in percent}; metrics: those of dataset.val at the end of training."""
        columns = {}
        for evaluator in training.evaluate.evaluators if training.evaluate else ():
            names = evaluator.columns.items()
            columns.update({column: _percent(metrics[name]) for column, name in names if name in metrics})
        for name, evaluator in transformed.items():
            columns[f"AP_{name}"] = _percent(training.evaluated(evaluator)[evaluator.names[0]])
        changed = [v for c, v in columns.items() if c.startswith("AP_")]
        if changed and None not in changed:
            columns["AP_transformed"] = sum(changed) / len(changed)
        return columns

    def _write(self, measured, training, seconds):
        from jsra.engine.provenance import provenance
        from jsra.runtime.distributed import on_main

        result = {
            "measured": measured, "seed": self.seed, "fingerprint": self.fingerprint, "settings": self.settings,
            "seconds": seconds,
            "iterations": training.iteration, "checkpoint": os.path.basename(training.last_saved or ""),
            "date": time.strftime("%Y-%m-%d"), **provenance(),
        }  # fmt: skip
        on_main(lambda: write_json(os.path.join(self.work_dir, RESULT), result))
        return result

    def model(self):
        """The trained model, in evaluation mode; FileNotFoundError if there is no checkpoint."""
        from jsra.engine.checkpoint import latest
        from jsra.inference import load_model

        last = latest(self.work_dir)
        if last is None:
            raise FileNotFoundError(f"{self.work_dir} has no checkpoint: train it first (jsra table)")
        return load_model(self.config, last)


def _percent(value):
    """A fraction in percent. None for nan or None (nan in JSON), which means that no such objects occur."""
    return None if value is None or math.isnan(value) else round(100 * float(value), 3)


def read(path) -> dict | None:
    """The dictionary in a JSON file of a run, or None if there is none. Raises DataError or ConfigError if it is damaged."""
    if not is_file(path):
        return None
    found = parse_json(path)
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a dictionary, got {short(found)}; {CURE}")
    return found


def _read_result(path):
    """Like `read`, for a result.json; raises ConfigError unless its measured values are numbers or None."""
    found = read(path)
    measured = {} if found is None else found.get("measured")
    if not isinstance(measured, dict):
        raise ConfigError(f"{path}: 'measured' is {short(measured)}, no dictionary; {CURE}")
    for column, value in measured.items():
        if value is not None and not (is_number(value) and math.isfinite(value)):
            raise ConfigError(f"{path}: {column} is {short(value)}, no number; {CURE}")
    return found


def runs(row, preset: str = "paper", seeds: int = 1, root: str = "work_dirs", overrides=()) -> list:
    """The runs of a row; [] if it has no config in this preset."""
    path = row.config(preset)
    return [] if path is None else [Run(path, seed, root, overrides) for seed in range(seeds)]
