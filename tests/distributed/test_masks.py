"""Mask R-CNN: two processes, stopped and resumed, give the losses and the AP of boxes and masks of one."""
import os
import sys

import pytest

from jsra.engine import log
from tests.distributed import case
from tests.distributed.test_agree import launcher  # noqa: F401  (a fixture)

CONFIG = os.path.join("jdet_configs", "mini", "puppets_mask_r18_fpn_roi_align.py")
# The positives of every image are its ground truth alone, so that a mean over the masks of two processes is that of one.
MASKS = [
    "model.roi_head.box.assigner.pos_iou_thr=1.0", "model.roi_head.box.assigner.match_low_quality=False",
    "model.roi_head.box.sampler.pos_fraction=0.1", "model.roi_head.branches.mask.extractor.out_channels=16",
    "model.roi_head.branches.mask.head.in_channels=16", "model.roi_head.branches.mask.head.conv_out_channels=16",
    "model.roi_head.branches.mask.head.num_classes=2", "eval_interval=2",
]  # fmt: skip


def train(launch, work_dir, settings, *more):
    changes = [part for setting in settings for part in ("--set", setting)]
    command = [*launch, sys.executable, "-m", "jsra", "train", CONFIG, "--work-dir", str(work_dir), *changes, *more]
    code, _, err = case.finish(case.start(command))
    assert code == 0, err


def test_two_processes_give_what_one_gives(tmp_path, launcher):  # noqa: F811
    settings = [s for s in case.overrides(tmp_path / "pictures") if "roi_layer" not in s] + MASKS
    train([], tmp_path / "one", [*settings, "max_epoch=2"])
    train(launcher, tmp_path / "two", [*settings, "max_epoch=1"])
    train(launcher, tmp_path / "two", [*settings, "max_epoch=2"], "--resume")
    one, two = (log.read(str(tmp_path / name)) for name in ("one", "two"))
    assert len(one["train"]) == len(two["train"]) == 8
    for mine, other in zip(one["train"], two["train"]):
        for name in ("loss_mask", "loss"):
            assert other[name] == pytest.approx(mine[name], rel=1e-4), f"{name} at iteration {mine['iteration']}"
    for name in ("bbox_mAP", "segm_mAP"):
        assert two["val"][-1][name] == pytest.approx(one["val"][-1][name], abs=1e-4)
