"""Checks that an exported file gives the same detections as the model, on one image."""

from __future__ import annotations

import os
from typing import NamedTuple

import jittor as jt
import numpy as np

from jsra.data.image import read_image
from jsra.data.loader import collate
from jsra.data.transforms import Compose, Resize
from jsra.fuse import FusedModel
from jsra.heads.roi_head import read

TOLERANCE = 1e-4
NEAR = 1.0  # pixels: boxes of a class that differ by more are different detections


class Difference(NamedTuple):
    """The differences of two lists of detections: how many are in both lists, how many in only one; and for those in both,
    the largest differences of box coordinates (pixels), scores, and mask probabilities (None without masks)."""

    both: int
    alone: int
    boxes: float
    scores: float
    masks: float | None

    def small(self, side: int) -> bool:
        """Whether the differences are only rounding. side: the longer side of the image; box differences are divided by
        it."""
        return not self.alone and max(self.boxes / side, self.scores, self.masks or 0.0) <= TOLERANCE

    def __str__(self):
        masks = "" if self.masks is None else f", masks {self.masks:.1e}"
        return (
            f"{self.both} detections in both, {self.alone} in only one; largest differences: boxes {self.boxes:.1e} pixels, "
            f"scores {self.scores:.1e}{masks}"
        )


def resized(detector, picture):
    """The image in a file after the detector's own Resize: uint8 RGB [H, W, 3]."""
    target = {}
    pixels = read_image(picture)
    for transform in detector.transforms.transforms:
        if isinstance(transform, Resize):
            pixels, target = transform(pixels, target, np.random.default_rng(0))
    return pixels


def ours(detector, pixels) -> dict:
    """The model's detections in `pixels`, uint8 RGB [H, W, 3] (already resized): boxes [n, 4] in these pixels, scores [n],
    labels [n], and masks [n, m, m] (probabilities)."""
    model, (height, width) = detector.model, pixels.shape[:2]
    others = [t for t in detector.transforms.transforms if not isinstance(t, Resize)]
    images, [target] = collate([Compose(others)(pixels, {"img_size": (width, height)})])

    def run(images):
        targets = model.complete(images, [target])
        feats = model.features(images)
        proposals, _ = model.rpn(feats, targets)
        results = model.roi_head.box.results(feats, proposals, targets)
        for name in model.roi_head.branches:
            results = getattr(model.roi_head, name).results(feats, results, targets)
        return read(results, targets)[0]

    return FusedModel(model).run(run, jt.array(images))


def session(path):
    """An onnxruntime session for a file, or for its bytes, on the CPU, with as many threads as Jittor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)  # 0: all cores
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def theirs(session, pixels) -> dict:
    """The same as `ours`, from the exported file."""
    values = session.run(None, {"image": pixels.transpose(2, 0, 1)[None].astype(np.float32)})
    found = dict(zip((output.name for output in session.get_outputs()), values))
    if "masks" in found:
        found["masks"] = found["masks"][:, 0]
    return found


def difference(a: dict, b: dict) -> Difference:
    """The Difference of two results; each detection of a is paired with the nearest one of its class in b. (The order may
    differ if scores are equal up to rounding.)"""
    free, pairs = np.ones(len(b["scores"]), bool), []
    for i, (box, label) in enumerate(zip(a["boxes"], a["labels"])):
        distance = np.abs(b["boxes"] - box).max(axis=1) if len(free) else np.zeros(0)
        distance[~free | (b["labels"] != label)] = np.inf
        if len(distance) and distance.min() <= NEAR:
            free[distance.argmin()] = False
            pairs.append((i, int(distance.argmin())))
    left, right = np.array(pairs, int).reshape(-1, 2).T

    def largest(key):
        return float(np.abs(a[key][left] - b[key][right]).max(initial=0.0))

    alone = len(a["scores"]) + len(b["scores"]) - 2 * len(pairs)
    masks = largest("masks") if "masks" in a else None
    return Difference(len(pairs), alone, largest("boxes"), largest("scores"), masks)
