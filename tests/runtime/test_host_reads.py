"""The counter of host reads, and how many a detector needs."""

import os

import jittor as jt
import numpy as np
import pytest

from jsra import resources
from jsra.config import load_config
from jsra.data.masks import InstanceMasks
from jsra.engine.optimizer import SGD
from jsra.engine.train import total_loss
from jsra.registry import build
from jsra.runtime.host_reads import count_host_reads

SIDE = 64


def test_every_way_to_read_counts_once():
    x = jt.array(np.float32([1, 2]))
    with count_host_reads() as reads:
        x.numpy(), x.data, x.tolist(), x[0].item(), float(x[0]), int(x[0]), bool(x[0] > 0), np.asarray(x)
        jt.fetch_sync([x, x + 1])
        x.fetch(lambda value: None)
        assert x.shape == [2] and len(x) == 2  # shapes are known to the host
        (x + 1).sync()
    assert len(reads) == 10, reads.places
    assert all("test_host_reads.py" in place for place in reads.places)
    x.numpy()
    assert len(reads) == 10


def images(count, rng):
    boxes = np.float32([[4, 6, 40, 60], [30, 20, 44, 30]])
    polygons = [[[4, 6, 40, 6, 40, 60, 4, 60]], [[30, 20, 44, 20, 30, 30]]]
    targets = []
    for n in (1 + i % 2 for i in range(count)):
        masks = InstanceMasks(polygons[:n], SIDE, SIDE)
        targets.append(dict(bboxes=boxes[:n], labels=np.int32([1, 2][:n]), masks=masks))
    return jt.array(rng.normal(0, 1, (count, 3, SIDE, SIDE)).astype(np.float32)), targets


FEW_SAMPLES = ["model.roi_head.box.sampler.num=8", "model.rpn.train_proposals.max_per_img=16"]


@pytest.mark.parametrize(
    "name, overrides, in_training, in_inference",
    [
        ("r18_fpn_roi_align", FEW_SAMPLES, 1, 1), ("r18_fpn_sra", FEW_SAMPLES, 2, 2),
        ("mask_r18_fpn_roi_align", FEW_SAMPLES, 2, 3), ("retinanet_r18_fpn", [], 1, 1), ("aligndet_r18_fpn_3x3", [], 1, 1),
    ],
)  # fmt: skip
def test_reads_of_a_detector(name, overrides, in_training, in_inference, rng):
    """Detectors with ResNet-18: one read of the losses or the results, and one of SRA's number of positions, whatever the
    number of images is. With masks, one of the number of positives in training (on the CPU alone); in inference one of the
    number of detections, before their masks, and one of the pasted masks."""
    path = os.path.join(resources.folder("jdet_configs"), "mini", f"puppets_{name}.py")
    config = load_config(path, overrides)
    model = build(config["model"], "model")
    optimizer = SGD(model.parameters(), lr=1e-4)
    for count in (1, 4):
        pixels, targets = images(count, rng)
        model.train()
        with count_host_reads() as reads:
            losses = model(pixels, targets)
            optimizer.step(total_loss(losses))
            jt.sync_all()
            jt.fetch_sync(list(losses.values()))  # as jsra.engine.train.read_losses: all at once
        assert len(reads) == in_training, reads.places
        model.eval()
        with jt.no_grad(), count_host_reads() as reads:
            model(pixels, targets)
        assert len(reads) == in_inference, reads.places
