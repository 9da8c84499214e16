"""Checkpoints: folders with model.safetensors, optimizer.safetensors and state.json, always complete.

    work_dir/checkpoints/iter_00000500/
        model.safetensors      every parameter and running statistic, by its name in the model
        optimizer.safetensors  'slot.parameter name'
        state.json             iteration, step count, metrics, config, seed, checksum of the data, commit, versions

A folder is written under another name, flushed to the disk and then renamed, so a crash never leaves an incomplete
checkpoint. Nothing is pickled. The state of random numbers is not saved: the engine seeds every iteration from (seed,
iteration).
"""
from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil

import jittor as jt
import numpy as np

from jsra.arguments import short
from jsra.convert.names import current
from jsra.convert.origin import metadata, origin
from jsra.folders import exists, is_file
from jsra.output import json_text
from jsra.registry import ConfigError
from jsra.runtime.distributed import on_main

FOLDER, MODEL, OPTIMIZER, STATE = "checkpoints", "model.safetensors", "optimizer.safetensors", "state.json"
_NAME = re.compile(r"^iter_(\d{8,})$")


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or does not fit; the message says what to do."""


def saved(work_dir: str) -> list:
    """The paths of the complete checkpoints of a run, earliest iteration first."""
    folder = os.path.join(work_dir, FOLDER)
    names = os.listdir(folder) if exists(folder) and os.path.isdir(folder) else []
    found = [name for name in names if _NAME.match(name) and complete(os.path.join(folder, name))]
    return [os.path.join(folder, name) for name in sorted(found, key=iteration_of)]


def complete(path: str) -> bool:
    """Whether a folder is a complete checkpoint: state.json is the first file that is deleted."""
    return is_file(os.path.join(path, STATE))


def latest(work_dir: str):
    """The path of the last checkpoint of a run, or None."""
    paths = saved(work_dir)
    return paths[-1] if paths else None


def iteration_of(path: str) -> int:
    """The iteration in the name of a checkpoint."""
    return int(_NAME.match(os.path.basename(path))[1])


def best(work_dir: str, metric: str | None = None):
    """The path of the existing checkpoint with the highest `metric`, or None if none was evaluated. If no checkpoint has that
    metric, the highest score decides, that of a metric that may have changed at a resume. One whose state.json is damaged
    does not count: it must not end a run that does not need it."""
    by_metric, by_score = [], []
    for path in saved(work_dir):
        with contextlib.suppress(CheckpointError):
            state = read_state(path)
            metrics = state.get("metrics")
            by_metric.append((metrics.get(metric) if isinstance(metrics, dict) else None, path))
            by_score.append((state.get("score"), path))
    for scored in (by_metric, by_score):
        found = [(score, path) for score, path in scored if isinstance(score, (int, float))]
        if found:
            return max(found)[1]
    return None


def check(path: str) -> str:
    """Returns the path of a complete checkpoint unchanged. Raises FileNotFoundError for any other path."""
    if not exists(path):
        raise FileNotFoundError(f"{path}: there is no such checkpoint; it is a folder ({FOLDER}/iter_... of a work_dir)")
    if not os.path.isdir(path):
        raise FileNotFoundError(
            f"{path} is a file; a checkpoint is a folder ({FOLDER}/iter_... of a work_dir), which also has the optimiser's "
            "state. To start a new run from the weights in a file, use pretrained_weights"
        )
    if not complete(path):
        raise FileNotFoundError(
            f"{path} is not a checkpoint: it has no {STATE}; give a work_dir or a folder {FOLDER}/iter_... of it{_last(path)}"
        )
    return path


def _last(folder) -> str:
    """For messages: the last checkpoint in a work_dir's folder of checkpoints."""
    inside = saved(os.path.dirname(os.path.abspath(folder)))
    return f"; its last one is {inside[-1]}" if inside and os.path.samefile(os.path.dirname(inside[-1]), folder) else ""


def path_of(work_dir: str, iteration: int) -> str:
    """The path of the checkpoint of an iteration."""
    return os.path.join(work_dir, FOLDER, f"iter_{iteration:08d}")


def check_numbers(state: dict, names, path: str):
    """Raise CheckpointError if a state does not have these integers, which are needed to resume."""
    wrong = [name for name in names if type(state.get(name)) is not int or state[name] < 0]
    if wrong:
        raise CheckpointError(
            f"{os.path.join(path, STATE)} has no whole number of at least 0 as {', '.join(wrong)}: start a new run from "
            "its weights (pretrained_weights)"
        )


def update_state(path: str, **values):
    """Add values to the state.json of a checkpoint."""
    state = os.path.join(path, STATE)
    _write(state + ".unfinished", json_text({**read_state(path), **values}, indent=1).encode())
    os.replace(state + ".unfinished", state)


