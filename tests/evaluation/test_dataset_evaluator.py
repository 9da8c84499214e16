"""The evaluators of a config, and the errors that are reported before a model runs."""

import json
import os

import numpy as np
import pytest

from jsra.config import load_config
from jsra.data.coco import COCODataset
from jsra.data.dataset import DetectionDataset, Record
from jsra.data.image import DataError
from jsra.data.masks import encode
from jsra.evaluation.coco_ap import VALUES, coco_ap
from jsra.evaluation.coco_boxes import COCOBoxAP
from jsra.evaluation.coco_masks import COCOMaskAP
from jsra.evaluation.dataset_evaluator import DatasetEvaluator, Metrics, build_evaluators, evaluator_settings
from jsra.evaluation.evaluator import Evaluator
from jsra.evaluation.report import evaluate, write_submissions
from jsra.evaluation.voc_boxes import VOCBoxAP
from jsra.output import json_text
from jsra.registry import ConfigError, _entries, registered
from tests.data.tiny import ANNOTATIONS, NORMALIZE, write_coco
from tests.test_configs import LEAVES, ROOT
from tests.toy_detector import write_config


def config(tmp_path, **changes):
    return load_config(write_config(tmp_path, **changes))


def test_the_dataset_says_what_measures_it_where_the_config_does_not(tmp_path):
    assert evaluator_settings({"dataset": {"val": {"type": "VOCDataset"}}}, "val") == [{"type": "VOCBoxAP"}]
    assert evaluator_settings({"dataset": {"val": {"type": "COCODataset"}}}, "val") == [{"type": "COCOBoxAP"}]
    one = dict(type="VOCBoxAP", mode="area")
    assert evaluator_settings({"dataset": {"val": {"type": "COCODataset"}}, "evaluator": one}, "val") == [one]


def test_a_config_chooses_its_evaluators(tmp_path):
    evaluator = Evaluator(config(tmp_path, evaluator=[dict(type="VOCBoxAP"), dict(type="COCOBoxAP")]), progress=False)
    assert evaluator.names[:2] == ["voc_AP50", "bbox_mAP"]
    results = [
        {"img_id": r.img_id, "boxes": r.boxes, "scores": [1.0] * len(r.boxes), "labels": r.labels}
        for r in evaluator.dataset.records
    ]
    assert list(evaluator.evaluate(results)) == evaluator.names


class OwnData(DetectionDataset):
    """Ids and labels of NumPy, and objects that the records do not have."""

    def __init__(self, root: str, transforms=None):
        super().__init__(["red", "green"], transforms, 1, 0, False, False, False, 0, False, 1)
        self.cat_ids = list(np.arange(2))
        self.records = [Record(i, f"{root}/{i}.png", 120, 100) for i in np.arange(2)]
        self._filter(False, 0)

    def ground_truth(self):
        made = super().ground_truth()
        box = dict(category_id=self.cat_ids[0], bbox=[0, 0, 10, 10], area=100, iscrowd=0)
        made["annotations"] = [dict(box, id=i + 1, image_id=i) for i in self.img_ids]
        return made


class Counted(COCOBoxAP):
    """Its result file is that of COCOBoxAP, or an empty one."""

    names = ("counted",)

    def __init__(self, empty=False):
        super().__init__()
        self.empty = empty

    def submission(self, dataset, results):
        return [] if self.empty else super().submission(dataset, results)

    def evaluate(self, dataset, results, submission):
        return Metrics({"counted": np.float32(len(submission))})


