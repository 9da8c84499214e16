"""A detector and a dataset that are small enough for tests of commands: coloured rectangles, found by colour."""
import json

import jittor as jt
import numpy as np
from jittor import nn
from PIL import Image

from jsra.registry import register

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30)}


@register("detector")
class ToyDetector(nn.Module):
    """One box per image: around the pixels that are not grey; its class from the mean colour, by a learned linear layer."""

    def __init__(self):
        self.fc = nn.Linear(3, 3)

    def execute(self, images, targets):
        pixels = images.numpy()
        boxes, means = [], []
        for image, target in zip(pixels, targets):
            width, height = target["img_size"]
            ys, xs = np.nonzero(np.abs(image[:, :height, :width]).max(0) > 0.3)
            box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] if len(xs) else [0, 0, 1, 1]
            boxes.append(np.array(box, np.float32) / np.asarray(target["scale_factor"]))
            means.append(image[:, ys, xs].mean(1) if len(xs) else np.zeros(3))
        logits = self.fc(jt.array(np.array(means, np.float32)))
        if self.is_training():
            return dict(loss_cls=nn.cross_entropy_loss(logits, jt.array(np.array([t["labels"][0] for t in targets]))))
        scores = nn.softmax(logits, dim=1).numpy()[:, 1:]
        return [
            dict(img_id=t["img_id"], boxes=b[None], scores=s.max(keepdims=True), labels=np.array([s.argmax() + 1], np.int32))
            for t, b, s in zip(targets, boxes, scores)
        ]


def make_dataset(folder, count=8):
    """Pictures with one rectangle each and their COCO annotations; returns the image folder and the annotation file."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for i in range(count):
        rng = np.random.default_rng(i)
        x, y, w, h = int(rng.integers(0, 40)), int(rng.integers(0, 30)), int(rng.integers(40, 60)), int(rng.integers(40, 60))
        pixels = np.full((100, 120, 3), 128, np.uint8)
        label = i % 2
        pixels[y : y + h, x : x + w] = list(COLORS.values())[label]
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
        images.append(dict(id=i, file_name=f"{i}.png", width=120, height=100))
        annotations.append(
            dict(
                id=i + 1, image_id=i, category_id=label + 1, bbox=[x, y, w, h], area=w * h, iscrowd=0,
                segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
            )
        )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(COLORS)]
    path = folder / "annotations.json"
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    return str(folder / "images"), str(path)


def write_config(folder, **changes):
    """A config file for ToyDetector on `make_dataset`, and its path."""
    root, annotations = make_dataset(folder / "data")
    data = dict(
        type="COCODataset", root=root, anno_file=annotations, classes=list(COLORS), batch_size=2, filter_min_size=1,
        transforms=[dict(type="Normalize", mean=[128.0] * 3, std=[100.0] * 3)],
    )  # fmt: skip
    config = dict(
        model=dict(type="ToyDetector"),
        dataset=dict(train=dict(data, shuffle=True), val=data, test=data),
        optimizer=dict(type="SGD", lr=1.0, momentum=0.9),
        scheduler=dict(type="StepLR", milestones=[4]),
        max_epoch=5,
        eval_interval=5,
        checkpoint_interval=2,
        log_interval=1,
        work_dir=str(folder / "work"),
        **changes,
    )
    path = folder / "toy.py"
    path.write_text("\n".join(f"{key} = {value!r}" for key, value in config.items()))
    return str(path)
