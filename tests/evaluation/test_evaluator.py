import json
import os

import jittor as jt
import numpy as np
import pytest
from PIL import Image

from jsra.config import load_config
from jsra.data.coco import COCODataset
from jsra.detectors.detector import Detector
from jsra.evaluation.coco_boxes import COCOBoxAP
from jsra.evaluation.coco_masks import COCOMaskAP
from jsra.evaluation.evaluator import Evaluator, detect
from jsra.heads.mask_branch import MaskResults
from jsra.inference import Detector as Inference
from jsra.registry import ConfigError, register
from tests.toy_detector import ToyDetector, write_config


@pytest.fixture
def evaluator(tmp_path):
    return Evaluator(load_config(write_config(tmp_path)), "val", progress=False)


def knowing():
    """A detector that knows the colours."""
    model = ToyDetector()
    model.fc.weight.update(jt.array(np.array([[0, 0, 0], [9, -9, 0], [-9, 9, 0]], np.float32)))
    model.fc.bias.update(jt.zeros(3))
    return model


def test_a_perfect_detector_gets_full_marks(evaluator, tmp_path):
    metrics = evaluator(knowing(), "final")
    assert metrics["bbox_mAP"] == pytest.approx(1.0) and metrics["bbox_mAP_50"] == pytest.approx(1.0)
    assert metrics.per_class["bbox_mAP"] == pytest.approx({"red": 1.0, "green": 1.0})
    assert "green" in metrics.table
    assert os.path.isfile(tmp_path / "work" / "detections" / "final.bbox.json")


def test_results_are_in_the_order_of_the_images_and_the_mode_is_restored(evaluator):
    model = knowing()
    model.train()
    results = list(detect(model, evaluator.dataset.loader(num_workers=0)))
    assert [r["img_id"] for r in results] == list(range(8))
    assert model.is_training()
    model.eval()
    evaluator.results(model)
    assert not model.is_training()


def test_images_that_training_repeats_are_tested_once(tmp_path):
    config = load_config(write_config(tmp_path), ["+dataset.val.repeat=3"])
    results = Evaluator(config, "val", progress=False).results(knowing())
    assert [r["img_id"] for r in results] == list(range(8))


def test_images_are_not_mirrored_where_detections_are_evaluated(tmp_path, capsys):
    flip = "[{type: RandomFlip, prob: 1.0}, {type: Normalize, mean: [128, 128, 128], std: [100, 100, 100]}]"
    overrides = [f"dataset.{split}.transforms={flip}" for split in ("train", "val")]
    config = load_config(write_config(tmp_path), overrides)
    with pytest.raises(ConfigError, match="dataset.val.transforms: RandomFlip is drawn for each image"):
        Evaluator(config, "val")
    assert Evaluator(config, "train", progress=False)(knowing())["bbox_mAP"] == pytest.approx(1.0)
    said = "dataset.train: the transforms of dataset.test or dataset.val are used, without RandomFlip"
    assert said in capsys.readouterr().err
    assert config["dataset"]["train"]["transforms"][0]["type"] == "RandomFlip"
    del config["dataset"]["test"]
    with pytest.raises(ConfigError, match="the transforms of dataset.test, or else dataset.val: RandomFlip is drawn"):
        Inference(config)


@register("dataset")
class OnlyImages(COCODataset):
    def get(self, index, epoch=0):
        return super().get(index, epoch)[0]


def test_what_a_users_data_set_gives_is_checked_at_the_start(tmp_path):
    config = load_config(write_config(tmp_path), ["dataset.val.type=OnlyImages"])
    with pytest.raises(ConfigError, match=r"OnlyImages.get\(0\): must return \(image, target\), not array"):
        Evaluator(config, "val")


def test_images_that_training_leaves_out_are_tested(tmp_path):
    """Image 3 has no object, and 8 images are not a whole number of batches of 5."""
    path = write_config(tmp_path)
    settings = ["+dataset.val.filter_empty_gt=true", "+dataset.val.drop_last=true", "dataset.val.batch_size=5"]
    annotations = load_config(path)["dataset"]["val"]["anno_file"]
    with open(annotations) as file:
        content = json.load(file)
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 3]
    with open(annotations, "w") as file:
        json.dump(content, file)
    evaluator = Evaluator(load_config(path, settings), "val", progress=False)
    assert [r["img_id"] for r in evaluator.results(knowing())] == list(range(8))
    assert evaluator(knowing())["bbox_mAP"] < 1  # what is found in image 3 is false
    evaluator.check_objects()
    content["annotations"] = []
    with open(annotations, "w") as file:
        json.dump(content, file)
    with pytest.raises(ConfigError, match="dataset.val: .* has no image with an object: there is nothing to evaluate"):
        Evaluator(load_config(path), "val").check_objects()


def test_memory_of_the_graph_is_released(evaluator):
    model = knowing()
    evaluator.results(model)
    before = jt.liveness_info()["lived_vars"]
    for _ in range(3):
        evaluator.results(model)
    assert jt.liveness_info()["lived_vars"] <= before + 1


