"""The demo: trains SRA and RoI Align on the built-in dataset, and makes their table and pictures of both.

Each step can also be run as a separate command: `jsra data puppets`, `jsra table 1 --preset mini`, `jsra infer`, `jsra
masks`.
"""

from __future__ import annotations

import json
import os
import time

import numpy as np

ROWS = ("RoI Align", "SRA")
SPLITS = ("train_fixed", "test_fixed", "test_rotation")
# Small enough for 20 minutes on two CPU cores, including compilation; `jsra table 1 --preset mini` is the real measurement.
IMAGES = dict(train=400, test=60)


def overrides(data: str, epochs: int) -> list:
    """The demo's changes of the mini configs: its own small dataset, fewer epochs, one transformed test split."""
    changes = [f"max_epoch={epochs}", f"scheduler.milestones=[{max(1, epochs * 2 // 3)}, {max(1, epochs * 11 // 12)}]"]
    for name, split in (("train", "train_fixed"), ("val", "test_fixed"), ("test", "test_fixed")):
        changes += _split(data, name, split)
    for split in ("fixed", "rotation", "reflection", "perspective", "pose", "scale"):
        # A split that equals val is not evaluated again.
        changes += _split(data, f"test_{split}", "test_rotation" if split == "rotation" else "test_fixed")
    return changes


def _split(data, name, split):
    places = {"root": os.path.join(data, split), "anno_file": os.path.join(data, "annotations", f"{split}.json")}
    return [f"dataset.{name}.{key}={json.dumps(path, ensure_ascii=False)}" for key, path in places.items()]  # as text of YAML


def demo(out: str, epochs: int, pictures: int = 4, say=print) -> str:
    """Run the demo; returns the table as text. All files are written below `out`; existing results are not made again."""
    from jsra.data.puppets.generate import generate
    from jsra.paper import measure, report
    from jsra.paper.rows import table

    began = time.monotonic()
    data = os.path.join(out, "puppets")
    say(f"1/3 drawing {IMAGES['train']} + 2 x {IMAGES['test']} images into {data}")
    generate(data, splits=SPLITS, **IMAGES)
    changes = overrides(data, epochs)
    say(f"2/3 training {' and '.join(ROWS)} for {epochs} epochs (Jittor compiles each operator at its first use)")
    root = os.path.join(out, "runs")
    numbers = measure.report(table("1"), "mini", names=list(ROWS), train=True, root=root, overrides=changes, say=say)
    say("3/3 drawing detections and semantic masks")
    for path in draw(numbers, out, root, changes, pictures):
        say(f"  {path}")
    say(f"done in {(time.monotonic() - began) / 60:.1f} minutes\n")
    return report.render(numbers)


def draw(numbers, out, root, changes, pictures) -> list:
    """Write detections.png (both models, upright and rotated figures) and masks.png (SRA); returns both paths."""
    from PIL import Image

    from jsra.data.image import read_image
    from jsra.inference import Detector
    from jsra.paper.run import Run
    from jsra.visualize.detections import draw_detections
    from jsra.visualize.roi_masks import roi_masks
    from jsra.visualize.semantic_masks import draw_semantic_masks, most_telling

    names = [f"{i:06d}.jpg" for i in range(1, pictures + 1)]
    images = [read_image(os.path.join(out, "puppets", split, n)) for n in names for split in SPLITS[1:]]
    rows = []
    for row in numbers["rows"]:
        run = Run(row["config"], 0, root, changes)
        detector = Detector(run.config, run.work_dir)
        results = detector(images)
        rows.append(np.concatenate([draw_detections(image, r) for image, r in zip(images, results)], axis=1))
    paths = [os.path.join(out, "detections.png"), os.path.join(out, "masks.png")]
    Image.fromarray(np.concatenate(rows)).save(paths[0])

    # The last row is SRA, so `detector` is SRA's. The same figures, upright and rotated.
    sheets, chosen = [], None
    for image, split in zip(images[:2], SPLITS[1:]):
        boxes = _boxes_of_the_first_image(out, split)
        masks = roi_masks(detector, image, boxes)
        chosen = chosen or most_telling(masks, 6)
        sheets.append(draw_semantic_masks(image, boxes, masks, chosen))
    width = max(s.shape[1] for s in sheets)
    padded = [np.pad(s, ((0, 8), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in sheets]
    Image.fromarray(np.concatenate(padded)).save(paths[1])
    return paths


def _boxes_of_the_first_image(out, split, count=2):
    """The boxes [count, 4] of the first figures in the first image; all test splits have the same figures."""
    from jsra.boxes.convert import xywh_to_xyxy

    with open(os.path.join(out, "puppets", "annotations", f"{split}.json"), encoding="utf8") as f:
        content = json.load(f)
    first = content["images"][0]["id"]
    boxes = [a["bbox"] for a in content["annotations"] if a["image_id"] == first][:count]
    return xywh_to_xyxy(np.array(boxes, np.float32))