def read_state(path: str) -> dict:
    """The state.json of a checkpoint. Raises FileNotFoundError, or CheckpointError if the file is damaged."""
    file = os.path.join(path, STATE)
    with open(file, "rb") as f:
        text = f.read()
    try:
        state = json.loads(text)
    except ValueError as error:
        state = error
    if isinstance(state, dict):
        return state
    reason = f"not valid JSON: {state}" if isinstance(state, ValueError) else "no dictionary"
    raise CheckpointError(f"{file} is damaged ({reason}): use another checkpoint, such as an earlier {FOLDER}/iter_...")


def save(work_dir: str, model, optimizer, state: dict) -> str:
    """Write a checkpoint of `state['iteration']` and return its path.

    Raises CheckpointError without writing if a weight is not finite, and says what to do if the disk is full. In both cases
    earlier checkpoints are not changed.
    """
    weights = {name: var.numpy() for name, var in model.state_dict().items()}
    broken = [name for name, array in weights.items() if array.dtype.kind == "f" and not np.isfinite(array).all()]
    if broken:
        raise CheckpointError(f"not saved: {len(broken)} weights are not finite, {', '.join(broken[:4])} ...")
    moments = {name: var.numpy() for name, var in optimizer.state().items()}
    folder = os.path.join(work_dir, FOLDER)
    target = path_of(work_dir, state["iteration"])
    unfinished = f"{target}.unfinished"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a crash
        os.makedirs(unfinished)
        _write_arrays(os.path.join(unfinished, MODEL), weights, metadata(state.get("classes"), state.get("config")))
        _write_arrays(os.path.join(unfinished, OPTIMIZER), moments)
        _write(os.path.join(unfinished, STATE), json_text({**state, "n_step": optimizer.n_step}, indent=1).encode())
        if os.path.isdir(target):
            _remove(target)
        os.rename(unfinished, target)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            size = sum(a.nbytes for a in (*weights.values(), *moments.values())) / 2**20
            raise CheckpointError(
                f"not enough space on the disk of {folder} for a checkpoint of {size:.0f} MiB. The last complete one is "
                f"{latest(work_dir) or 'none'}. Free some space (or set checkpoint_keep lower), then continue with --resume"
            ) from None
        raise
    _flush(folder)
    return target


def prune(work_dir: str, keep: int, metric: str | None = None):
    """Delete all checkpoints except the last `keep` and the best one by `metric` (keep=0: none), and incomplete ones left by
    crashes."""
    folder = os.path.join(work_dir, FOLDER)
    for name in os.listdir(folder):
        if name.endswith(".unfinished"):
            shutil.rmtree(os.path.join(folder, name))
    paths = saved(work_dir)
    kept = {*paths[-keep:], best(work_dir, metric)} if keep > 0 else set(paths)
    for path in paths:
        if path not in kept:
            _remove(path)


