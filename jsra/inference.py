"""Detections in three lines:

    from jsra import Detector
    detector = Detector("jdet_configs/faster_rcnn_r50_fpn_sra_1x_coco.py", "weights.safetensors")
    result = detector("street.jpg")     # {"boxes": [n, 4], "scores": [n], "labels": [n], "names": [...]}
"""
from __future__ import annotations

import os
import sys
from collections import deque

import numpy as np

from jsra.config import Config, load_config
from jsra.data.transforms import test_transforms
from jsra.registry import ConfigError, build


class Detector:
    """A model with its weights and its test-time transforms.

    Args:
        config: a config file or a loaded Config.
        weights: a .safetensors, .pth or .pt file, a checkpoint folder or a work_dir (its latest checkpoint); None keeps
            the random initial weights.
        overrides: strings 'a.b=c' for a config file.
        classes: names of labels 1, 2, ...; default: those of the checkpoint, otherwise those of the config.
        flip: also detect in the mirrored image, and merge both results (jsra.test_time).

    Raises ConfigError, FileNotFoundError, and ValueError if weights and model do not fit.
    """

    def __init__(self, config, weights=None, overrides=(), classes=None, flip=False):
        from jsra.data.classes import check_model, class_list
        from jsra.data.transforms import Compose, check_fixed
        from jsra.runtime.device import use_best_device
        from jsra.test_time import inference

        if isinstance(config, Config) and overrides:
            raise ConfigError("overrides are for a config file: give them to load_config, which has read this config")
        self.config = config if isinstance(config, Config) else load_config(config, overrides)
        self.device = use_best_device(self.config)
        self.transforms = Compose(build(test_transforms(self.config), "dataset.test.transforms"))
        check_fixed(self.transforms.transforms, "the transforms of dataset.test, or else dataset.val")
        self.model = load_model(self.config, weights)
        self._run, self._flip = inference(self.model, flip), flip
        self.classes = class_list(classes) or class_names(self.config, weights)
        if self.classes:
            check_model(self.model, self.classes, "the list of names")

    def prepare(self, image):
        """(images [1, 3, h, w], [target]) for a path, a Pillow image or a uint8 RGB array [H, W, 3]; the model is then in
        evaluation mode.

        Raises jsra.data.image.DataError for a file that cannot be read, ValueError for anything else.
        """
        from PIL import Image

        from jsra.data.image import new_target, read_image, rgb_pixels
        from jsra.data.loader import collate

        self._stop_training()
        name = os.fspath(image) if isinstance(image, (str, os.PathLike)) else None
        if name is not None:
            pixels = read_image(name)
        elif isinstance(image, (np.ndarray, Image.Image)):
            pixels = image if isinstance(image, np.ndarray) else rgb_pixels(image)
        else:
            what = "a path, a Pillow image or a uint8 RGB array [H, W, 3]"
            raise ValueError(f"an image must be {what}, this is {type(image).__name__}")
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            raise ValueError(f"an image must be uint8 RGB [H, W, 3], this array is {pixels.dtype} {list(pixels.shape)}")
        target = new_target((pixels.shape[1], pixels.shape[0]), name or 0, name, self.classes)
        return collate([self.transforms(pixels, target, np.random.default_rng(0))])

    def __call__(self, image) -> dict:
        """The detections of one image, best first; a list of images gives a list.

        Returns a dict: boxes xyxy [n, 4] in pixels of the original image, scores [n], labels [n] (1-based), names [n], and
        masks (COCO RLE, see jsra.data.masks.to_bitmaps) if the model predicts masks.
        """
        if isinstance(image, (list, tuple)):
            return [self(one) for one in image]
        batch, targets = self.prepare(image)
        return self._named(self._run(batch, targets)[0])

    def follow(self, frames):
        """Yield (frame, detections) for each frame of a video, in order; frames: an iterable of inputs of `prepare`.

        A detector that uses several frames yields the detections of a frame after the following frames. It stores only the
        frames of its window, so frames can come from a camera without end, and raises ValueError if they differ in size.
        """
        from jsra.test_time import FrameRunner

        runner, waiting = FrameRunner(self.model, self._flip), deque()
        for number, frame in enumerate(frames):
            batch, (target,) = self.prepare(frame)
            waiting.append(frame)
            found = runner.push(batch, [{**target, "img_id": number, "video_id": 0}])
            yield from ((waiting.popleft(), self._named(result)) for result in found)
        self._stop_training()
        yield from ((waiting.popleft(), self._named(result)) for result in runner.finish())

    def _stop_training(self):
        if self.model.is_training():  # the user trained it in between
            self.model.eval()

    def _named(self, result):
        result["names"] = [self.name(label) for label in result["labels"]]
        return result

    def name(self, label: int) -> str:
        """The class name of a 1-based label."""
        return self.classes[label - 1] if 0 < label <= len(self.classes) else f"class {label}"


def load_model(config, weights=None):
    """The config's model in evaluation mode; weights: as in Detector."""
    import jittor as jt

    from jsra.detectors.fit import check_fit
    from jsra.engine.checkpoint import weights_file
    from jsra.runtime.distributed import on_main, share_weights

    if weights is not None:
        on_main(lambda: weights_file(weights))  # before the model is built: a wrong path should be reported immediately
    model = build(config["model"], "model", "detector")
    jt.sync_all()
    check_fit(model)
    if weights is not None:
        on_main(lambda: _load(model, weights, config))
        share_weights(model)
    model.eval()
    return model


def _load(model, weights, config):
    from jsra.convert.load import load_weights
    from jsra.convert.trained_with import run_notes, weights_notes
    from jsra.engine import checkpoint

    path = checkpoint.weights_file(weights)
    if checkpoint.is_model(path):
        folder = os.path.dirname(path)
        lines = run_notes(folder, checkpoint.restore(folder, model).get("config"), config)
    else:
        load_weights(model, path, strict=True)
        lines = weights_notes(path, config)
    for line in lines:
        print(line, file=sys.stderr)


def class_names(config, weights=None) -> tuple:
    """The classes of a checkpoint, otherwise those in the config, otherwise those of its dataset type; () if unknown."""
    from jsra.data.coco import COCO_CLASSES
    from jsra.data.vid_classes import VID_CLASSES
    from jsra.data.voc import VOC_CLASSES
    from jsra.engine.checkpoint import classes_of

    found = classes_of(weights) if weights is not None else None
    if found:
        return tuple(found)
    for split in ("test", "val", "train"):
        settings = config["dataset"].get(split) or {}
        names = settings.get("classes")
        if names and not isinstance(names, (list, tuple, dict)):  # {name: WordNet id} of a VIDDataset
            raise ConfigError(f"dataset.{split}.classes: expected a list of names, got {names!r}")
        if names:
            return tuple(names)
    defaults = {"COCODataset": COCO_CLASSES, "VOCDataset": VOC_CLASSES, "VIDDataset": tuple(VID_CLASSES)}
    for split in ("test", "val", "train"):
        settings = config["dataset"].get(split) or {}
        if settings.get("type") in defaults and not settings.get("use_anno_cats"):
            return defaults[settings["type"]]
    return ()
