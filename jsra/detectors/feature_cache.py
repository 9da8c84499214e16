"""Features of a frozen backbone, computed once for each image of a dataset and then read from the disk.

    feature_cache = dict(folder="work_dirs/features", max_gib=8)      # in a config, at the top level

The dataset then delivers the maps of the backbone, in half precision, instead of images (see Detector.features in
jsra.detectors.detector). They are stored in FOLDER/<hash of the backbone's settings and weights, and of the transforms>/,
which may be deleted at any time. Processes that fill the same folder share the work.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import jittor as jt
import numpy as np
from tqdm import tqdm

from jsra.data.feature_files import FeatureFiles
from jsra.data.image import new_target
from jsra.data.loader import collate
from jsra.defaults import CODE, completed, plain
from jsra.detectors.detector import Detector
from jsra.registry import ConfigError, construct


class FeatureCache:
    """folder: the folder for the features of all backbones and datasets. max_gib: limit of its size in GiB."""

    def __init__(self, folder: str, max_gib: float = 8.0):
        self.folder, self.max_gib = folder, max_gib


def use_features(config, split: str, dataset, model, progress: bool = True):
    """If the config has a feature_cache, let `dataset` (from config.dataset[split]) deliver features of the model's backbone.

    Missing features are computed now, with the model's current weights. Raises ConfigError for a backbone that is not frozen,
    for transforms that change an image in a different way each time, and if the features would exceed max_gib or the free
    space of the disk.
    """
    if not config.get("feature_cache"):
        return
    cache = construct(FeatureCache, config["feature_cache"], "feature_cache")
    _check_frozen(model)
    if not dataset.is_ours("picture", "transformed"):
        raise ConfigError(
            f"feature_cache: the features are those of the files, and {type(dataset).__name__} makes its pictures itself "
            "(picture, transformed): train without feature_cache"
        )
    steps = [{k: v for k, v in t.items() if k != "prob"} for t in config["dataset"][split].get("transforms") or ()]
    code = {key: CODE[key] for key in ("data", "operators")}
    about = plain({"code": code, **completed({"backbone": config["model"]["backbone"], "transforms": steps})})
    about["weights"] = _digest(model.backbone)
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    files = FeatureFiles(os.path.join(cache.folder, name), dataset.transforms)
    _fill(files, dataset, model.backbone, cache, f"features of {split}" if progress else None)
    dataset.features = files


def _check_frozen(model):
    if not isinstance(model, Detector) or type(model).features is not Detector.features or hasattr(model, "stream"):
        raise ConfigError(f"feature_cache: {type(model).__name__} needs more than one backbone's maps of each image")
    free = [name for name, p in model.backbone.named_parameters() if not p.is_stop_grad()]
    free += [
        name for name, m in model.backbone.named_modules()
        if isinstance(m, jt.nn.BatchNorm) and not getattr(m, "frozen", False)
    ]  # fmt: skip
    if free:
        raise ConfigError(
            f"feature_cache: the backbone is not completely frozen ({free[0]} and {len(free) - 1} more are trained); set "
            "model.backbone.frozen_stages to all of its stages, or remove feature_cache"
        )


def _digest(backbone) -> str:
    """A hash of the weights."""
    found = hashlib.sha256()
    for name, var in sorted(backbone.state_dict().items()):
        found.update(name.encode())
        found.update(np.ascontiguousarray(var.numpy()).tobytes())
    return found.hexdigest()[:16]


def _fill(files, dataset, backbone, cache, title):
    """Compute missing features in a random order, different in each process, so that processes share the work."""
    missing = files.missing(dataset.records)
    if not missing:
        return
    os.makedirs(files.folder, exist_ok=True)
    order = np.random.default_rng(os.getpid()).permutation(len(missing))
    training = backbone.is_training()
    backbone.eval()
    try:
        with jt.no_grad(), tqdm(total=len(missing), desc=title, unit="img", leave=False, disable=title is None) as bar:
            checked = False
            for record, flip in (missing[i] for i in order):
                if not os.path.exists(files.path(record, flip)):
                    picture = files.picture(record, flip, new_target((record.width, record.height)))
                    images, _ = collate([(picture, None)])
                    size = files.write(record, flip, [m.numpy()[0] for m in backbone(jt.array(images))])
                    if not checked:
                        _check_room(cache, size * len(missing), len(missing), bar)
                        checked = True
                bar.update()
    finally:
        if training:
            backbone.train()


def _check_room(cache, needed, count, bar):
    used = sum(
        os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(cache.folder) for name in names
    )
    free = shutil.disk_usage(cache.folder).free
    about = f"feature_cache: maps of {count} pictures take {needed / 2**30:.2f} GiB in {cache.folder}"
    if used + needed > cache.max_gib * 2**30:
        raise ConfigError(
            f"{about}, where {used / 2**30:.2f} GiB are already used; max_gib={cache.max_gib:g} allows no more. Delete "
            "unneeded files there (all can be computed again) or raise feature_cache.max_gib"
        )
    if needed > free:
        raise ConfigError(f"{about}, and the disk has {free / 2**30:.2f} GiB left: choose another feature_cache.folder")
    if not bar.disable:
        bar.write(about)
