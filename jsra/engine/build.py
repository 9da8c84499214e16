"""Building a training run from its config, and what is checked before it starts."""
from __future__ import annotations

import math
import numbers
import os

import jittor as jt

from jsra.agreement import check_agreement, summary
from jsra.arguments import a_part, parameters
from jsra.config import KEYS
from jsra.config_checks import check_empty, check_keys, checked
from jsra.data.classes import check_model, check_same
from jsra.data.loader import first_of
from jsra.data.transforms import of_small_numbers, other_colours, steps_of
from jsra.defaults import plain, without_helpers
from jsra.detectors.feature_cache import use_features
from jsra.detectors.fit import check_fit
from jsra.engine import amp, checkpoint, ema
from jsra.engine.groups import ParameterGroups
from jsra.engine.lock import WorkDirLock
from jsra.engine.optimizer import SGD, AdamW
from jsra.engine.pretrained import load_pretrained
from jsra.engine.run import Run
from jsra.engine.schedule import StepLR, scaled_lr
from jsra.registry import ConfigError, build, registered
from jsra.runtime.arithmetic import arithmetic_of, set_arithmetic
from jsra.runtime.distributed import is_main, on_main, rank, share_weights, world_size
from jsra.runtime.seed import MOST_SEED, set_seed


def build_run(config, resume=None, seed=None) -> Run:
    """The run that a config describes (jsra.config.load_config).

    Args:
        resume: None, 'auto' or True (the latest checkpoint of work_dir, if there is one) or the path of a checkpoint.
        seed: overrides config.seed (0 if that is absent too).

    Intervals are in epochs with max_epoch, in iterations with max_iter. config.amp, config.ema: True, or a dict of the
    settings of jsra.engine.amp.enable and jsra.engine.ema; config.tf32 and config.deterministic: those of
    jsra.runtime.arithmetic. Raises ConfigError, and FileNotFoundError for missing data, weights or checkpoints.
    The work_dir is locked until `Run.close`.
    """
    check_keys(config, KEYS, "build_run")  # a caller may have changed the config after load_config
    check_empty(config, "build_run")
    for key, value in list(config.items()):  # a path or an array becomes text or a list
        if not str(key).startswith("_"):
            config[key] = checked(value, key)
    check_agreement("settings", lambda: {"config": plain(without_helpers(config)), "resume": resume, "seed": seed})
    lock = _locked(config["work_dir"])
    try:
        run = _build_run(config, resume, seed)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    run.lock = lock
    return run


def _locked(work_dir):
    """The WorkDirLock in process 0, None in the others."""
    held = []
    on_main(lambda: held.append(WorkDirLock(work_dir)))
    return held[0] if held else None


