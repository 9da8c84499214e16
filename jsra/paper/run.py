"""Training and evaluating the rows of a table: what is there is read, what was cut off goes on, the rest is trained.

A run of a row lies in ROOT/<config name>/seed<k>/: the engine's checkpoints and log, and result.json when it is finished.
Rows that share a config share its runs.
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
import os
import time

from jsra.config import load_config
from jsra.registry import ConfigError

RESULT = "result.json"
# What the columns of the papers are called in the evaluation's metrics.
METRICS = {"AP": "mAP", "AP50": "mAP_50", "AP75": "mAP_75", "APS": "mAP_s", "APM": "mAP_m", "APL": "mAP_l"}
TRANSFORMED = "test_"  # dataset entries of this prefix are evaluated too; their AP is the column AP_<rest>


class Run:
    """One training of a config: where it lies and how far it is.

    overrides: strings 'a.b=c'; they become part of the run's identity, so that a result made with others is refused.
    """

    def __init__(self, path, seed: int = 0, root: str = "work_dirs", overrides=()):
        self.path = os.fspath(path)
        self.seed = seed
        self.root = root
        self.config = load_config(self.path, overrides)
        self.work_dir = os.path.join(root, self.config["name"], f"seed{seed}")
        self.config["work_dir"] = self.work_dir
        self.config["seed"] = seed

    @property
    def fingerprint(self) -> str:
        """Of everything in the config that a result depends on; places and intervals of output are left out."""
        kept = ("model", "dataset", "optimizer", "scheduler", "max_epoch", "max_iter", "pretrained_weights",
                "parameter_groups_generator", "scale_lr_base_batch")  # fmt: skip
        plain = {key: value for key, value in self.config.to_dict().items() if key in kept}
        text = json.dumps(_without(plain, "num_workers"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def result(self) -> dict | None:
        """The finished run's result.json, or None. Raises ConfigError if the config has changed since."""
        from jsra.runtime.distributed import on_main

        found = on_main(self._read)
        if found is None:
            return None
        path = os.path.join(self.work_dir, RESULT)
        if found["fingerprint"] != self.fingerprint:
            raise ConfigError(f"{path} was made with another config: delete {self.work_dir} to train it again")
        return found

    def _read(self):
        path = os.path.join(self.work_dir, RESULT)
        if not os.path.isfile(path):
            return None
        with open(path, encoding="utf8") as f:
            return json.load(f)

    def state(self) -> str:
        """'trained', 'at iteration n', 'changed' or 'not trained'."""
        from jsra.engine.checkpoint import latest
        from jsra.runtime.distributed import on_main

        try:
            if self.result() is not None:
                return "trained"
        except ConfigError:
            return "changed"
        last = on_main(lambda: latest(self.work_dir))
        return f"at iteration {int(os.path.basename(last)[5:])}" if last else "not trained"

    def complete(self, train: bool = True) -> dict | None:
        """The result: read, or trained and evaluated now. train=False: None if it is not there."""
        found = self.result()
        if found is None and train:
            found = self._train()
        return found

    def _train(self):
        from jsra.engine.run import build_run
        from jsra.engine.train import train
        from jsra.runtime.device import use_best_device

        use_best_device()
        began = time.time()
        training = build_run(self.config, resume="auto", seed=self.seed)
        first = training.iteration
        try:
            metrics = train(training)
        finally:
            training.close()
        trained = time.time()
        if not metrics:  # killed between the last iteration and result.json
            metrics = training.evaluate(training.model)
        measured = self._evaluate(training.model, metrics)
        seconds = {
            "train": round(trained - began, 1),
            "evaluate": round(time.time() - trained, 1),
            "from_iteration": first,
        }
        result = self._write(measured, training, seconds)
        del training
        gc.collect()
        return result

    def _evaluate(self, model, metrics):
        """{column: value in percent}; `metrics` are those of dataset.val, made at the end of training."""
        from jsra.evaluation.evaluator import Evaluator

        columns = {}
        for prefix, kind in (("", "bbox"), ("mask_", "segm")):
            found = {c: metrics.get(f"{kind}_{m}") for c, m in METRICS.items()}
            columns.update({f"{prefix}{c}": _percent(v) for c, v in found.items() if v is not None})
        if "voc_AP50" in metrics:
            columns["voc_AP50"] = _percent(metrics["voc_AP50"])
        val = self.config["dataset"].get("val")
        for split, settings in self.config["dataset"].items():
            if split.startswith(TRANSFORMED) and settings != val:
                found = Evaluator(self.config, split, work_dir=None)(model)
                columns[f"AP_{split[len(TRANSFORMED) :]}"] = _percent(found["bbox_mAP"])
        changed = [v for c, v in columns.items() if c.startswith("AP_")]
        if changed and None not in changed:
            columns["AP_transformed"] = sum(changed) / len(changed)
        return columns

    def _write(self, measured, training, seconds):
        from jsra.engine.provenance import provenance
        from jsra.runtime.distributed import on_main

        result = {
            "measured": measured, "seed": self.seed, "fingerprint": self.fingerprint, "seconds": seconds,
            "iterations": training.iteration, "checkpoint": os.path.basename(training.last_saved or ""),
            "date": time.strftime("%Y-%m-%d"), **provenance(),
        }  # fmt: skip
        on_main(lambda: self._store(result))
        return result

    def _store(self, result):
        path = os.path.join(self.work_dir, RESULT)
        with open(f"{path}.unfinished", "w", encoding="utf8") as f:
            json.dump(result, f, indent=1)
        os.replace(f"{path}.unfinished", path)

    def model(self):
        """The trained model, in evaluation mode; FileNotFoundError if there is no checkpoint."""
        from jsra.engine.checkpoint import latest
        from jsra.inference import load_model

        last = latest(self.work_dir)
        if last is None:
            raise FileNotFoundError(f"{self.work_dir} holds no checkpoint: train it first (jsra table)")
        return load_model(self.config, last)


def _percent(value):
    """Of a share; None for nan, which a column of objects that do not occur has (JSON knows no nan)."""
    return None if math.isnan(value) else round(100 * float(value), 3)


def _without(value, key):
    if isinstance(value, dict):
        return {k: _without(v, key) for k, v in value.items() if k != key}
    if isinstance(value, list):
        return [_without(v, key) for v in value]
    return value


def runs(row, preset: str = "paper", seeds: int = 1, root: str = "work_dirs", overrides=()) -> list:
    """The runs of a row; [] if it has no config in this preset."""
    path = row.config(preset)
    return [] if path is None else [Run(path, seed, root, overrides) for seed in range(seeds)]
