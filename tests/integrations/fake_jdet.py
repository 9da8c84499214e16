"""A replacement for JDet: registries with some of its names, a config, and the calls of its Runner, in the same order."""

from __future__ import annotations

import types

TAKEN = {
    "DATASETS": ["COCODataset"],
    "OPTIMS": ["SGD"],
    "SCHEDULERS": ["StepLR"],
    "ROI_EXTRACTORS": ["SingleRoIExtractor"],
}
OTHERS = ("TRANSFORMS", "MODELS", "BACKBONES", "HEADS", "LOSSES", "NECKS", "HOOKS")


class Registry:
    def __init__(self, *names):
        self._modules = {name: f"JDet's own {name}" for name in names}

    def register_module(self, name, module):
        assert name not in self._modules, f"{name} stands there already"
        self._modules[name] = module

    def build(self, settings, **more):
        settings = {**settings, **more}
        return self._modules[settings.pop("type")](**settings)


class Logger:
    def __init__(self, work_dir):
        self.records = []

    def print_log(self, text):
        pass

    def log(self, values):
        self.records.append(values)


def modules() -> tuple:
    """({name: module} for sys.modules, the registries, the config dictionary)."""
    registries = types.SimpleNamespace(**{kind: Registry(*names) for kind, names in TAKEN.items()})
    for kind in OTHERS:
        setattr(registries, kind, Registry())
    registries.HOOKS.register_module("RunLogger", Logger)
    config = {}
    named = {name: types.ModuleType(name) for name in ("jdet", "jdet.config", "jdet.utils", "jdet.utils.registry")}
    named["jdet.config"].get_cfg = lambda: config
    for kind in (*TAKEN, *OTHERS):
        setattr(named["jdet.utils.registry"], kind, getattr(registries, kind))
    return named, registries, config


class Runner:
    """Builds, trains, saves and evaluates as JDet's does."""

    def __init__(self, registries, config, checkpoint=None):
        self.config = config
        self.model = registries.MODELS.build(config["model"])
        params = self.model.parameters()
        if config.get("parameter_groups_generator"):
            named = self.model.named_parameters()
            params = registries.MODELS.build(config["parameter_groups_generator"], named_params=named, model=self.model)
        self.optimizer = registries.OPTIMS.build(config["optimizer"], params=params)
        self.scheduler = registries.SCHEDULERS.build(config["scheduler"], optimizer=self.optimizer)
        self.train_dataset = registries.DATASETS.build(config["dataset"]["train"], drop_last=False)
        self.val_dataset = registries.DATASETS.build(config["dataset"]["val"])
        self.logger = registries.HOOKS.build(config["logger"], work_dir=config["work_dir"])
        self.iter, self.epoch = 0, 0
        self.total = config["max_epoch"] * len(self.train_dataset)
        self.losses = []
        if checkpoint:
            self.iter, self.epoch = checkpoint["iter"], checkpoint["epoch"]
            self.scheduler.load_parameters(checkpoint["scheduler"])
            self.optimizer.load_parameters(checkpoint["optimizer"])
            self.model.load_parameters(checkpoint["model"])

    def run(self, epochs=None):
        for _ in range(epochs or self.config["max_epoch"]):
            self.model.train()
            for images, targets in self.train_dataset:
                losses = self.model(images, targets)
                total = sum(value.mean() for value in losses.values())
                self.optimizer.step(total)
                self.scheduler.step(self.iter, self.epoch, by_epoch=True)
                self.losses.append(float(total.numpy().sum()))
                self.iter += 1
            self.epoch += 1

    def val(self):
        self.model.eval()
        pairs = []
        for images, targets in self.val_dataset:
            pairs.extend(zip(_sync(self.model(images, targets)), _sync(targets)))
        return self.val_dataset.evaluate(pairs, self.config["work_dir"], self.epoch, logger=self.logger)

    def checkpoint(self):
        return {
            "iter": self.iter, "epoch": self.epoch, "scheduler": self.scheduler.parameters(),
            "optimizer": self.optimizer.parameters(), "model": self.model.state_dict(),
        }  # fmt: skip


def _sync(value):
    """What JDet's sync admits."""
    if isinstance(value, (list, tuple)):
        return [_sync(item) for item in value]
    if isinstance(value, dict):
        return {key: _sync(item) for key, item in value.items()}
    assert type(value) in (int, float, str, bool) or hasattr(value, "shape"), f"{type(value)} is not supported"
    return value