def _remove(path: str):
    """Delete a checkpoint. Without its state.json, a partly deleted folder does not count as one."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(path, STATE))
    shutil.rmtree(path)


def set_aside(work_dir: str, iteration: int, resumed: str | None = None) -> list:
    """Rename the checkpoints of a run that do not belong to it any more, because it goes on from `iteration`: they would
    count as its latest and best ones. Returns the new paths.

    These are the later ones, and one of the same iteration that is not `resumed`, the checkpoint from which the run goes on;
    all, if that is in another work_dir.
    """
    found = []
    for path in saved(work_dir):
        saved_at = iteration_of(path)
        other = resumed is not None and not _same(path, resumed)
        if saved_at > iteration or (other and (saved_at == iteration or not _same(os.path.dirname(path), _folder(resumed)))):
            target, number = f"{path}.replaced", 2
            while os.path.lexists(target):
                target, number = f"{path}.replaced{number}", number + 1
            os.rename(path, target)
            found.append(target)
    return found


def go_on_from(path: str, work_dir: str, iteration: int) -> list:
    """Make `path`, from which a run goes on, the latest checkpoint of its work_dir; returns what was set aside for it.

    If it is in another work_dir or was set aside itself, it is copied to its usual place: the run may be killed before it
    saves. Raises CheckpointError, before anything is changed, if the disk is full.
    """
    target = path_of(work_dir, iteration)
    if _same(path, target):
        return set_aside(work_dir, iteration, path)
    copy = target + ".unfinished"
    try:
        shutil.rmtree(copy, ignore_errors=True)  # of a process that was killed
        shutil.copytree(path, copy)
    except OSError as error:
        shutil.rmtree(copy, ignore_errors=True)
        raise CheckpointError(f"{path} cannot be copied to {target}: {error}") from None
    found = set_aside(work_dir, iteration, path)
    shutil.rmtree(target, ignore_errors=True)  # without its state: deleted in part
    os.rename(copy, target)
    return found


def _same(one, other) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _folder(path):
    return os.path.dirname(os.path.realpath(path))


def restore(path: str, model, optimizer=None) -> dict:
    """Set the model (and the optimiser) exactly to a checkpoint; returns its state. Process 0 reads it for all processes.

    Raises FileNotFoundError, or CheckpointError, which names the keys or shapes that differ.
    """
    state, weights, moments = on_main(lambda: _read(path, optimizer is not None))
    own = model.state_dict()
    differing = sorted(set(own) ^ set(weights))
    if differing:
        new = ", or start a new run from its weights (pretrained_weights)" if optimizer is not None else ""
        raise CheckpointError(
            f"{path} is from another model: {len(differing)} names differ, {', '.join(differing[:4])} ...; give the config "
            f"that the run began with{new}"
        )
    for name, var in own.items():
        array = weights[name]
        for what, found, expected in (("shape", array.shape, tuple(var.shape)), ("type", str(array.dtype), str(var.dtype))):
            if found != expected:
                cure = "give the config that the run began with, or train again with this one (perhaps it has other classes)"
                raise CheckpointError(f"{path}: {name} has {what} {found}, the model's is {expected}; {cure}")
    for name, var in own.items():
        var.update(jt.array(weights[name]))
    if optimizer is not None:
        try:
            optimizer.load_state(moments, state["n_step"])
        except ValueError as error:
            raise CheckpointError(f"{path}: {error}") from None
    jt.sync_all()
    return state


def _read(path, with_optimizer):
    """(state, weights, moments or None), under the current names."""
    state = read_state(check(path))
    if with_optimizer:
        check_numbers(state, ("iteration", "n_step"), path)
        named = _NAME.match(os.path.basename(os.path.abspath(path)))
        if named and int(named[1]) != state["iteration"]:
            raise CheckpointError(
                f"{os.path.join(path, STATE)} is of iteration {state['iteration']}, its folder of {int(named[1])}: files of "
                "two checkpoints are mixed; use another one"
            )
        if not exists(os.path.join(path, OPTIMIZER)):
            raise CheckpointError(
                f"{path} has no {OPTIMIZER} and cannot be resumed: use another one, or start a new run from its weights "
                "(pretrained_weights)"
            )
    files = (MODEL, OPTIMIZER) if with_optimizer else (MODEL,)
    named = [{current(name): a for name, a in read_arrays(os.path.join(path, file)).items()} for file in files]
    return state, named[0], named[1] if with_optimizer else None


def weights_file(path) -> str:
    """The weights file for `path`: the path itself, or the model file of a checkpoint, or of a work_dir's latest checkpoint.

    Raises FileNotFoundError, and ConfigError for what is no path.
    """
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path):
        raise ConfigError(f"weights: expected the path of a file, a checkpoint or a work_dir, got {path!r}")
    path = os.fspath(path)
    if re.match(r"[\w-]+://", path):
        raise FileNotFoundError(f"{path}: this is an address, and jsra downloads nothing: give the path of a downloaded file")
    if not exists(path):
        raise FileNotFoundError(f"{path}: these weights do not exist")
    if not os.path.isdir(path):
        return path
    found = latest(path) or path
    if not is_file(os.path.join(found, MODEL)):
        raise FileNotFoundError(f"{path} has no checkpoint: neither {FOLDER}/iter_*/ nor {MODEL}{_last(path)}")
    return os.path.join(found, MODEL)


def is_model(file) -> bool:
    """Whether a weights file is the model of a checkpoint, and not another file in its folder."""
    return os.path.basename(file) == MODEL and is_file(os.path.join(os.path.dirname(file), STATE))


def classes_of(path):
    """The class names that are stored with weights: in a checkpoint, or in a file (jsra.convert.origin); or None."""
    file = weights_file(path)
    if not is_model(file):
        return list(origin(file).classes) or None
    folder = os.path.dirname(file)
    classes = read_state(folder).get("classes")
    if not isinstance(classes, (list, type(None))):
        raise CheckpointError(
            f"{os.path.join(folder, STATE)} is damaged: classes is {short(classes)}, not a list of names: correct it, or use "
            "another checkpoint"
        )
    return classes


def config_of(path):
    """The settings of the run (at least its model and transforms) that are stored with weights, as in classes_of; or None."""
    file = weights_file(path)
    return read_state(os.path.dirname(file)).get("config") if is_model(file) else origin(file).settings


def read_arrays(path: str) -> dict:
    """{name: array} of a safetensors file. Raises FileNotFoundError, or CheckpointError if the file is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    with open(path, "rb"):  # the library says "no such file" if it may not be read
        pass
    try:
        return load_file(path)
    except SafetensorError as error:
        message = f"{path} is damaged or not a safetensors file: {error}; use another checkpoint, if there is one"
        raise CheckpointError(message) from None


def _write_arrays(path, arrays, about=None):
    from safetensors.numpy import save

    _write(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, about))


def _write(path, data: bytes):
    with open(path, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())


def _flush(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