@pytest.mark.parametrize("empty, more", [(False, []), (True, ["val.bbox_2.json"])])
def test_an_own_data_set_and_an_own_evaluator(tmp_path, empty, more):
    """Numbers of NumPy can be written, and the second evaluator does not overwrite the file of the first."""
    dataset = OwnData(str(tmp_path))
    results = [
        {"img_id": i, "boxes": [[0, 0, 10, 10]], "scores": np.float32([0.5]), "labels": [1]} for i in dataset.img_ids
    ]
    found = evaluate([COCOBoxAP(), Counted(empty)], dataset, results, str(tmp_path), "val")
    assert found["bbox_mAP"] == pytest.approx(1) and found["counted"] == (0 if empty else 2)
    assert sorted(os.listdir(tmp_path / "detections")) == sorted(["val.bbox.json", "val.ids.json", *more])
    with open(tmp_path / "detections" / "val.bbox.json") as file:
        assert [row["image_id"] for row in json.load(file)] == [0, 1]
    assert json.loads(json_text(dict(found)))["counted"] == found["counted"]
    evaluate([COCOBoxAP()], dataset, results, str(tmp_path), "val")  # that of another evaluator is of earlier detections
    assert sorted(os.listdir(tmp_path / "detections")) == ["val.bbox.json", "val.ids.json"]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda t: t["annotations"][0].update(category_id=99), "category 99 is not listed"),
        (lambda t: t["annotations"][0].update(bbox=None), "bbox is None"),
        (lambda t: t["annotations"][0].update(area="5"), "area is '5'"),
        (lambda t: t.pop("categories"), "it has no categories"),
        (lambda t: t["images"].pop(), "image id 1 of the data set is not listed"),
        (lambda t: t["categories"].pop(), "category id .* of the data set is not listed"),
    ],
)
def test_an_own_ground_truth_is_checked_before_the_inference(tmp_path, monkeypatch, change, words):
    dataset = OwnData(str(tmp_path))
    given = dataset.ground_truth()
    monkeypatch.setattr(OwnData, "ground_truth", lambda self: given)
    given["annotations"].append(dict(given["annotations"][0], image_id="elsewhere"))  # is not evaluated
    for image in given["images"]:
        del image["file_name"]  # not needed
        image["id"] = np.float64(image["id"])
    for category in given["categories"]:
        del category["name"]
    for annotation in given["annotations"]:
        square = np.zeros((100, 120), np.uint8)
        square[:10, :10] = 1
        rle = encode(square)
        annotation["segmentation"] = {**rle, "counts": rle["counts"].encode()}  # as pycocotools writes it
    COCOBoxAP().check(dataset)
    boxes = [annotation.pop("bbox") for annotation in given["annotations"]]
    COCOMaskAP().check(dataset)
    with pytest.raises(ConfigError, match="bbox is missing"):
        COCOBoxAP().check(dataset)
    for annotation, box in zip(given["annotations"], boxes):
        annotation["bbox"] = box
    width = given["images"][0].pop("width")
    COCOBoxAP().check(dataset)
    with pytest.raises(ConfigError, match="image id 0: width is missing"):
        COCOMaskAP().check(dataset)
    given["images"][0]["width"] = width
    change(given)
    for evaluator in (COCOBoxAP(), COCOMaskAP()):
        with pytest.raises((ConfigError, DataError), match=rf"OwnData.ground_truth\(\)[^$]*{words}"):
            evaluator.check(dataset)
    given = {**given, "images": iter(given["images"])}
    with pytest.raises(ConfigError, match="list_iterator is not JSON serializable: give lists"):
        COCOBoxAP().check(dataset)
    given = [given]
    with pytest.raises(ConfigError, match="OwnData.ground_truth.*: expected a dictionary in COCO's format"):
        COCOBoxAP().check(dataset)


def test_ids_that_a_result_file_cannot_contain(tmp_path):
    dataset = OwnData(str(tmp_path))
    for img_id in (b"a", tmp_path, None, True):
        dataset.records[0].img_id = img_id
        with pytest.raises(ConfigError, match="OwnData: image ids must be numbers or text, for result files; one is"):
            COCOBoxAP().check(dataset)


