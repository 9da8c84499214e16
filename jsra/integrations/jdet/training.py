"""Optimisers and schedules with JDet's interface, and jsra configs under JDet's Runner."""

from __future__ import annotations

import dataclasses
import functools

import jittor as jt
from jdet.config import get_cfg
from jdet.utils.registry import HOOKS, MODELS, OPTIMS, SCHEDULERS

from jsra.convert.names import current
from jsra.engine.groups import ParameterGroups
from jsra.engine.schedule import scaled_lr
from jsra.integrations.jdet.names import PREFIX, add, make, own
from jsra.registry import ConfigError, construct, registered


@dataclasses.dataclass
class Progress:
    """The progress of this process's run: JDet's Runner tells it to its scheduler, and training sets need it too.

    iteration: the current one, from 0 (its epoch is iteration // epoch_length); epoch_length: in iterations, 0 if unknown.
    """

    iteration: int = 0
    epoch_length: int = 0


progress = Progress()


def add_parts():
    for name, cls in registered("optimizer").items():
        adapted = type(name, (Optimizer, cls), {"__doc__": cls.__doc__})
        add(OPTIMS, name, functools.partial(_build_optimizer, adapted))
    add(MODELS, "ParameterGroups", parameter_groups)
    for name, cls in registered("scheduler").items():
        add(SCHEDULERS, name, functools.partial(Schedule, cls))
    for name, cls in registered("hook").items():
        add(HOOKS, name, cls)


def adopt(config):
    """Make JDet's Runner read a jsra config as `jsra train` does.

    Names of datasets, optimiser and schedule that jsra has get the prefix, so that jsra's parts are used even if JDet has the
    same names; parts that JDet's Runner requires (a logger, a schedule) are added. Raises ConfigError for settings that it
    does not support.
    """
    if config.get("amp"):
        raise ConfigError("amp: JDet's Runner does not support mixed precision; remove it, or train with `jsra train`")
    for settings in config["dataset"].values():
        _prefix(settings, "dataset")
    for key, default in (("optimizer", None), ("scheduler", {"type": "StepLR"}), ("parameter_groups_generator", None)):
        if config.get(key) is None:
            config[key] = default
    if config["parameter_groups_generator"] is None:
        config["parameter_groups_generator"] = {"type": "ParameterGroups"}
    _prefix(config["optimizer"], "optimizer")
    _prefix(config["parameter_groups_generator"], "parameter_groups")
    _prefix(config["scheduler"], "scheduler")
    if config.get("logger") is None:
        config["logger"] = {"type": "RunLogger"}


def _prefix(settings, kind):
    if isinstance(settings, dict) and settings.get("type") in registered(kind):
        settings["type"] = PREFIX + settings["type"]


def _build_optimizer(cls, **settings):
    config = get_cfg()
    train = (config.get("dataset") or {}).get("train") or {}
    if isinstance(settings.get("lr"), (int, float)):
        settings["lr"] = scaled_lr(settings["lr"], train.get("batch_size") or 1, config.get("scale_lr_base_batch"))
    params = settings.pop("params")
    return construct(cls, own(settings), cls.__name__, params=params)


class Optimizer:
    """The interface of an optimiser for JDet's Runner. The whole state is saved, so that a resumed run continues exactly."""

    def step(self, loss=None, retain_graph=False):
        super().step(loss, retain_graph)
        jt.sync_all()  # otherwise Jittor would execute the step during the next iteration

    def cur_lr(self):
        return self.lr

    def parameters(self):
        return {"state": {name: var.numpy() for name, var in self.state().items()}, "n_step": int(self.n_step)}

    def load_parameters(self, data):
        if isinstance(data, dict) and "state" in data:
            state = {current(name): array for name, array in data["state"].items()}
            self.load_state(state, data["n_step"])
            jt.sync_all()


def parameter_groups(model=None, named_params=None, **settings):
    """ParameterGroups as JDet's `parameter_groups_generator`."""
    return make(ParameterGroups, **settings).groups(model)


class Schedule:
    """A schedule of jsra for any optimiser. JDet's Runner calls step after an iteration, to set the rates of the next one."""

    def __init__(self, cls, optimizer, **settings):
        self.schedule = make(cls, **settings)
        self.optimizer = optimizer
        self.bases = optimizer.lr, [group.get("lr", optimizer.lr) for group in optimizer.param_groups]
        progress.iteration, progress.epoch_length = 0, 0
        self._set(0)

    def step(self, iters, epochs, by_epoch=True):
        progress.iteration = iters + 1
        self._set(epochs)

    def _set(self, epoch):
        """Set the rates for `progress.iteration`; `epoch` is used only if the length of an epoch is not known."""
        if progress.epoch_length:
            epoch = progress.iteration // progress.epoch_length
        factor = self.schedule.factor(progress.iteration, epoch)
        base, group_bases = self.bases
        self.optimizer.lr = base * factor
        for group, group_base in zip(self.optimizer.param_groups, group_bases):
            group["lr"] = group_base * factor

    def parameters(self):
        return dataclasses.asdict(progress)

    def load_parameters(self, data):
        if isinstance(data, dict) and "epoch_length" in data:
            progress.iteration, progress.epoch_length = data["iteration"], data["epoch_length"]
            self._set(progress.iteration // max(progress.epoch_length, 1))