def _build_run(config, resume, seed):
    from jsra.evaluation.evaluator import Evaluator

    _check_counts(config)
    if seed is None:
        seed = config.get("seed") or 0
    elif not isinstance(seed, numbers.Integral) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"seed: expected a whole number of at least 0, got {seed!r}")
    seed = int(seed)
    if seed > MOST_SEED:
        raise ConfigError(f"seed: expected a whole number of at most {MOST_SEED}, got {seed}")
    if (config.get("max_epoch") is None) == (config.get("max_iter") is None):
        raise ConfigError("a config must set either max_epoch or max_iter")
    for key in ("model", "dataset", "optimizer"):
        if not config.get(key):
            raise ConfigError(f"the config has no {key!r}")
    if not config["dataset"].get("train"):
        raise ConfigError("the config has no 'train' in dataset")
    arithmetic = set_arithmetic(**arithmetic_of(config))
    if not isinstance(config.get("amp"), (bool, dict, type(None))):
        raise ConfigError(f"amp: expected True, False or a dictionary of its settings, got {config['amp']!r}")
    work_dir = config["work_dir"]
    checkpoint_path = on_main(lambda: _checkpoint(resume, work_dir))
    set_seed(seed)
    dataset = _training_data(config["dataset"]["train"], seed)
    dataset.check_objects()
    data = summary(dataset)
    check_agreement("data in dataset.train", lambda: data)
    loader = dataset.loader(rank(), world_size(), joint=True)
    model = build(config["model"], "model", "detector")
    jt.sync_all()  # initial weights are drawn lazily: draw them now, before another seed is set
    check_fit(model)
    evaluator = Evaluator(config, "val") if config["dataset"].get("val") else None
    if evaluator is not None:
        evaluator.check_objects()
    _check_classes(model, dataset, evaluator, checkpoint_path)
    _check_needs(model, dataset)
    on_main(dataset.check_pictures)
    loaded = load_pretrained(model, config, dataset.CLASSES) if checkpoint_path is None else None
    share_weights(model)
    if config.get("feature_cache"):
        if checkpoint_path is not None:
            checkpoint.restore(checkpoint_path, model)  # features must be computed with its backbone
        use_features(config, "train", dataset, model, is_main())
        if evaluator is not None:
            use_features(config, "val", evaluator.dataset, model, is_main())
    optimizer, lr_line = build_optimizer(config, model, dataset.batch_size)
    if config.get("amp"):
        model, optimizer = amp.enable(model, optimizer, **({} if config["amp"] is True else config["amp"]))
    if config.get("ema"):
        optimizer = ema.enable(optimizer, model, config["ema"])
    unit = 1 if config.get("max_iter") else len(loader)
    run = Run(
        model=model,
        optimizer=optimizer,
        scheduler=build(config["scheduler"], "scheduler", "scheduler") if config.get("scheduler") else StepLR(),
        loader=loader,
        total=(config.get("max_iter") or config["max_epoch"]) * unit,
        work_dir=work_dir,
        seed=seed,
        batch_size=dataset.batch_size,
        classes=dataset.CLASSES,
        config=config.to_dict() if hasattr(config, "to_dict") else dict(config),
        data=data,
        evaluate=evaluator,
        eval_interval=(config.get("eval_interval") or 0) * unit,
        checkpoint_interval=(config.get("checkpoint_interval") or 0) * unit,
        keep=config.get("checkpoint_keep") or 3,
        score=config.get("best_metric"),
        log_interval=config.get("log_interval") or 20,
    )
    aside = []
    if checkpoint_path is not None:
        run.resume(checkpoint_path)
        aside = on_main(lambda: checkpoint.go_on_from(checkpoint_path, work_dir, run.iteration))
        run.last_saved = checkpoint.path_of(work_dir, run.iteration)
    run.start_log()
    run.log.info(f"{work_dir}: {len(loader)} batches an epoch, {run.total} iterations; {lr_line}")
    notes = [f"dataset.train: {line}" for line in dataset.notes] + of_small_numbers(dataset)
    if config["optimizer"].get("lr") == 0:
        notes.append("warning: optimizer.lr is 0: no weight will change")
    if evaluator is not None:
        notes += [f"dataset.val: {line}" for line in (*evaluator.dataset.notes, *_shared_images(dataset, evaluator.dataset))]
        notes += other_colours(dataset, evaluator.dataset)
    else:
        notes.append("the config has no dataset.val: nothing is evaluated, and no checkpoint counts as the best")
    if hasattr(run.scheduler, "notes"):
        notes += run.scheduler.notes(run.total, run.epoch_length)
    if config.get("logger"):
        notes.append("logger: only JDet's runner uses it (docs/jdet.md); this run writes its own log")
    for line in (*notes, arithmetic, loaded):
        if line:
            run.log.info(line)
    if checkpoint_path is not None:
        nothing = ": nothing is left to train (max_epoch, max_iter)" if run.iteration >= run.total else ""
        run.log.info(f"resumed from {checkpoint_path}, iteration {run.iteration}{nothing}")
    if aside:
        names = ", ".join(os.path.basename(path) for path in aside)
        run.log.info(f"other checkpoints of {work_dir} do not belong to this run any more; they are kept as {names}")
    return run


def _training_data(settings, seed):
    """The data set of dataset.train, with the run's seed if its class takes one."""
    takes = parameters(registered("dataset").get(str(settings.get("type")), object))
    return build({**({"seed": seed} if "seed" in takes else {}), **settings}, "dataset.train", "dataset")


def _check_counts(config):
    """Check the settings at the top level that are counts."""
    least = {"max_epoch": 1, "max_iter": 1, "eval_interval": 0, "checkpoint_interval": 0, "checkpoint_keep": 1,
             "log_interval": 1, "scale_lr_base_batch": 1, "seed": 0}  # fmt: skip
    for key, low in least.items():
        value = config.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < low):
            raise ConfigError(f"{key}: expected a whole number of at least {low}, got {value!r}")


def _check_classes(model, dataset, evaluator, checkpoint_path):
    check_model(model, dataset.CLASSES, "dataset.train")
    if evaluator is not None:
        evaluator.check_model(model)
        check_same(dataset.CLASSES, evaluator.dataset.CLASSES, "dataset.train", "dataset.val")
    saved = on_main(lambda: checkpoint.classes_of(checkpoint_path)) if checkpoint_path is not None else None
    if saved:
        check_same(dataset.CLASSES, saved, "dataset.train", f"the checkpoint {checkpoint_path}")