def test_submissions_of_one_key_with_arrays(tmp_path):
    dataset, rows = OwnData(str(tmp_path)), [{"image_id": 0, "box": np.zeros(4)}]
    paths = write_submissions(dataset, [("bbox", rows), ("bbox", [{"image_id": 0, "box": [0.0] * 4}])], str(tmp_path), 12)
    assert [os.path.basename(path) for path in paths] == ["12.bbox.json"]  # JDet's runner gives the epoch as the name


def test_objects_of_an_own_data_set_are_evaluated(tmp_path):
    made = config(tmp_path)
    entry = dict(type="OwnData", root=made["dataset"]["val"]["root"], transforms=made["dataset"]["val"]["transforms"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_entries, "OwnData", (OwnData, "dataset"))
        made["dataset"]["val"] = entry
        evaluator = Evaluator(made, "val", progress=False)
    assert evaluator.dataset.has_objects()
    evaluator.check_objects()


@pytest.mark.parametrize(
    "settings, words",
    [
        ([dict(type="COCOBoxAp")], r"evaluator\[0\]\.type: 'COCOBoxAp' is not registered; did you mean 'COCOBoxAP'"),
        ([dict(type="COCOBoxAP", backnd="x")], r"evaluator\[0\]\.backnd: .*did you mean 'backend'"),
        ([dict(type="COCOBoxAP"), dict(type="StepLR")], r"evaluator\[1\]\.type: 'StepLR' is a scheduler, but must be"),
        ([], "the list is empty"),
        ([dict(type="VOCBoxAP"), dict(type="VOCBoxAP", mode="area")], "two evaluators give the metric 'voc_AP50'"),
    ],
)
def test_wrong_evaluators_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        build_evaluators(settings)


def test_best_metric_is_one_that_the_evaluators_give(tmp_path):
    with pytest.raises(ConfigError, match="best_metric: the evaluators give no 'bbox_mAP50'; did you mean 'bbox_mAP_50'"):
        Evaluator(config(tmp_path, best_metric="bbox_mAP50"), "val")
    assert Evaluator(config(tmp_path / "b", best_metric="bbox_AR_10"), "val").names[0] == "bbox_mAP"


def test_masks_are_evaluated_only_where_the_annotations_have_them(tmp_path):
    without = [{**ANNOTATIONS[0], "segmentation": []}, *ANNOTATIONS[1:]]
    for annotations, raises in ((ANNOTATIONS, False), (without, True)):
        place = write_coco(str(tmp_path), annotations)
        settings = dict(type="COCODataset", **place, use_anno_cats=True, filter_empty_gt=False, transforms=[NORMALIZE])
        made = {"dataset": {"val": settings}, "work_dir": None, "evaluator": [dict(type="COCOMaskAP")]}
        if raises:
            with pytest.raises(DataError, match="image id 1, annotation 1: has no segmentation; evaluate only boxes"):
                Evaluator(made)
        else:
            assert Evaluator(made).names[0] == "segm_mAP"


@pytest.mark.parametrize("path", LEAVES)
def test_every_config_names_its_evaluators(path):
    config = load_config(os.path.join(ROOT, path))
    assert build_evaluators(config["evaluator"])


def test_names_are_those_of_what_is_measured():
    one = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9]}
    place = {"images": [{"id": 1}], "annotations": [one], "categories": [{"id": 1, "name": "a"}]}
    assert tuple(coco_ap(place, [{**one, "score": 1.0}], [1])[0]) == VALUES
    assert COCOMaskAP.names[1] == "segm_mAP_50" and COCOBoxAP.columns["APS"] == "bbox_mAP_s"
    for evaluator in (COCOBoxAP, COCOMaskAP, VOCBoxAP):
        assert set(evaluator.columns.values()) <= set(evaluator.names)
    assert {"COCOBoxAP", "COCOMaskAP", "VOCBoxAP"} <= set(registered("evaluator"))


class Own(DatasetEvaluator):
    """A user's evaluator that returns a given value."""

    names = ("mine",)

    def __init__(self, given):
        self.given = given

    def evaluate(self, dataset, results, submission):
        return self.given


