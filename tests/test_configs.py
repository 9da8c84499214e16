"""Every config in jdet_configs is read, built and trained for one step, at a small size."""

import os

import jittor as jt
import numpy as np
import pytest

from jsra import resources
from jsra.backbones.resnet import DEPTHS
from jsra.config import load_config
from jsra.data.masks import InstanceMasks
from jsra.detectors.fit import check_fit
from jsra.engine.build import build_optimizer
from jsra.engine.train import total_loss
from jsra.paper import rows
from jsra.registry import build, check_settings, get

ROOT = resources.folder("jdet_configs")
SIDE = 64


def leaves():
    found = []
    for place, folders, names in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if f not in ("_base_", "__pycache__"))
        found += [os.path.relpath(os.path.join(place, n), ROOT) for n in sorted(names) if n.endswith((".py", ".yaml"))]
    return found


LEAVES = leaves()


def box_branches(config):
    """The settings of the branch of boxes, or of each stage of a cascade."""
    box = config.model.roi_head.box
    return list(box.stages.values()) if "stages" in box else [box]


def dense_heads(config):
    """The settings of the heads of a detector of one stage, the one that gives the detections last; [] for two stages."""
    return [config.model[name] for name in ("dpm", "adm", "head") if name in config.model]


def side_of(config):
    """Pixels of an image: as many as the coarsest anchors lie apart, so that maps tell strides from one another."""
    return 2 * SIDE if dense_heads(config) else SIDE


def batch(rng, config):
    """Two pictures of noise with two objects each, one of them small; both are also other frames of either. A mask is the
    upper left half of its box."""
    classes = (dense_heads(config) or [branch.head for branch in box_branches(config)])[-1].num_classes
    side = side_of(config)
    masks = [[[4, 6, 40, 6, 40, 60, 4, 60]], [[30, 20, 44, 20, 30, 30]]]
    boxes = np.array([[4, 6, 40, 60], [30, 20, 44, 30]], np.float32)
    images = rng.normal(0, 1, (2, 3, side, side)).astype(np.float32)
    targets = [
        {
            "references": images[::-1],
            "img_id": i, "bboxes": boxes, "labels": rng.integers(1, classes + 1, 2).astype(np.int32),
            "bboxes_ignore": np.zeros((0, 4), np.float32), "img_size": (side, side), "ori_img_size": (side, side),
            "pad_shape": (side, side), "masks": InstanceMasks(masks, side, side),
        }
        for i in range(2)
    ]  # fmt: skip
    return images, targets


def strides_of(model, images):
    """Image pixels a cell of each map that the heads are given."""
    with jt.no_grad():
        return [images.shape[-1] // m.shape[-1] for m in model.features(jt.array(images))]


def parts_with(model, name):
    """The modules of a model, and what they hold, that have an attribute of this name."""
    held = [value for module in model.modules() for value in [module, *vars(module).values()]]
    return [value for value in held if hasattr(value, name)]


def roi_outputs(model, config):
    """A weight of the last layer that gives classes, and the names of the losses, of a detector of two stages."""
    cascade, branches = "stages" in config.model.roi_head.box, ["cls", "box", *config.model.roi_head.get("branches", ())]
    names = {"loss_rpn_cls", "loss_rpn_box"}
    for i in range(len(box_branches(config))):
        names |= {f"s{i}.loss_{name}" if cascade else f"loss_{name}" for name in branches}
    box = model.roi_head.box
    return (box.stages[-1] if cascade else box).head.cls.weight, names


def dense_outputs(model, config):
    """As roi_outputs, of a detector of one stage."""
    names = {"loss_cls", "loss_box"}
    if "dpm" in config.model:
        return model.adm.cls.weight, names | {"dpm.loss_cls", "dpm.loss_box"}
    return model.head.cls.weight, names


@pytest.mark.parametrize("path", LEAVES)
def test_one_training_step(path):
    rng = np.random.default_rng(0)
    config = load_config(os.path.join(ROOT, path))
    for split, settings in config.dataset.items():
        own = {key: value for key, value in settings.items() if key != "type"}
        check_settings(get(settings["type"], f"dataset.{split}", "dataset"), own, f"dataset.{split}")
        build(list(settings["transforms"]), f"dataset.{split}.transforms")
    build(config.scheduler, "scheduler")
    if config.model.backbone.type in ("ResNet", "ResNeXt"):
        assert config.model.backbone.depth in DEPTHS
        config.model.backbone["depth"] = min(config.model.backbone.depth, 50)  # more of the same blocks only take time
    if "depths" in config.model.backbone:
        config.model.backbone["depths"] = [min(depth, 2) for depth in config.model.backbone.depths]
    if not dense_heads(config):
        for branch in box_branches(config):
            branch.sampler["num"] = 16
            if "fc_out_channels" in branch.head:
                branch.head["fc_out_channels"] = 64  # two thirds of a cascade's weights
        config.model.rpn.train_proposals["max_per_img"] = 32
    if config.model.get("motion"):
        config.model.motion["base_channels"] = 4  # of 64: half of a video detector's weights
    model = build(config.model, "model")
    check_fit(model)
    optimizer, _ = build_optimizer(config, model, config.dataset.train.batch_size)
    model.train()
    images, targets = batch(rng, config)
    strides = strides_of(model, images)
    assert all(g.strides == strides[-len(g.strides) :] for g in parts_with(model, "base_sizes"))
    assert all(a.strides == tuple(strides) for a in parts_with(model, "align"))
    assert all(e.featmap_strides == strides[: len(e.featmap_strides)] for e in parts_with(model, "featmap_strides"))
    assert parts_with(model, "base_sizes") and (dense_heads(config) or parts_with(model, "featmap_strides"))
    head, names = (dense_outputs if dense_heads(config) else roi_outputs)(model, config)
    before = head.numpy()
    losses = model(jt.array(images), targets)
    assert names <= set(losses)
    loss = total_loss(losses)
    optimizer.step(loss)
    jt.sync_all()
    assert np.isfinite(loss.item())
    assert np.isfinite(head.numpy()).all() and np.abs(head.numpy() - before).max() > 0


def test_every_row_runs_a_config_that_is_tested():
    tested = {os.path.join(ROOT, path) for path in LEAVES}
    for preset in rows.PRESETS:
        assert set(rows.configs(preset)) <= tested


def test_names_are_unique():
    """`name` is the place of a run's results."""
    names = [load_config(os.path.join(ROOT, path)).name for path in LEAVES]
    assert len(set(names)) == len(names)
