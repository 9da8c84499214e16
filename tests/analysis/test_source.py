"""The detections that `jsra analyze` takes are those of this data set and of the last test."""

import json

import numpy as np
import pytest

from jsra.analysis.analyze import analyze
from jsra.analysis.errors import precisions
from jsra.analysis.matching import images_of
from jsra.analysis.source import added
from jsra.cli import main
from jsra.data.coco import COCODataset
from jsra.data.dataset import DetectionDataset, Record
from jsra.data.lvis import LVISDataset
from jsra.evaluation.coco_ap import coco_ap
from jsra.evaluation.dataset_evaluator import build_evaluators
from jsra.evaluation.lvis_ap import lvis_package
from jsra.evaluation.report import evaluate, meaning
from tests.data.tiny import ANNOTATIONS, annotation, write_coco

try:
    lvis_package()
except ImportError:
    needs_lvis = pytest.mark.skip(reason="needs the package lvis: pip install --no-deps lvis")
else:
    needs_lvis = pytest.mark.filterwarnings("default")


def perfect(dataset):
    return [
        dict(img_id=r.img_id, boxes=r.boxes, scores=np.full(len(r.boxes), 0.9), labels=r.labels) for r in dataset.records
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """(folder of a run with perfect detections, path of its annotation file, a function that evaluates again)."""
    place = write_coco(str(tmp_path / "data"))
    entry = dict(type="COCODataset", **place, use_anno_cats=True, filter_empty_gt=False)
    folder = tmp_path / "run"

    def test(*types):
        dataset = COCODataset(**{k: v for k, v in entry.items() if k != "type"})
        evaluate(build_evaluators([dict(type=t) for t in types]), dataset, perfect(dataset), str(folder), "val")

    test("COCOBoxAP")
    (folder / "metrics.json").write_text(json.dumps({"split": "val", "config": {"dataset": {"val": entry}}}))
    return folder, place["anno_file"], test


def rewrite(path, change):
    with open(path) as f:
        content = json.load(f)
    change(content)
    with open(path, "w") as f:
        json.dump(content, f)


def other_images(content):
    names = [image["file_name"] for image in content["images"]]
    for image, name in zip(content["images"], names[1:] + names[:1]):
        image["file_name"] = name


def other_categories(content):
    first, second = content["categories"][:2]
    first["name"], second["name"] = second["name"], first["name"]


@pytest.mark.parametrize("change, words", [
    (other_images, "image id 1 was '0001.png' then, and is '0002.png' now"),
    (other_categories, "category id 20 was 'cat' then, and is 'dog' now"),
])  # fmt: skip
def test_ids_that_mean_something_else(run, capsys, change, words):
    """The annotations were exported again after the test."""
    folder, path, test = run
    assert main(["analyze", str(folder), "--worst", "0"]) == 0
    assert json.loads((folder / "analysis" / "analysis.json").read_text())["AP"]["mAP"] == pytest.approx(1)
    rewrite(path, change)
    assert main(["analyze", str(folder), "--worst", "0"]) == 2
    assert words in capsys.readouterr().err
    test("COCOBoxAP")
    assert main(["analyze", str(folder), "--worst", "0"]) == 0


def test_corrected_boxes_and_new_images_are_no_other_ids(run, capsys):
    folder, path, _ = run

    def change(content):
        content["annotations"][0]["bbox"] = [1, 1, 9, 9]
        content["images"].append(dict(id=9, file_name="0009.png", width=20, height=20))

    rewrite(path, change)
    assert main(["analyze", str(folder), "--worst", "0"]) == 0
    assert "came after" not in capsys.readouterr().err


def test_new_images_with_objects_are_said(run, capsys):
    """There are no detections in them: AP falls without a fault of the model."""
    folder, path, test = run
    detections = folder / "detections" / "val.bbox.json"

    def change(content):
        content["images"].append(dict(id=9, file_name="0009.png", width=40, height=40))
        content["annotations"].append({**content["annotations"][0], "id": 99, "image_id": 9, "bbox": [1, 1, 30, 30]})

    rewrite(path, change)
    assert main(["analyze", str(folder), "--worst", "0"]) == 0
    said = f"warning: 1 image of the annotations, such as 0009.png (id 9), came after {detections} was written: their objects"
    assert said in capsys.readouterr().err
    test("COCOBoxAP")
    assert main(["analyze", str(folder), "--worst", "0"]) == 0
    assert "came after" not in capsys.readouterr().err


def test_the_work_for_new_images_grows_with_their_number():
    """And not with its square."""
    count, compared = 1000, []

    class Id(int):
        __hash__ = int.__hash__

        def __eq__(self, other):
            compared.append(other)
            return int(self) == int(other)

    class Large:
        img_ids, records = [Id(i) for i in range(count)], [Record(Id(i), f"{i}.png", 9, 9) for i in range(count)]

        @staticmethod
        def ground_truth():
            return {"annotations": [{"image_id": Id(i)} for i in range(count)]}

    assert added(Large, "none.bbox.json") == []
    assert len(compared) < 10 * count


def test_where_the_page_goes_is_checked_at_the_start(run, tmp_path, capsys):
    (tmp_path / "file").write_text("precious")
    for place in ("file", "file/page"):
        assert main(["analyze", str(run[0]), "--out", str(tmp_path / place)]) == 2
        said = capsys.readouterr()
        assert "--out: " in said.err and "detections" not in said.out
    assert (tmp_path / "file").read_text() == "precious"


def test_boxes_of_an_earlier_test_do_not_stay(run, capsys):
    folder, _, test = run
    test("VOCBoxAP")
    assert main(["analyze", str(folder), "--worst", "0"]) == 2
    assert "add dict(type='COCOBoxAP')" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['{"images": 5}', "null", "[]", "{}", '{"categories": [], "images": [[1, 2, 3]]}'])
