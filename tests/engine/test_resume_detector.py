"""Resuming a real detector: Faster R-CNN with Semantic RoI Align, random samplers, augmentation, shuffled data."""
import os

import numpy as np
import pytest

from jsra.config import load_config
from jsra.engine import checkpoint
from jsra.engine.build import build_run
from jsra.engine.train import train
from tests.toy_detector import COLORS, make_dataset

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture
def config(tmp_path):
    settings = load_config(os.path.join(ROOT, "jdet_configs", "bccd", "faster_rcnn_r18_fpn_sra_bccd.py"))
    root, annotations = make_dataset(tmp_path / "data", 8)
    settings["dataset"] = dict(
        train=dict(
            type="COCODataset", root=root, anno_file=annotations, classes=list(COLORS), batch_size=2, shuffle=True,
            transforms=[
                dict(type="Resize", min_size=[64, 96], max_size=128),
                dict(type="RandomFlip", prob=0.5),
                dict(type="Normalize", mean=[128.0] * 3, std=[60.0] * 3),
                dict(type="Pad", size_divisor=32),
            ],
        )
    )  # fmt: skip
    model = settings["model"]
    model["roi_head"]["box"]["head"].update(num_classes=2, fc_out_channels=32)
    model["roi_head"]["box"]["sampler"]["num"] = 16
    model["rpn"]["train_proposals"].update(nms_pre=100, max_per_img=50)
    settings["scheduler"].update(warmup_iters=3)
    settings.update(max_epoch=None, max_iter=6, eval_interval=0, checkpoint_interval=3, log_interval=1)
    return settings


def go(config, work_dir, **changes):
    config.update(work_dir=str(work_dir), **changes)
    run = build_run(config, resume="auto", seed=7)
    try:
        train(run)
    finally:
        run.close()
    path = checkpoint.latest(str(work_dir))
    return {
        **checkpoint.read_arrays(os.path.join(path, "model.safetensors")),
        **checkpoint.read_arrays(os.path.join(path, "optimizer.safetensors")),
    }


def test_a_resumed_detector_is_bit_equal(config, tmp_path):
    """Six iterations in one go, and three and three in mid-epoch."""
    whole = go(config, tmp_path / "whole")
    go(config, tmp_path / "parts", max_iter=3)
    parts = go(config, tmp_path / "parts", max_iter=6)
    assert checkpoint.read_state(checkpoint.latest(str(tmp_path / "parts")))["iteration"] == 6
    assert set(whole) == set(parts)
    differing = {name: np.abs(parts[name] - array).max() for name, array in whole.items() if (parts[name] != array).any()}
    assert not differing, differing
