"""Learning-rate schedules: pure functions of the iteration and the epoch, so that checkpoints need no state of them.

A schedule gives a factor; before each iteration the engine sets the rate of each parameter group to base rate x the group's
multiplier x factor. Names and arguments of the schedules are JDet's.
"""
from __future__ import annotations

import math
import numbers

from jsra.registry import ConfigError, register


@register("scheduler")
class StepLR:
    """Linear (or constant, exponential) warm-up, then x gamma at each milestone.

    Args:
        milestones: the epochs (iterations if not by_epoch) at which the rate is multiplied by `gamma`.
        warmup: 'linear', 'constant', 'exp' or None.
        warmup_iters: iterations until the full rate; warmup_ratio: the factor at iteration 0.
        min_lr_ratio: the factor never falls below this after warm-up.
    The recipe of 1x: StepLR(milestones=[8, 11], warmup='linear', warmup_iters=500, warmup_ratio=0.001) over 12 epochs.
    """

    def __init__(
        self,
        milestones: tuple[int, ...] = (),
        gamma: float = 0.1,
        warmup: str | None = None,
        warmup_iters: int = 500,
        warmup_ratio: float = 1.0 / 3,
        by_epoch: bool = True,
        min_lr_ratio: float = 0.0,
    ):
        if warmup not in (None, "linear", "constant", "exp"):
            raise ConfigError(f"StepLR: warmup is {warmup!r}; it can be 'linear', 'constant', 'exp' or None")
        if any(m <= 0 for m in milestones) or list(milestones) != sorted(milestones):
            raise ConfigError(f"StepLR: milestones must be positive and ascending, they are {list(milestones)}")
        if warmup and (warmup_iters <= 0 or not 0 < warmup_ratio <= 1):
            raise ConfigError(
                f"StepLR: warm-up needs warmup_iters > 0 and 0 < warmup_ratio <= 1, got {warmup_iters} and {warmup_ratio}"
            )
        if not 0 < gamma < math.inf or not 0 <= min_lr_ratio <= 1:
            raise ConfigError(
                f"StepLR: gamma must be above 0 and finite, min_lr_ratio from 0 to 1, they are {gamma!r} and {min_lr_ratio!r}"
            )
        self.milestones, self.gamma, self.by_epoch, self.min_lr_ratio = tuple(milestones), gamma, by_epoch, min_lr_ratio
        self.warmup, self.warmup_iters, self.warmup_ratio = warmup, warmup_iters, warmup_ratio

    def factor(self, iteration: int, epoch: int) -> float:
        """The factor of every base rate in `iteration` of `epoch`, both counted from 0."""
        position = epoch if self.by_epoch else iteration
        steps = sum(position >= m for m in self.milestones)
        return max(self.gamma**steps, self.min_lr_ratio) * self._warmup_factor(iteration)

    def notes(self, total: int, epoch_length: int) -> list:
        """Lines for the log about settings without an effect in a run of `total` iterations."""
        found, last = [], (total - 1) // epoch_length if self.by_epoch else total - 1
        late = [m for m in self.milestones if m > last]
        if late:
            unit = "epochs" if self.by_epoch else "iterations"
            found.append(
                f"warning: scheduler.milestones {late} ({unit}) are not reached: the run ends before, and the learning rate "
                "is not lowered there"
            )
        if self.warmup is not None and total <= self.warmup_iters:
            found.append(
                f"warning: the warm-up takes {self.warmup_iters} iterations (scheduler.warmup_iters), the run has {total}: "
                "the full learning rate is never reached"
            )
        return found

    def _warmup_factor(self, iteration):
        if self.warmup is None or iteration >= self.warmup_iters:
            return 1.0
        done = iteration / self.warmup_iters
        if self.warmup == "constant":
            return self.warmup_ratio
        if self.warmup == "exp":
            return self.warmup_ratio ** (1 - done)
        return 1 - (1 - done) * (1 - self.warmup_ratio)


def rate_factor(scheduler, iteration: int, epoch: int) -> float:
    """The factor of a schedule. Raises ConfigError for one that is no number of at least 0, as a user's schedule may give
    after its end."""
    factor = scheduler.factor(iteration, epoch)
    if not isinstance(factor, numbers.Real) or not 0 <= factor < math.inf:
        raise ConfigError(
            f"scheduler: {type(scheduler).__name__}.factor({iteration}, {epoch}) gives {factor!r}; the factor of the "
            "learning rate must be a number of at least 0"
        )
    return float(factor)


def scaled_lr(lr: float, batch_size: int, base_batch: int | None) -> float:
    """The base rate for this batch size: `lr` is for `base_batch` images (None: `lr` is not changed)."""
    return lr if base_batch is None else lr * batch_size / base_batch
