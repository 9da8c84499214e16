"""Every config in jdet_configs is read, built and trained for one step, at a small size."""

import os

import jittor as jt
import numpy as np
import pytest

from jsra import resources
from jsra.config import load_config
from jsra.data.masks import InstanceMasks
from jsra.engine.run import build_optimizer
from jsra.engine.train import total_loss
from jsra.paper import rows
from jsra.registry import build, get

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


def batch(rng, config):
    """Two pictures of noise with two objects each, one of them small. Its mask is the upper left half of its box."""
    classes = box_branches(config)[0].head.num_classes
    masks = [[[4, 6, 40, 6, 40, 60, 4, 60]], [[30, 20, 44, 20, 30, 30]]]
    boxes = np.array([[4, 6, 40, 60], [30, 20, 44, 30]], np.float32)
    targets = [
        {
            "img_id": i, "bboxes": boxes, "labels": rng.integers(1, classes + 1, 2).astype(np.int32),
            "bboxes_ignore": np.zeros((0, 4), np.float32), "img_size": (SIDE, SIDE), "ori_img_size": (SIDE, SIDE),
            "pad_shape": (SIDE, SIDE), "masks": InstanceMasks(masks, SIDE, SIDE),
        }
        for i in range(2)
    ]  # fmt: skip
    return rng.normal(0, 1, (2, 3, SIDE, SIDE)).astype(np.float32), targets


def strides_of(model, images):
    """Image pixels a cell of each map that the neck gives."""
    with jt.no_grad():
        return [SIDE // m.shape[-1] for m in model.neck(model.backbone(jt.array(images)))]


def parts_with(model, name):
    """The modules of a model, and what they hold, that have an attribute of this name."""
    held = [value for module in model.modules() for value in [module, *vars(module).values()]]
    return [value for value in held if hasattr(value, name)]


@pytest.mark.parametrize("path", LEAVES)
def test_one_training_step(path):
    rng = np.random.default_rng(0)
    config = load_config(os.path.join(ROOT, path))
    for split, settings in config.dataset.items():
        get(settings["type"], f"dataset.{split}")
        build(list(settings["transforms"]), f"dataset.{split}.transforms")
    build(config.scheduler, "scheduler")
    for branch in box_branches(config):
        branch.sampler["num"] = 16
    config.model.rpn.train_proposals["max_per_img"] = 32
    model = build(config.model, "model")
    optimizer, _ = build_optimizer(config, model, config.dataset.train.batch_size)
    model.train()
    images, targets = batch(rng, config)
    strides = strides_of(model, images)
    extractors, generators = parts_with(model, "featmap_strides"), parts_with(model, "base_sizes")
    assert extractors and all(e.featmap_strides == strides[: len(e.featmap_strides)] for e in extractors)
    assert generators and all(g.strides == strides for g in generators)
    box = model.roi_head.box
    head = (box.stages[-1] if "stages" in config.model.roi_head.box else box).head.cls.weight
    before = head.numpy()
    losses = model(jt.array(images), targets)
    names = {"loss_rpn_cls", "loss_rpn_box"}
    for i in range(len(box_branches(config))):
        prefix = f"s{i}." if "stages" in config.model.roi_head.box else ""
        names |= {f"{prefix}loss_{name}" for name in ["cls", "box", *config.model.roi_head.get("branches", ())]}
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