def _check_needs(model, dataset):
    """Raise ConfigError if the training data lacks something that a branch is trained on (Branch.needs), e.g. masks."""
    needs = {need: name for name, module in model.named_modules() for need in getattr(module, "needs", ())}
    target = dataset.target(dataset.records[0]) if needs else {}
    missing = [need for need in needs if target.get(need) is None]
    given = first_of(dataset)[1] if missing else {}  # a user's transform may add it
    for need, name in needs.items():
        if need in missing and given.get(need) is None:
            kind = type(dataset)
            with_masks = need == "masks" and "with_masks" in parameters(kind)
            cure = "set dataset.train.with_masks=True" if with_masks else f"use a data set with {need}"
            raise ConfigError(
                f"model{name and '.'}{name} is trained on {need}, and dataset.train ({kind.__name__}) gives none: {cure}, or "
                "remove it from the model"
            )
        if need == "masks" and _without_masks(dataset):
            raise ConfigError(
                f"model{name and '.'}{name} is trained on masks, and no object of {dataset!r} has a segmentation: use "
                "annotations with masks, or, for boxes alone, remove the branch from model.roi_head.branches (a MaskRCNN "
                "without it is a FasterRCNN, model.type)"
            )


def _without_masks(dataset) -> bool:
    """Whether no object has a mask. A user's own methods and transforms may make masks that the records do not have."""
    ours = all(type(step).__module__.startswith("jsra.") for step in steps_of(dataset))
    if not ours or not dataset.is_ours("get", "picture", "target"):
        return False
    return all(mask is None for record in dataset.records for mask in record.segmentations() or ())


def _shared_images(train, val) -> list:
    """A list with a line for the log if the same images are used for training and evaluation, else []."""
    if not (train.is_ours("get", "picture") and val.is_ours("get", "picture")):
        return []  # a user's own data set may have pictures that are no files, or many of them in one
    seen = {os.path.abspath(record.file) for record in train.records}
    both = sum(os.path.abspath(record.file) in seen for record in val.records)
    if not both:
        return []
    return [f"{both} of {len(val.records)} images are in dataset.train too: its AP says little about new images"]


def build_optimizer(config, model, batch_size: int) -> tuple:
    """(optimiser, a line for the log that explains its learning rate)."""
    if not isinstance(config["optimizer"], dict):
        raise ConfigError(f"optimizer: expected {a_part('optimizer')}, got {config['optimizer']!r}")
    settings = dict(config["optimizer"])
    base_batch = config.get("scale_lr_base_batch")
    written = settings.get("lr")
    if not isinstance(written, (int, float)) or not 0 <= written < math.inf:
        raise ConfigError(f"optimizer.lr must be a number of at least 0, it is {written!r}")
    settings["lr"] = scaled_lr(written, batch_size, base_batch)
    rules = config.get("parameter_groups_generator")
    rules = build(rules, "parameter_groups_generator", "parameter_groups") if rules else ParameterGroups()
    optimizer = build(settings, "optimizer", "optimizer", params=rules.groups(model))
    if not isinstance(optimizer, (SGD, AdamW)):
        raise ConfigError(f"optimizer.type: {settings['type']!r} is not an optimiser; known: SGD, AdamW")
    processes = f" over {world_size()} processes" if world_size() > 1 else ""
    scaling = f"lr {written:g} for batch {base_batch} x {batch_size}/{base_batch} = " if base_batch else "lr "
    return optimizer, f"batch {batch_size}{processes}, {scaling}{settings['lr']:g}"


def _checkpoint(resume, work_dir):
    if checkpoint.complete(work_dir) and os.path.exists(os.path.join(work_dir, checkpoint.MODEL)):
        raise ConfigError(f"work_dir: {work_dir} is a checkpoint: give the folder of its run, two levels above, or a new one")
    folder = os.path.join(work_dir, checkpoint.FOLDER)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"work_dir: {folder}, for the checkpoints, is no folder: rename it, or choose another work_dir")
    if resume in (None, False):
        earlier = checkpoint.latest(work_dir)
        if earlier:
            raise ConfigError(
                f"{work_dir} already has a run ({os.path.basename(earlier)}): continue it with --resume, or choose another "
                "work_dir (--set work_dir=...) or delete it"
            )
        return None
    if resume in ("auto", True):
        return checkpoint.latest(work_dir)
    if not isinstance(resume, (str, os.PathLike)) or not os.fspath(resume):
        raise ConfigError(f"resume: expected None, 'auto' or the path of a checkpoint, got {resume!r}")
    return checkpoint.check(checkpoint.latest(resume) or resume)