def test_a_damaged_list_of_ids(run, capsys, text):
    folder, _, _ = run
    (folder / "detections" / "val.ids.json").write_text(text)
    assert main(["analyze", str(folder)]) == 2
    assert "val.ids.json is damaged" in capsys.readouterr().err


def test_a_file_without_annotations(run, capsys):
    """As of a test set: all detections are near nothing."""
    folder, path, _ = run
    rewrite(path, lambda content: content.pop("annotations"))
    assert main(["analyze", str(folder), "--worst", "0"]) == 0
    assert "background" in capsys.readouterr().out


def test_objects_that_a_training_leaves_out_count(tmp_path):
    """As in AP: one is marked ignore, one has no area."""
    odd = [annotation(7, 1, 20, (20, 0, 9, 9), ignore=1), annotation(8, 4, 10, (2, 2, 9, 9), area=0)]
    dataset = COCODataset(
        **write_coco(str(tmp_path), [*ANNOTATIONS, *odd]), use_anno_cats=True, filter_empty_gt=False
    )  # fmt: skip
    rows = [
        dict(image_id=a["image_id"], category_id=a["category_id"], bbox=a["bbox"], score=0.9)
        for a in [*ANNOTATIONS, *odd] if not a["iscrowd"]
    ]  # fmt: skip
    found = analyze(dataset, rows, str(tmp_path / "out"), "odd", worst=0)
    assert found["AP"]["mAP"] == pytest.approx(1) and found["classes"]["cat"]["objects"] == 2
    assert not any(kind["count"] for kind in found["errors"].values())


class Unsorted(DetectionDataset):
    """Images 2 and 1, with an object each."""

    def __init__(self):
        super().__init__(["cat"], None, 1, 0, False, False, False, 0, False, 1)
        self.cat_ids = [1]
        self.records = [Record(i, f"{i}.png", 100, 100, [[0, 0, 10, 10]], [1]) for i in (2, 1)]


def test_equal_scores_have_the_order_of_ap():
    dataset = Unsorted()
    rows = [dict(image_id=i, category_id=1, bbox=[x, 0, 10, 10], score=0.5) for i, x in ((2, 0), (1, 50))]
    values, *_ = coco_ap(dataset.ground_truth(), rows, [1])
    assert precisions(images_of(dataset, rows), 1)[1].mean() == pytest.approx(values["mAP_50"])
    assert values["mAP_50"] < 0.3


class Volume(Unsorted):
    """Its pictures are no files."""

    def get(self, index, epoch=0):
        raise NotImplementedError


@pytest.mark.parametrize("file", ["", "volume.h5"])
def test_pictures_that_are_no_files_are_not_drawn(tmp_path, file):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'jsra[dev]'")
    dataset = Volume()
    for record in dataset.records:
        record.file = file and str(tmp_path / file)
    (tmp_path / "volume.h5").write_bytes(b"x")
    found = analyze(dataset, [], str(tmp_path), "t")
    assert found["errors"]["missed"]["count"] == 2
    said = f"{file or 'image id 1'}: 1 missed (no file of a picture, so not drawn)"
    assert said in (tmp_path / "index.html").read_text()


@needs_lvis
@pytest.mark.parametrize("key, errors", [(None, 1), ("neg_category_ids", 2), ("not_exhaustive_category_ids", 0)])
def test_classes_that_are_not_annotated_in_an_image(tmp_path, key, errors):
    """Of LVIS: a cat where there are cats is an error, a person where nobody looked for one is not."""
    place = write_coco(str(tmp_path), ANNOTATIONS[:1])

    def federated(content):
        for category in content["categories"]:
            category["frequency"] = "f"
        for image in content["images"]:
            image.update(neg_category_ids=[], not_exhaustive_category_ids=[], coco_url=f"http://x/images/{image['file_name']}")
        content["images"][0].update({key: [30] if key == "neg_category_ids" else [20]} if key else {})

    rewrite(place["anno_file"], federated)
    dataset = LVISDataset(str(tmp_path), place["anno_file"], filter_empty_gt=False)
    rows = [
        dict(image_id=1, category_id=c, bbox=box, score=score)
        for c, box, score in ((20, [5, 5, 10, 10], 0.5), (20, [25, 15, 10, 10], 0.9), (30, [25, 15, 10, 10], 0.8))
    ]  # fmt: skip
    found = analyze(dataset, rows, str(tmp_path / "out"), "lvis", worst=0)
    assert found["AP"]["mAP"] == pytest.approx(0.5 if errors else 1) and "AR_300" in found["AP"]
    assert found["errors"]["background"]["count"] == errors == sum(found["confusion"][-1])


def test_the_meaning_of_ids(tmp_path):
    dataset = COCODataset(**write_coco(str(tmp_path)), use_anno_cats=True, filter_empty_gt=False)
    found = meaning(dataset)
    assert found["categories"] == [[20, "cat"], [10, "dog"], [30, "person"]] and found["images"][0] == [1, "0001.png"]
