"""The training loop.

One iteration: get images and targets -> set the learning rate -> losses -> one optimiser step -> check and log. All random
numbers of an iteration depend only on (seed, iteration), all rates only on the iteration, so a resumed run gives the same
bits as an uninterrupted one.
"""
from __future__ import annotations

import math
import signal
import time

import jittor as jt
import numpy as np

from jsra.detectors.detector import model_input
from jsra.detectors.fit import within
from jsra.detectors.results import check_losses
from jsra.engine.groups import trainable
from jsra.engine.interrupt import Interrupted, Interruptions
from jsra.engine.log import is_loss
from jsra.engine.schedule import rate_factor
from jsra.registry import ConfigError
from jsra.runtime.after_jittor import end_compilers
from jsra.runtime.distributed import all_reduce, rank, world_size
from jsra.runtime.seed import set_seed


class NonFiniteLoss(RuntimeError):
    """A loss became NaN or infinite; the message has the losses, the images, a hint and the last good checkpoint."""


def train(run) -> dict:
    """Run the remaining iterations of `run` (jsra.engine.run.Run); returns the last metrics.

    Raises NonFiniteLoss, and Interrupted (after saving) on SIGTERM or SIGINT.
    """
    run.check_open()
    run.check_alone()
    end_compilers()  # if Jittor was imported before jsra
    followed = False  # whether the gradients of the first iteration were checked
    with Interruptions() as signals, run.log:
        run.run_pending(signals)
        while run.iteration < run.total:
            run.model.train()
            before = time.monotonic()
            for images, targets in _until_signal(run, signals):
                waited = time.monotonic() - before
                set_seed(seed_of(run.seed, run.iteration))
                run.optimizer.set_lr_factor(rate_factor(run.scheduler, run.iteration, run.iteration // run.epoch_length))
                inputs = model_input(images, targets)
                losses = run.model(inputs, targets) if followed else _first_losses(run.model, inputs, targets)
                run.optimizer.step(total_loss(check_losses(run.model, losses)))
                # Jittor executes lazily: without this the step would be executed during the next iteration.
                jt.sync_all()
                if not followed:
                    followed = True
                    _check_gradients(run)
                    _check_unfrozen(run)
                values, stop = read_losses(losses, targets, run, signals)
                run.iteration += 1
                run.log.iteration(run.iteration, run.epoch, run.optimizer.lr, values, waited, run.batch_size)
                if stop:
                    raise Interrupted(stop, run.save())
                if run.due():
                    run.save_and_evaluate(signals)
                    run.model.train()
                if run.iteration == run.total:
                    break
                before = time.monotonic()
    return run.metrics


def _first_losses(model, inputs, targets):
    """The losses of the first iteration, in which the heads on RoIs see for the first time whether their inputs fit."""
    return within(model, lambda: model(inputs, targets))


def _until_signal(run, signals):
    """The remaining batches of the epoch. If a signal also kills the data workers, this is not an error: save and exit."""
    try:
        yield from run.rest_of_epoch()
    except RuntimeError:
        if world_size() == 1 and signals.came():
            raise Interrupted(signals.received, run.save()) from None
        raise


def _check_gradients(run):
    """Say so if the loss depends on no trained parameter. Reads gradients until one is not zero, usually the first."""
    gradients = (gradient for group in run.optimizer.param_groups for gradient in group["grads"])
    if not any(gradient.numpy().any() for gradient in gradients):
        run.log.info(
            "warning: all gradients of the first iteration are zero: the loss depends on no trained parameter (computed with "
            "NumPy, or behind a stop_grad?), and nothing is learned"
        )


def _check_unfrozen(run):
    """Say so if weights can learn that the optimiser does not have: a user unfroze them after it was built, or left them out
    of the groups of parameters."""
    known = {id(parameter) for group in run.optimizer.param_groups for parameter in group["params"]}
    left = [name for name, parameter in trainable(run.model) if id(parameter) not in known]
    if left:
        run.log.info(
            f"warning: the optimiser does not have {len(left)} weights that are not frozen ({left[0]}, ...), so they are not "
            "trained. If they were unfrozen after build_run: set frozen_stages=-1 in the config, and freeze the others"
        )


def seed_of(seed: int, iteration: int) -> int:
    """The seed of one iteration in this process."""
    return int(np.random.SeedSequence([seed, iteration, rank()]).generate_state(1)[0] >> 1)


def total_loss(losses: dict):
    """The sum of the entries that are losses (jsra.engine.log.is_loss); other entries are only logged. Raises ConfigError for
    a loss that is not one number: the sum would have its shape, and so contain the other losses several times."""
    found = {name: value for name, value in losses.items() if is_loss(name)}
    if not found:
        raise ConfigError(f"the model returned no loss: none of {list(losses)} begins with 'loss'")
    wide = next((name for name, value in found.items() if value.numel() != 1), None)
    if wide:
        raise ConfigError(f"{wide} has the shape {list(found[wide].shape)}; a loss is one number: take its sum or mean")
    parts = list(found.values())
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def read_losses(losses: dict, targets: list, run, signals) -> tuple:
    """({name: mean over the processes, 'loss': the total}, signal number or 0), the same in every process.

    Raises NonFiniteLoss in every process if a loss of any process is not finite.
    """
    own = jt.concat([value.sum().reshape(1).float32() for value in losses.values()])
    if world_size() > 1:
        signalled = jt.array([float(signals.received or 0)])
        own = jt.concat([own, all_reduce(jt.concat([own / world_size(), signalled]))])
    read = own.numpy().astype(float)  # the only read by the host in a step
    values = _with_total(losses, read)
    joint = _with_total(losses, read[len(losses) :]) if world_size() > 1 else values
    if not math.isfinite(joint["loss"]):
        broken = not math.isfinite(values["loss"])
        raise NonFiniteLoss(_explain(values, targets, run) if broken else "the loss of another process is not finite")
    # All processes get the same signal, possibly in different iterations, but they stop in the same one.
    return joint, signals.received or (signal.SIGTERM if world_size() > 1 and read[-1] else 0)


def _with_total(names, numbers):
    values = dict(zip(names, map(float, numbers)))
    return {**values, "loss": sum(value for name, value in values.items() if is_loss(name))}


def _explain(values, targets, run):
    images = [str(target.get("img_id", "?")) for target in targets]
    parts = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
    warm = "" if run.iteration > 1000 else " (warm-up: scheduler.warmup_iters, warmup_ratio)"
    return (
        f"the loss is not finite in iteration {run.iteration} (epoch {run.epoch:.2f}, lr {run.optimizer.lr:.3g}): {parts}. "
        f"Images of this batch: {', '.join(images)}. Usual causes, in order: a learning rate too high for the batch{warm}, "
        "no gradient clipping (optimizer.grad_clip=dict(max_norm=35)), a wrong annotation (`jsra data check`), "
        f"weights that do not fit the model. Last good checkpoint: {run.last_saved or 'none yet'}"
    )
