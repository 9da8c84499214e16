"""Whole detectors learn: they overfit real images with masks, and the demo's loss falls with every extractor."""

import json
import os

import numpy as np
import pytest

from jsra import resources
from jsra.config import load_config
from jsra.data.puppets.generate import generate
from jsra.engine import log
from jsra.engine.build import build_run
from jsra.engine.train import train
from tests.conftest import shared

MINI = os.path.join(resources.folder("jdet_configs"), "mini")
EXTRACTORS = (
    "roi_align", "roi_pool", "adaptive_roi_align", "precise_roi_align", "deform_roi_pool", "roi_attention", "conv_masks",
    "self_attention", "learned_region", "roi_transformer", "sra",
)  # fmt: skip


def go(config, work_dir):
    """Train; the metrics of the last evaluation and the loss of every iteration."""
    config.update(work_dir=str(work_dir), max_epoch=None, checkpoint_interval=None, log_interval=1)
    run = build_run(config, seed=0)
    try:
        metrics = train(run)
    finally:
        run.close()
    return metrics, [record["loss"] for record in log.read(str(work_dir))["train"]]


def use(config, split, root, annotations, **changes):
    config["dataset"][split].update(root=root, anno_file=annotations, **changes)


def eight_images(source, path):
    """Write the annotations of the eight images whose smallest object is largest; returns the names of their classes."""
    with open(source) as f:
        content = json.load(f)
    objects = {image["id"]: [] for image in content["images"]}
    for annotation in content["annotations"]:
        objects[annotation["image_id"]].append(annotation)

    def smallest(image):
        areas = [-1 if a["iscrowd"] else a["area"] for a in objects[image["id"]]]
        return min(areas, default=-1) / (image["width"] * image["height"])

    images = sorted(content["images"], key=smallest)[-8:]
    annotations = [a for image in images for a in objects[image["id"]]]
    used = {a["category_id"] for a in annotations}
    categories = [c for c in content["categories"] if c["id"] in used]
    with open(path, "w") as f:
        json.dump(dict(images=images, annotations=annotations, categories=categories), f)
    return [c["name"] for c in categories]


@pytest.mark.parametrize("extractor", ["roi_align", "sra"])
def test_overfits_eight_images_of_coco(extractor, tmp_path):
    """Mask R-CNN R18-FPN from scratch at 96 pixels: AP50 above 0.9 of boxes and 0.8 of masks, on what it was trained on."""
    root = shared("data", "coco_mini")
    annotations = str(tmp_path / "eight.json")
    classes = eight_images(os.path.join(root, "annotations", "instances_train2017.json"), annotations)
    config = load_config(os.path.join(MINI, f"puppets_mask_r18_fpn_{extractor}.py"))
    transforms = [
        dict(type="Resize", min_size=96, max_size=144),
        dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
        dict(type="Pad", size_divisor=32),
    ]
    for split in ("train", "val"):
        use(config, split, os.path.join(root, "train2017"), annotations, transforms=transforms, batch_size=4, classes=classes)
    head = config["model"]["roi_head"]
    head["box"]["head"]["num_classes"] = head["branches"]["mask"]["head"]["num_classes"] = len(classes)
    config["scheduler"] = dict(type="StepLR", milestones=[], warmup="linear", warmup_iters=20, warmup_ratio=0.01)
    metrics, _ = go({**config, "max_iter": 50, "eval_interval": 50}, tmp_path / "run")
    assert metrics["bbox_mAP_50"] > 0.9 and metrics["segm_mAP_50"] > 0.8


@pytest.fixture(scope="module")
def puppets(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("puppets"))
    generate(folder, splits=("train_fixed",), train=4, test=1)
    return folder


@pytest.mark.parametrize("extractor", EXTRACTORS)
def test_the_loss_of_the_demo_falls(extractor, puppets, tmp_path):
    config = load_config(os.path.join(MINI, f"puppets_r18_fpn_{extractor}.py"))
    config["dataset"] = dict(train=config["dataset"]["train"])
    annotations = os.path.join(puppets, "annotations", "train_fixed.json")
    use(config, "train", os.path.join(puppets, "train_fixed"), annotations, batch_size=4)
    config["dataset"]["train"]["transforms"][0].update(min_size=96, max_size=96)
    config["optimizer"]["lr"] = 0.001
    config["scheduler"] = dict(type="StepLR", milestones=[], warmup=None)
    _, losses = go({**config, "max_iter": 20, "eval_interval": 0}, tmp_path)
    assert np.mean(losses[-4:]) < 0.7 * losses[0], losses
