"""The state of a training run, and the actions at its intervals: saving, evaluating, resuming."""
from __future__ import annotations

import dataclasses
import math
import numbers
import sys

from jsra.defaults import OUTPUT, differences, plain, without_helpers
from jsra.engine import checkpoint, ema
from jsra.engine.log import Log
from jsra.engine.provenance import provenance
from jsra.registry import ConfigError, nearest
from jsra.runtime.distributed import is_main, on_main, world_size


@dataclasses.dataclass
class Run:
    """The state of a run.

    model(images, targets) -> losses in training; `loader`: see `rest_of_epoch`; evaluate(model) -> {metric: value}, or
    None; `total`: number of iterations; intervals in iterations, 0 = only at the end; `score`: the metric that decides which
    checkpoint is the best.
    """

    model: object
    optimizer: object
    scheduler: object
    loader: object
    total: int
    work_dir: str
    seed: int = 0
    batch_size: int = 1
    classes: tuple = ()
    config: dict = dataclasses.field(default_factory=dict)
    data: dict = dataclasses.field(default_factory=dict)  # jsra.agreement.summary of the training data
    evaluate: object = None
    eval_interval: int = 0
    checkpoint_interval: int = 0
    keep: int = 3
    score: str | None = None
    log_interval: int = 20
    iteration: int = 0
    metrics: dict = dataclasses.field(default_factory=dict)
    last_saved: str | None = None
    log: object = None
    lock: object = None
    closed: bool = False

    def __post_init__(self):
        self.main = is_main()
        self.epoch_length = len(self.loader)

    @property
    def epoch(self) -> float:
        """Finished epochs, plus the fraction of the current one."""
        return self.iteration / self.epoch_length

    def rest_of_epoch(self):
        """The batches of the current epoch that have not been trained on.

        The loader has len() and epoch(number, start): order and augmentation are a function of (its seed, number), and the
        first `start` batches are left out without being read.
        """
        return self.loader.epoch(self.iteration // self.epoch_length, start=self.iteration % self.epoch_length)

    def due(self) -> bool:
        """Whether something must be done after the last iteration (save, evaluate)."""
        return self._at(self.eval_interval) or self._at(self.checkpoint_interval)

    def _at(self, interval):
        return self.iteration == self.total or (interval > 0 and self.iteration % interval == 0)

    def save_and_evaluate(self, signals):
        """Save, then evaluate if it is due: if the evaluation is stopped or fails, nothing is lost."""
        self.save()
        if self.evaluate is not None and self._at(self.eval_interval):
            with signals.leaving_at_once(self.last_saved):
                self.metrics = self.evaluated()
            self.log.metrics(self.iteration, self.metrics)
            found = ((name, _number(value)) for name, value in self.metrics.items())
            shown = "  ".join(f"{name} {value:.4f}" for name, value in found if isinstance(value, float))
            self.log.info(f"{self.iteration}/{self.total}  {shown}")
            score = self._score(self.metrics)
            on_main(lambda: checkpoint.update_state(self.last_saved, metrics=self.metrics, score=score))
        on_main(lambda: checkpoint.prune(self.work_dir, self.keep, self._main_metric()))

    def evaluated(self, evaluate=None) -> dict:
        """The metrics of the model as it is saved (with ema: of the averaged weights). evaluate: default: the run's own."""
        with ema.averaged(self.optimizer):
            metrics = (evaluate or self.evaluate)(self.model)
        if not isinstance(metrics, dict) or not metrics:
            raise ConfigError(f"evaluate of a run: expected a dictionary {{name: number}}, got {metrics!r}")
        return metrics

    def check_open(self):
        """Open the log again if an earlier `train` of this run has ended. Raises ConfigError if the run was closed."""
        if self.closed:
            raise ConfigError("this run was closed (Run.close): build it again, with resume='auto'")
        if self.log is None or self.log.closed:
            self.start_log()

    def check_alone(self):
        """Raise ConfigError if another run has saved to the work_dir since this one was built: a script may build several
        before it trains them."""
        newest = on_main(lambda: checkpoint.latest(self.work_dir))
        if newest and checkpoint.iteration_of(newest) > self.iteration:
            raise ConfigError(
                f"{newest} was saved by another run after this one was built: give each run its own work_dir, or build it "
                "after the other one has ended (resume='auto' continues it)"
            )

    def run_pending(self, signals):
        """Evaluate a resumed checkpoint if its evaluation was stopped."""
        if self.evaluate is not None and self.iteration and not self.metrics and self._at(self.eval_interval):
            self.save_and_evaluate(signals)

    def _main_metric(self):
        """The name of the metric that decides which checkpoint is the best; None if nothing was evaluated."""
        return self.score or next(iter(self.metrics), None)

    def _score(self, metrics):
        key = self._main_metric()
        if key not in metrics:
            raise ConfigError(f"best_metric: the evaluation gives no {key!r}{nearest(key, metrics)}")
        score = _number(metrics[key])
        if not isinstance(score, numbers.Real):
            raise ConfigError(f"best_metric: the evaluation gives {metrics[key]!r} as {key!r}; expected a number")
        return float(score) if math.isfinite(score) else None

    def save(self) -> str:
        """Write a checkpoint now (in process 0), unless that of this iteration is there already, perhaps with its metrics;
        returns its path in all processes, after it has been written."""
        state = {
            "iteration": self.iteration,
            "epoch": self.epoch,
            "seed": self.seed,
            "epoch_length": self.epoch_length,
            "batch_size": self.batch_size,
            "lr": self.optimizer.lr,
            "score": None,
            "metrics": {},
            "classes": list(self.classes),
            "config": self.config,
            "data": self.data,
            **provenance(),
        }

        def write():
            if self.lock is not None:
                self.lock.check()
            if self.last_saved == checkpoint.path_of(self.work_dir, self.iteration) and checkpoint.complete(self.last_saved):
                return self.last_saved
            return checkpoint.save(self.work_dir, self.model, self.optimizer, state)

        with ema.averaged(self.optimizer):
            self.last_saved = on_main(write)
        return self.last_saved

    def resume(self, path: str):
        """Continue from a checkpoint. Raises ConfigError if its number of iterations does not fit this run."""
        state = checkpoint.restore(path, self.model, self.optimizer)
        checkpoint.check_numbers(state, ("seed", "batch_size", "epoch_length"), path)
        for key in ("batch_size", "epoch_length"):
            if state[key] != getattr(self, key):
                raise ConfigError(
                    f"{path} was made with {key} {state[key]}, this run has {getattr(self, key)}: its iterations are not "
                    "this run's. Resume it with the batch size and the data that it was made with, or start a new run from "
                    "its weights (pretrained_weights) in another work_dir"
                )
        if state["seed"] != self.seed and self.main:
            print(
                f"warning: {path} was made with seed {state['seed']}, this run has {self.seed}: it continues, but not like "
                "an uninterrupted run",
                file=sys.stderr,
            )
        config = state["config"] if isinstance(state.get("config"), dict) else {}
        pretrained = self.config.get("pretrained_weights")
        if pretrained and plain(pretrained) != plain(config.get("pretrained_weights")) and self.main:
            print(
                f"warning: pretrained_weights ({pretrained}) are not loaded: a resumed run has the weights of its "
                "checkpoint. To begin with them, start a new run in another work_dir",
                file=sys.stderr,
            )
        changed = differences(_settings(config), _settings(self.config))
        if changed and self.main:
            print(f"warning: {path} was made with other settings: {changed}; this run uses the new ones", file=sys.stderr)
        processes = state.get("processes", world_size())
        if processes != world_size() and self.main:
            print(
                f"warning: {path} was made with {processes} processes, this run has {world_size()}: it continues, but not "
                "like an uninterrupted run",
                file=sys.stderr,
            )
        changed = differences(state["data"], self.data) if isinstance(state.get("data"), dict) else ""
        if changed and self.main:
            print(f"warning: {path} was made with other training data: {changed}", file=sys.stderr)
        self.iteration, self.metrics, self.last_saved = state["iteration"], state.get("metrics") or {}, path

    def close(self):
        """Stop the loader's workers, close the log and release the work_dir."""
        self.closed = True
        close = getattr(self.loader, "close", None)
        if close is not None:
            close()
        if self.log is not None:
            self.log.close()
        if self.lock is not None:
            self.lock.release()

    def start_log(self):
        """Open the log and record the start or resume of the run."""
        self.log = Log(self.work_dir, self.total, self.iteration, self.log_interval, active=self.main)
        about = dict(config=self.config, seed=self.seed, batch_size=self.batch_size, **provenance())
        self.log.record("run", iteration=self.iteration, total=self.total, **about)


def _number(value):
    """The number in an array or a Var of one, such as a mean; anything else unchanged."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _settings(config) -> dict:
    """The settings of a run's config that can change its result when it is resumed, except its length, as JSON data."""
    unimportant = (*OUTPUT, "max_epoch", "max_iter", "pretrained_weights")
    return plain({key: value for key, value in without_helpers(config).items() if key not in unimportant})
