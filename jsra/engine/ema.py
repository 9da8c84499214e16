"""Averages of the weights over time: the averages are evaluated and saved; training continues with the weights themselves."""

from __future__ import annotations

import contextlib

import jittor as jt

from jsra.registry import ConfigError


class AveragedOptimizer:
    """An optimiser with the engine's interface that also keeps the exponential average of a model's trained weights.

        average = d * average + (1 - d) * weight after each step,  d = min(decay, (1 + n) / (10 + n)) in step n

    so that the first averages do not depend much on the initial weights. Running statistics are not averaged. Within
    `averaged()` the model has the averages: they are saved in model.safetensors of a checkpoint, and the trained weights are
    part of the optimiser's state. Sources: mmdet's ExpMomentumEMA (decay 0.9998) and TensorFlow's ExponentialMovingAverage
    (the formula of d).
    """

    def __init__(self, optimizer, model, decay: float = 0.9998):
        if not (isinstance(decay, float) and 0 < decay < 1):
            raise ConfigError(f"ema.decay: expected a number between 0 and 1, got {decay!r}")
        self.optimizer, self.decay = optimizer, decay
        self.weights = {name: p for name, p in model.named_parameters() if not p.is_stop_grad()}
        self.averages = {name: p.clone().stop_grad() for name, p in self.weights.items()}
        self._swapped = False

    def __getattr__(self, name):
        return getattr(self.optimizer, name)

    def step(self, loss):
        if self.optimizer.step(loss) is False:  # skipped because of an overflow in mixed precision
            return False
        n = self.optimizer.n_step
        # A Var, because for a Python number each new value would compile a new kernel.
        rate = jt.array([1 - min(self.decay, (1 + n) / (10 + n))]).stop_grad()
        for name, weight in self.weights.items():
            average = self.averages[name]
            average.update(average + rate * (weight.detach() - average))
        return True

    @contextlib.contextmanager
    def averaged(self):
        """Context manager: inside it the model has the averages."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self):
        for name, weight in self.weights.items():
            average = self.averages[name]
            trained = weight.detach().clone()
            weight.update(average.clone())
            average.update(trained)
        jt.sync_all()
        self._swapped = not self._swapped

    def state(self) -> dict:
        """The optimiser's state and the trained weights, as 'trained.parameter name'."""
        trained = self.averages if self._swapped else self.weights
        return {**self.optimizer.state(), **{f"trained.{name}": var for name, var in trained.items()}}

    def load_state(self, arrays: dict, n_step: int):
        """Restore a state from `state()`; the model must already have the averages of the same checkpoint."""
        trained = {name: arrays[f"trained.{name}"] for name in self.weights if f"trained.{name}" in arrays}
        if len(trained) != len(self.weights):
            raise ValueError("the checkpoint was made without ema; resume with the config that the run began with")
        self.optimizer.load_state({k: v for k, v in arrays.items() if not k.startswith("trained.")}, n_step)
        for name, weight in self.weights.items():
            self.averages[name].update(weight.detach().clone())
            weight.update(jt.array(trained[name]))
        jt.sync_all()


def enable(optimizer, model, settings):
    """The optimiser with averaging; settings: `ema` of a config, True or dict(decay=...)."""
    settings = {} if settings is True else settings
    if not isinstance(settings, dict) or set(settings) - {"decay"}:
        raise ConfigError(f"ema: expected True or dict(decay=...), got {settings!r}")
    return AveragedOptimizer(optimizer, model, **settings)


def averaged(optimizer):
    """Context manager: inside it the model has the optimiser's averages, if there are any."""
    return optimizer.averaged() if hasattr(optimizer, "averaged") else contextlib.nullcontext()
