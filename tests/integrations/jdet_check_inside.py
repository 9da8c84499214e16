"""The parts of jdet_check.py that run next to JDet: python jdet_check_inside.py NAME OUT.json ARGUMENTS."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import os
import sys
import warnings

import numpy as np

import jsra.integrations.jdet  # noqa: F401  (prepares Jittor and registers the parts)

ROTATED = dict(type="ROIAlignRotated_v1", output_size=7, sampling_ratio=2)
SIDE = 256


def configs(places) -> dict:
    """{name: same, differ, refused} of every config file in {name: folder}, read by JDet's loader and by ours."""
    from jdet.config.config import Config

    from jsra.config import load_config

    found = {}
    for name, root in json.loads(places).items():
        result = found[name] = {"same": 0, "differ": [], "refused": []}
        for folder, _, files in sorted(os.walk(root)):
            for file in sorted(files):
                path = os.path.join(folder, file)
                if not file.endswith((".py", ".yaml")) or file == "test_config.py":
                    continue
                theirs, ours = _read(Config, path), _read(functools.partial(load_config, known=None), path)
                if theirs is None and ours is None:
                    result["refused"].append(os.path.relpath(path, root))
                elif theirs != ours:
                    result["differ"].append(os.path.relpath(path, root))
                else:
                    result["same"] += 1
    return found


def _read(loader, path):
    """The plain dictionary of a config file, None if the loader refuses it."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _plain(loader(path))
    except Exception:  # JDet's loader raises anything
        return None


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return type(value)(_plain(item) for item in value) if type(value) in (list, tuple) else value


def ap(folder, annotations) -> dict:
    """The COCO AP of the newest detections in a folder."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    path = max((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getmtime)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        detections = truth.loadRes(path)
        evaluation = COCOeval(truth, detections, "bbox")
        evaluation.params.catIds = sorted({d["category_id"] for d in detections.anns.values()})
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {"AP": float(evaluation.stats[0])}


def drop_in(folder) -> dict:
    """Train JDet's own rotated detectors for a few steps with extractors of ours."""
    lines = []
    sra = dict(type="SemanticRoIAlign")
    totals = _train(os.path.join(folder, "faster_rcnn_obb_r50_fpn_1x_dota.py"), _horizontal(sra), steps=5)
    if not all(map(math.isfinite, totals)) or totals[-1] >= totals[0]:
        raise RuntimeError(f"FasterRCNNOBB with SRA: losses {totals}")
    steps = ", ".join(f"{total:.2f}" for total in totals)
    lines.append(f"FasterRCNNOBB with JSRASingleRoIExtractor(SemanticRoIAlign), 5 steps on the CPU: loss {steps}")
    try:
        _train(os.path.join(folder, "faster_rcnn_obb_r50_fpn_1x_dota.py"), lambda model: None, steps=1)
        lines.append("FasterRCNNOBB with JDet's own SingleRoIExtractor runs on the CPU too")
    except RuntimeError as error:
        reason = "Op code doesn't have cpu version" if "doesn't have cpu version" in str(error) else str(error)[-80:]
        lines.append(f"FasterRCNNOBB with JDet's own SingleRoIExtractor on the CPU: {reason}")
    oriented = os.path.join(folder, "oriented_rcnn_r50_fpn_1x_dota_with_flip.py")
    layers = {"ROIAlignRotated_v1": _rotated(ROTATED), "SemanticRoIAlign, enclosing": _rotated(sra, enclosing=True)}
    for name, change in layers.items():
        totals = _train(oriented, change, steps=1, backward=False)
        if not math.isfinite(totals[0]):
            raise RuntimeError(f"OrientedRCNN with {name}: loss {totals}")
        lines.append(
            f"OrientedRCNN with JSRAOrientedSingleRoIExtractor({name}), forward on the CPU: loss {totals[0]:.2f}"
        )
    try:
        _train(oriented, _rotated(sra), steps=1, backward=False)
        raise RuntimeError("a layer for horizontal boxes was given rotated ones")
    except ValueError as error:
        lines.append(f"without enclosing: {str(error).split('. ')[0]}")
    return {"lines": lines}


def _horizontal(layer):
    def change(model):
        model.bbox_roi_extractor.update(type="JSRASingleRoIExtractor", roi_layer=layer)

    return change


def _rotated(layer, **extra):
    def change(model):
        model.rpn.min_bbox_size = 4  # an untrained RPN proposes boxes without height, whose targets JDet makes 1e12
        model.bbox_head.bbox_roi_extractor.update(type="JSRAOrientedSingleRoIExtractor", roi_layer=layer, **extra)

    return change


def _train(config, change, steps, backward=True) -> list:
    """The total losses of `steps` steps of a config of JDet on one picture of noise with six rotated boxes."""
    import jittor as jt
    from jdet.config import get_cfg, init_cfg
    from jdet.utils.general import parse_losses
    from jdet.utils.registry import MODELS, OPTIMS, build_from_cfg

    with contextlib.redirect_stdout(io.StringIO()):
        init_cfg(config)
    settings = get_cfg()
    settings.model.backbone.pretrained = False
    change(settings.model)
    np.random.seed(0)
    jt.set_global_seed(0)
    model = build_from_cfg(settings.model, MODELS)
    settings.optimizer.lr = 0.002
    optimizer = build_from_cfg(settings.optimizer, OPTIMS, params=model.parameters())
    images, targets = _picture(jt, np.random.default_rng(0))
    model.train()
    totals = []
    for _ in range(steps):
        total, _ = parse_losses(model(images, targets))
        if backward:
            optimizer.step(total)
            jt.sync_all()
        totals.append(float(total.numpy().sum()))
    return totals


def _picture(jt, rng):
    """One image and a target of JDet's rotated datasets."""
    count = 6
    centres, sides = rng.uniform(60, 200, (count, 2)), rng.uniform((40, 20), (90, 40), (count, 2))
    angle = rng.uniform(-1.5, 1.5, (count, 1))
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half = np.concatenate([sides[:, :1] * cos + sides[:, 1:] * sin, sides[:, :1] * sin + sides[:, 1:] * cos], 1) / 2
    boxes = {
        "rboxes": np.concatenate([centres, sides, angle], 1), "rboxes_ignore": np.zeros((0, 5)),
        "hboxes": np.concatenate([centres - half, centres + half], 1), "hboxes_ignore": np.zeros((0, 4)),
    }  # fmt: skip
    target = {name: jt.array(value.astype(np.float32)) for name, value in boxes.items()}
    target["labels"] = jt.array(rng.integers(1, 15, count).astype(np.int32))
    target.update(img_id=0, img_file="none", to_bgr=False, scale_factor=1.0)
    target.update(ori_img_size=(SIDE, SIDE), img_size=(SIDE, SIDE), pad_shape=(SIDE, SIDE))
    return jt.array(rng.standard_normal((1, 3, SIDE, SIDE)).astype(np.float32)), [target]


if __name__ == "__main__":
    result = {"configs": configs, "ap": ap, "drop_in": drop_in}[sys.argv[1]](*sys.argv[3:])
    with open(sys.argv[2], "w", encoding="utf8") as out:
        json.dump(result, out)