@pytest.mark.parametrize(
    "given, message",
    [
        (None, "expected .*Metrics, got None"), ({"mine": 1.0}, "expected .*Metrics"), (Metrics({"other": 1.0}), "none"),
        (Metrics({"mine": "1.0"}), "'mine' is '1.0'"), (Metrics({"mine": np.ones(2)}), "must be a number"),
    ],
)  # fmt: skip
def test_what_a_users_evaluator_returns(tmp_path, given, message):
    dataset = Evaluator(config(tmp_path), progress=False).dataset
    metrics = evaluate([Own(Metrics({"mine": np.float32(0.5)}))], dataset, [])
    assert metrics == {"mine": 0.5} and type(metrics["mine"]) is float  # for JSON, the log and TensorBoard
    with pytest.raises(ConfigError, match=f"Own.evaluate: .*{message}"):
        evaluate([Own(given)], dataset, [])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"labels": [3]}, r"image id 0: the model gives the labels \[3\]; .* labels 1 to 2"),
        ({"labels": [0]}, "image 0: labels are whole numbers from 1"),
        ({"scores": [np.nan]}, "image 0: .*finite.*; scores is"), ({"scores": [0.9, 0.8]}, "image 0: .*same n detections"),
        ({"boxes": [[1, 2, np.nan, 4]]}, "image 0: .*finite.*; boxes is"), ({"boxes": [[1, 2, 3, 4, 5]]}, "image 0: boxes"),
    ],
)  # fmt: skip
def test_results_of_a_wrong_form(tmp_path, change, message):
    """They would count for another class, or for nothing: labels are indices into the category ids, -1 is a valid index."""
    evaluator = Evaluator(config(tmp_path), progress=False)
    result = {"img_id": 0, "boxes": np.ones((1, 4)), "scores": np.ones(1), "labels": np.array([1]), **change}
    with pytest.raises(ConfigError, match=message):
        evaluator.evaluate([result])


def test_masks_of_another_size_and_masks_without_a_pixel(tmp_path):
    """A mask of another size would find nothing; an object without a pixel cannot be found, and the table says so."""
    line = {**ANNOTATIONS[0], "segmentation": [[5, 5, 15, 5, 9, 5]]}
    dataset = COCODataset(**write_coco(str(tmp_path), [line, *ANNOTATIONS[1:]]), use_anno_cats=True, filter_empty_gt=False)
    r = dataset.record(1)
    result = {"img_id": r.img_id, "boxes": r.boxes, "scores": [0.9], "labels": r.labels}
    metrics = evaluate([COCOMaskAP()], dataset, [{**result, "masks": [encode(np.ones((40, 30)))]}])
    assert "no pixel" not in metrics.table  # only images with results count
    bitmaps = evaluate([COCOMaskAP()], dataset, [{**result, "masks": np.ones((1, 40, 30), bool)}])
    assert bitmaps["segm_mAP"] == metrics["segm_mAP"] and bitmaps["segm_mAP"] > 0
    for mask in (np.full((40, 30), 0.9), np.ones((1, 40, 30), bool)):
        with pytest.raises(ConfigError, match=r"id 2: a mask is an RLE .* not ndarray \[.*40, 30\]: of probabilities, give"):
            evaluate([COCOMaskAP()], dataset, [{**result, "masks": [mask]}])
        assert evaluate([COCOBoxAP()], dataset, [{**result, "masks": [mask]}])["bbox_mAP"] > 0
    others = [{**result, "img_id": 1, "masks": [encode(np.ones((30, 40)))]}]
    assert "\n1 objects have a mask that covers no pixel" in evaluate([COCOMaskAP()], dataset, others).table
    with pytest.raises(ConfigError, match=r"image id 2 has a mask of .* \[30, 40\], its picture has \[40, 30\]"):
        evaluate([COCOMaskAP()], dataset, [{**result, "masks": [encode(np.ones((30, 40)))]}])
