"""The base class of all detectors: backbone, neck, and the targets of a batch."""

from __future__ import annotations

from typing import NamedTuple

import jittor as jt
import numpy as np
from jittor import nn

from jsra.arguments import short
from jsra.boxes.structures import Targets
from jsra.data.classes import counted
from jsra.data.loader import LEAST_SIDE
from jsra.registry import ConfigError


class BackboneMaps(NamedTuple):
    """The output of a frozen backbone, used instead of images [B, 3, H, W]. maps: finest first; shape: that of the images."""

    maps: tuple
    shape: tuple


def model_input(batch, targets):
    """The input of a detector from a loader's batch: images, or BackboneMaps of a dataset that delivers features."""
    if not isinstance(batch, tuple):
        # Without stop_grad, Jittor would keep the arrays for the gradient of the input through all frozen layers.
        return jt.array(batch).stop_grad()
    width, height = (max(side, LEAST_SIDE) for side in targets[0]["pad_shape"])  # the images of the maps: from collate
    return BackboneMaps(tuple(jt.array(m).stop_grad() for m in batch), (len(targets), 3, height, width))


class Detector(nn.Module):
    """The base class of all detectors. A subclass has execute(images, targets) and forward_heads(feats, rois).

    backbone(images) -> maps; neck(maps) -> maps (None: the maps of the backbone are used). extractor: the RoI feature
    extractor of the boxes, None in a one-stage detector.
    """

    extractor = None

    def __init__(self, backbone, neck=None):
        super().__init__()
        self.backbone = backbone
        self.neck = neck

    def eval(self):
        """Evaluation mode, in which no parameter has a gradient."""
        for part in self._parts_with_record():
            if part.is_training():
                del part.backup_grad_state
        return super().eval()

    def train(self):
        """Training mode. What is frozen with stop_grad stays frozen: Jittor keeps a record of what the first eval() found,
        and would train again what was frozen since then."""
        alone = [part for part in self._parts_with_record() if part is not self and not part.is_training()]
        for part in alone:  # they were put into evaluation mode alone, perhaps one inside another
            part.train()
        super().train()
        for part in self._parts_with_record():
            del part.backup_grad_state
        return self

    def _parts_with_record(self):
        """This module and the modules in it that have Jittor's record of which parameters eval() froze."""
        return [part for part in self.modules() if "backup_grad_state" in vars(part)]

    def features(self, images):
        """images [B, 3, H, W], or BackboneMaps -> tuple of maps, finest first."""
        maps = images.maps if isinstance(images, BackboneMaps) else self.backbone(images.stop_grad())
        return tuple(maps if self.neck is None else self.neck(maps))

    def forward_heads(self, feats, rois):
        """Run each head once, without losses or results, on all maps or on rois [K, 5]. Used to count the cost."""
        raise NotImplementedError

    def complete(self, images, targets) -> Targets:
        """The targets of a batch, checked, with the sizes filled in.

        images [B, 3, H, W] normalised and padded; targets: one dict per image; sizes are (width, height) in pixels.
        Evaluation needs img_size, ori_img_size (default: the size of the images) and img_id; training also needs bboxes xyxy
        [n, 4] in pixels of the input, labels [n] (1-based) and bboxes_ignore [m, 4], each an array or a Var. Raises
        ValueError for targets that do not fit; ConfigError, which is one, for a data set that gives wrong objects.
        """
        batch, _, height, width = images.shape
        if targets is None:
            if self.is_training():
                raise ValueError("training needs targets: one dict per image with bboxes and labels")
            targets = [{} for _ in range(batch)]
        if len(targets) != batch:
            raise ValueError(f"{batch} images but {len(targets)} targets")
        # Not kept between calls: a head may be replaced by one for other classes.
        most = min((count for _, count in counted(self)), default=None) if self.is_training() else None
        complete = []
        for i, target in enumerate(targets):
            target = {key: value.numpy() if isinstance(value, jt.Var) else value for key, value in target.items()}
            size = target.get("img_size", (width, height))
            target = {"img_id": i, **target, "img_size": size, "ori_img_size": target.get("ori_img_size", size)}
            if self.is_training():
                for key in ("bboxes", "labels"):
                    if target.get(key) is None:
                        what = f"training needs {key!r} in every target; image {target['img_id']!r} has none"
                        raise ConfigError(f"{what}: correct the data set")
                if len(target["bboxes"]) != len(target["labels"]):
                    what = f"{len(target['bboxes'])} bboxes but {len(target['labels'])} labels"
                    raise ConfigError(f"image {target['img_id']!r}: {what}: correct the data set")
                self._check_objects(target, most)
            complete.append(target)
        return Targets(complete, self.is_training())

    def _check_objects(self, target, most):
        """Raise ConfigError for labels that are not classes, 1 to `most` (None: unknown), and for boxes that are none."""
        where, labels = f"image {target['img_id']!r}", np.asarray(target["labels"])
        sound = labels.dtype.kind in "iuf" and (labels == np.floor(labels)).all() and (labels >= 1).all()
        if labels.size and not (sound and (most is None or labels.max() <= most)):
            limit = "" if most is None else f" to {most}"
            given = short(labels.tolist())
            what = f"labels must be whole numbers from 1{limit} (0 is the background), not {given}"
            raise ConfigError(f"{where}: {what}: correct the data set")
        for key in ("bboxes", "bboxes_ignore"):
            boxes = np.asarray(() if target.get(key) is None else target[key], np.float32)
            if boxes.size and not (
                boxes.ndim == 2 and boxes.shape[1] == 4 and np.isfinite(boxes).all() and (boxes[:, 2:] >= boxes[:, :2]).all()
            ):
                what = "finite numbers [n, 4], x0, y0, x1, y1 with x0 <= x1 and y0 <= y1"
                raise ConfigError(f"{where}: {key} must be {what}, not {short(boxes.tolist())}: correct the data set")
