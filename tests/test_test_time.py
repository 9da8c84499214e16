"""Running a trained model with mirrored images."""

import numpy as np
import pytest
from pycocotools.mask import decode

from jsra import Detector
from jsra.boxes.detections import DetectionSelector
from jsra.config import load_config
from jsra.data.masks import encode
from jsra.registry import ConfigError
from jsra.test_time import inference
from tests.toy_detector import write_config


class OneSided:
    """Finds whatever is bright, with its mask, and only in the left part of the image as it is given."""

    part = 0.5
    selector = DetectionSelector(nms_thr=0.5, max_per_img=2)

    def modules(self):
        return []

    def __call__(self, images, targets):
        results = []
        for image, target in zip(images.numpy(), targets):
            width, height = target["img_size"]
            ori_width, ori_height = target["ori_img_size"]
            assert not image[:, height:].any() and not image[:, :, width:].any()  # the padding stays where it was

            boxes, masks = [], []
            for value in np.unique(image[image > 0]):
                ys, xs = np.nonzero(image[0] == value)
                if xs.max() < width * self.part:
                    scale = ori_width / width
                    boxes.append([xs.min() * scale, ys.min(), (xs.max() + 1) * scale, ys.max() + 1])
                    mask = np.zeros((ori_height, ori_width), np.uint8)
                    mask[ys.min() : ys.max() + 1, int(xs.min() * scale) : int((xs.max() + 1) * scale)] = 1
                    masks.append(encode(mask))
            boxes = np.array(boxes, np.float32).reshape(-1, 4)
            results.append(
                dict(img_id=target["img_id"], boxes=boxes, scores=np.full(len(boxes), 0.75, np.float32),
                     labels=np.ones(len(boxes), np.int32), masks=masks)
            )  # fmt: skip
        return results


def test_mirrored_images_are_merged():
    images = np.zeros((2, 3, 12, 20), np.float32)
    images[0, :, 2:5, 1:4] = 1  # left, and at the right end of an image that is 16 wide and padded to 20
    images[0, :, 6:9, 13:15] = 2
    images[1, :, 0:3, 5:15] = 3  # in the middle: found in neither
    targets = [
        dict(img_id="a", img_size=(16, 10), ori_img_size=(32, 10)), dict(img_id="b", img_size=(20, 12), ori_img_size=(20, 12))
    ]  # fmt: skip
    model = OneSided()
    assert [len(r["boxes"]) for r in inference(model)(images, targets)] == [1, 0]
    first, second = inference(model, flip=True)(images, targets)
    assert first["img_id"] == "a" and sorted(first["boxes"].tolist()) == [[2, 2, 8, 5], [26, 6, 30, 9]]
    assert len(second["boxes"]) == 0
    for box, mask in zip(first["boxes"].astype(int), first["masks"]):
        ys, xs = np.nonzero(decode(mask))
        assert [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1] == box.tolist()


def test_what_is_found_in_both_is_there_once():
    images = np.zeros((1, 3, 8, 16), np.float32)
    images[0, :, 1:4, 2:6] = 1
    targets = [dict(img_id=1, img_size=(16, 8), ori_img_size=(16, 8))]
    model = OneSided()
    model.part = 1
    assert inference(model, flip=True)(images, targets)[0]["boxes"].tolist() == [[2, 1, 6, 4]]


def test_a_model_without_a_selector(tmp_path):
    with pytest.raises(ConfigError, match="flip: ToyDetector has no DetectionSelector"):
        Detector(load_config(write_config(tmp_path)), flip=True)