def test_a_half_knowing_detector(evaluator):
    """Always 'red': the four red ones are right, the four green ones false alarms of the same score order."""
    model = knowing()
    model.fc.weight.update(jt.zeros((3, 3)))
    model.fc.bias.update(jt.array(np.array([0, 5, 0], np.float32)))
    metrics = evaluator(model)
    assert metrics.per_class["bbox_mAP_50"]["green"] == 0.0
    assert 0.4 < metrics.per_class["bbox_mAP_50"]["red"] < 0.9


def test_masks_of_a_detector_that_makes_none_are_refused_before_it_runs():
    class Boxes(Detector):
        def __init__(self):
            pass

    model = Boxes()
    COCOBoxAP().check_model(model)
    with pytest.raises(ConfigError, match="COCOMaskAP: Boxes without a mask branch makes no masks: evaluate boxes alone"):
        COCOMaskAP().check_model(model)
    model.mask = MaskResults(mask_thr=0.5)
    COCOMaskAP().check_model(model)


FLIP, CROP = dict(type="RandomFlip", prob=1.0), dict(type="RandomCrop", crop_size=(20, 20))


def whole(images, targets):
    """The results of a detector that finds the place of the white pixels and moves it back to the size of the picture."""
    for image, target in zip(images, targets):
        rows, columns = np.nonzero(image[0] > 127)
        ratio = np.array(target["ori_img_size"] * 2) / np.array(target["img_size"] * 2)
        box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * ratio
        yield dict(img_id=target["img_id"], boxes=box[None], scores=[1.0], labels=[1])


@pytest.mark.parametrize("steps", [[], [FLIP], [CROP], [dict(type="RandomChoice", pipelines=[[FLIP], [CROP]])]])
def test_the_data_of_a_training_can_be_evaluated(tmp_path, steps):
    """Detections in a mirrored or cropped picture would not fit the annotations; every image counts."""
    plain = dict(type="Normalize", mean=[0, 0, 0], std=[1, 1, 1])
    images, annotations = [], []
    for i in range(3):
        pixels = np.zeros((40, 50, 3), np.uint8)
        pixels[5:15, 3 + i : 23 + i] = 255
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        images.append(dict(id=i, file_name=f"{i}.png", width=50, height=40))
        annotations.append(dict(id=i, image_id=i, category_id=1, bbox=[3 + i, 5, 20, 10]))
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name="a")])
    (tmp_path / "a.json").write_text(json.dumps(content))
    data = dict(
        type="COCODataset", root=str(tmp_path), anno_file=str(tmp_path / "a.json"), use_anno_cats=True, batch_size=2,
        shuffle=True, drop_last=True, transforms=[*steps, dict(type="Resize", min_size=80, max_size=200), plain],
    )  # fmt: skip
    val = dict(transforms=data["transforms"][len(steps) :])
    evaluator = Evaluator(dict(dataset=dict(train=data, val=val), work_dir=None), "train")
    results = [result for batch in evaluator.dataset.loader() for result in whole(*batch)]
    assert evaluator.evaluate(results)["bbox_mAP"] == pytest.approx(1) and len(results) == 3


@pytest.mark.parametrize(
    "transforms, words",
    [("[]", "add Normalize"), ("[dict(type='RandomFlip', prob=0.0)]", "add Normalize"), ("[_n, _r]", "only Pad")],
)
def test_wrong_transforms_are_found_before_the_first_epoch(tmp_path, transforms, words):
    path = write_config(tmp_path)
    with open(path, "a") as f:
        f.write("\n_n = dict(type='Normalize', mean=[0, 0, 0], std=[1, 1, 1])\n_r = dict(type='RandomFlip', prob=0.0)\n")
        f.write(f"dataset['val']['transforms'] = {transforms}\ndel _n, _r\n")
    with pytest.raises(ConfigError, match=words):
        Evaluator(load_config(path), "val")


@register("dataset")
class LazyDataset(COCODataset):
    """A user's data set that opens a file at its first picture, and has objects that its records have not."""

    def picture(self, index, epoch=0):
        self.opened = True
        return super().picture(index, epoch)

    def target(self, record):
        return {**super().target(record), "bboxes": np.ones((1, 4), np.float32), "labels": np.ones(1, np.int32)}


def test_a_file_that_a_users_data_set_opens_is_opened_by_each_worker(tmp_path):
    config = load_config(write_config(tmp_path))
    config["dataset"]["val"]["type"] = "LazyDataset"
    dataset = Evaluator(config, "val").dataset
    assert not hasattr(dataset, "opened")


def test_objects_of_a_users_data_set_may_not_be_in_its_records(tmp_path):
    path = write_config(tmp_path)
    annotations = tmp_path / "data" / "annotations.json"
    annotations.write_text(json.dumps({**json.loads(annotations.read_text()), "annotations": []}))
    config = load_config(path)
    with pytest.raises(ConfigError, match="no image with an object"):
        Evaluator(config, "val").check_objects()
    config["dataset"]["val"]["type"] = "LazyDataset"
    Evaluator(config, "val").check_objects()
