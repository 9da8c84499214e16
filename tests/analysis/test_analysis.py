"""Kinds of errors, their cost, confusion, and the page, for detections with known errors."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from jsra.analysis import errors
from jsra.analysis.analyze import analyze
from jsra.analysis.confusion import confusion
from jsra.analysis.figures import draw_errors
from jsra.analysis.matching import Image, images_of
from jsra.cli import main
from jsra.data.coco import COCODataset
from jsra.evaluation.coco_ap import coco_ap
from jsra.registry import ConfigError

# An object of class 1 and one of class 2, and a crowd of class 1.
BOXES = np.array([[0, 0, 10, 10], [50, 0, 60, 10]], float)
FOUND = [
    # box, score, label, kind, object
    ([0, 0, 10, 9], 0.9, 1, "right", 0),
    ([0, 1, 10, 10], 0.8, 1, "twice", -1),
    ([50, 0, 60, 9], 0.7, 1, "class", 1),
    ([0, 0, 10, 3], 0.6, 1, "place", 0),
    ([50, 0, 60, 3], 0.5, 1, "both", -1),
    ([20, 50, 30, 60], 0.4, 2, "background", -1),
    ([90, 90, 95, 95], 0.3, 1, "ignored", -1),
]


def image(found=FOUND, boxes=BOXES, labels=(1, 2)):
    boxes_, scores, kinds = [f[0] for f in found], [f[1] for f in found], [f[2] for f in found]
    return Image(
        1, "1.png", boxes, np.array(labels), np.array([[80.0, 80, 100, 100]]), np.array([1]),
        np.array(boxes_, float).reshape(-1, 4), np.array(scores), np.array(kinds, int),
    )  # fmt: skip


def test_each_kind_is_told():
    one = image()
    assert one.kinds.tolist() == [f[3] for f in FOUND]
    assert one.objects.tolist() == [f[4] for f in FOUND]
    assert one.missed.tolist() == [False, False]  # with its class mended, the third would find the second object
    assert image(FOUND[:1]).missed.tolist() == [False, True]


def test_costs_by_hand():
    """Class 1: right, wrong ones behind it, AP 1. Class 2: nothing right; with the class mended, its object is found."""
    found = errors.costs([image()], 2)
    assert {kind: n for kind, (n, _) in found.items()} == {
        "class": 1, "place": 1, "both": 1, "twice": 1, "background": 1, "missed": 0,
    }  # fmt: skip
    assert errors.average_precision([image()], 2) == pytest.approx(0.5)
    assert found["class"][1] == pytest.approx(0.5) and found["background"][1] == 0 and found["twice"][1] == 0
    missed = errors.costs([image(FOUND[:1])], 2)["missed"]
    assert missed == (1, 0.0)  # the class has no object left, and nothing that finds one


def test_a_missed_object_less():
    boxes = np.array([[0, 0, 10, 10], [30, 0, 40, 10]], float)
    one = image(FOUND[:1], boxes, (1, 1))
    assert errors.average_precision([one], 1) == pytest.approx(51 / 101)
    assert errors.costs([one], 1)["missed"] == (1, pytest.approx(50 / 101))


def test_confusion_by_hand():
    """The crowd's detection is left out; below the threshold nothing counts."""
    expected = [[1, 0, 0], [1, 0, 0], [3, 1, 0]]
    assert confusion([image()], 2, 0.0).tolist() == expected
    assert confusion([image()], 2, 0.75).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_a_hundred_detections_of_each_class_count():
    """As in COCO's evaluation: in a crowded picture, one class does not take the places of another."""
    boxes = np.array([[20 * i, 20 * c, 20 * i + 10, 20 * c + 10] for c in range(3) for i in range(101)], float)
    labels = np.repeat([1, 2, 3], 101)
    found = [(box, 0.9 - label / 10 - i / 1e4, label) for i, (box, label) in enumerate(zip(boxes, labels))]
    one = image(found, boxes, labels)
    assert len(one.scores) == 300 and one.kinds.tolist() == ["right"] * 300
    assert np.flatnonzero(one.missed).tolist() == [100, 201, 302]  # the last of each class
    assert confusion([one], 3, 0.0).tolist() == [[100, 0, 0, 1], [0, 100, 0, 1], [0, 0, 100, 1], [0, 0, 0, 0]]


@pytest.fixture
def scattered(tmp_path, rng):
    """A data set and detections that are near its objects."""
    annotations = []
    for i in range(60):
        x, y, w, h = rng.uniform(0, 40), rng.uniform(0, 30), rng.uniform(8, 20), rng.uniform(8, 20)
        annotations.append(
            dict(id=i + 1, image_id=i % 3 + 1, category_id=int(rng.choice([10, 20])), bbox=[x, y, w, h], area=w * h,
                 iscrowd=int(i % 10 == 0))
        )  # fmt: skip
    images = [dict(id=i, file_name=f"{i}.png", width=64, height=48) for i in (1, 2, 3)]
    os.makedirs(tmp_path / "images")
    for entry in images:
        Picture.new("RGB", (64, 48), (90, 120, 90)).save(tmp_path / "images" / entry["file_name"])
    categories = [dict(id=10, name="cat"), dict(id=20, name="dog")]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))
    detections = []
    for a in annotations * 2:
        box = (np.array(a["bbox"]) + rng.normal(0, 3, 4)).clip(0.5).tolist()
        category = int(rng.choice([10, 20], p=[0.7, 0.3] if a["category_id"] == 10 else [0.2, 0.8]))
        detections.append(dict(image_id=a["image_id"], category_id=category, bbox=box, score=float(rng.uniform())))
    return tmp_path, str(path), detections


def test_ap_is_that_of_the_evaluation(scattered):
    folder, path, detections = scattered
    dataset = COCODataset(root=str(folder / "images"), anno_file=path, use_anno_cats=True, filter_min_size=1)
    values, per_class, _ = coco_ap(dataset.ground_truth(), detections, dataset.cat_ids)
    found = errors.precisions(images_of(dataset, detections), 2)
    assert 0.1 < values["mAP_50"] < 0.9
    for label, category in enumerate(dataset.cat_ids, start=1):
        assert found[label].mean() == pytest.approx(per_class[category]["mAP_50"], abs=1e-9)


def test_the_page(scattered, capsys):
    folder, path, detections = scattered
    config = folder / "config.py"
    entry = dict(type="COCODataset", root=str(folder / "images"), anno_file=path, use_anno_cats=True, filter_min_size=1)
    config.write_text(f"dataset = dict(val={entry!r})")
    os.makedirs(folder / "run" / "detections")
    (folder / "run" / "detections" / "val.bbox.json").write_text(json.dumps(detections))
    assert main(["analyze", str(folder / "run"), "--config", str(config), "--worst", "2"]) == 0
    page = (folder / "run" / "analysis" / "index.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:)", page) and page.count("data:image/png") == 5
    assert page.count("data:image/jpeg") == 2
    found = json.loads((folder / "run" / "analysis" / "analysis.json").read_text())
    assert sum(map(sum, found["confusion"])) > 60 and sum(kind["cost"] for kind in found["errors"].values()) > 0
    assert "AP50 without it" in capsys.readouterr().out
    file, row = folder / "run" / "detections" / "val.bbox.json", detections[0]
    for wrong, words in (
        ({}, "expected a list of detections"),
        ([row, {**row, "category_id": 999}], "row 1 is not a detection"),
        ([{**row, "score": None}], "row 0 is not a detection"),
        ([{**row, "bbox": [1, None, 2, 3]}], "row 0 is not a detection"),
        ([{**row, "bbox": "abc"}], "row 0 is not a detection"),
        ([{**row, "bbox": "1234"}], "row 0 is not a detection"),
        ([{**row, "bbox": ["1", "2", "3", "4"]}], "row 0 is not a detection"),
        ([{**row, "score": "0.9"}], "row 0 is not a detection"),
        ([{**row, "score": True}], "row 0 is not a detection"),
        ([{**row, "image_id": True}], "row 0 is not a detection"),
        ([{**row, "image_id": [1]}], "row 0 is not a detection"),
        ([{**row, "category_id": True}], "row 0 is not a detection"),
        ([{**row, "bbox": [9, 9, -4, 5]}], "row 0 is not a detection"),
        (["abc"], "row 0 is not a detection"),
        ([{k: v for k, v in row.items() if k != "image_id"}], "row 0 is not a detection"),
        ([{**row, "image_id": 999}], "1 images that dataset.val does not have"),
    ):
        file.write_text(json.dumps(wrong))
        assert main(["analyze", str(folder / "run"), "--config", str(config)]) == 2
        assert words in capsys.readouterr().err
    file.write_text(json.dumps([{**row, "bbox": [1, 2, 3, 4]}, {**row, "bbox": [40, 30, 60, 40]}]))
    assert main(["analyze", str(folder / "run"), "--config", str(config)]) == 0
    assert "1 of 2 boxes exceed their image by more than a pixel" in capsys.readouterr().err


def test_again_with_fewer_pictures_and_names_that_are_not_utf8(scattered):
    """The pictures of an earlier analysis do not stay among those of this one; other files do."""
    folder, path, detections = scattered
    dataset = COCODataset(root=str(folder / "images"), anno_file=path, use_anno_cats=True, filter_min_size=1)
    dataset.CLASSES = ["cat \ud83d", *dataset.CLASSES[1:]]
    out = folder / "again"
    analyze(dataset, detections, str(out), "first", worst=3)
    (out / "worst" / "mine.jpg").write_text("")
    assert len(list((out / "worst").iterdir())) == 4
    analyze(dataset, detections, str(out), "run caf\udce9", worst=1)
    assert sorted(os.listdir(out / "worst")) == ["mine.jpg", "worst_01.jpg"]
    page = (out / "index.html").read_text(encoding="utf8")
    assert r"<h1>run caf\udce9</h1>" in page and r"cat \ud83d" in page


@pytest.mark.parametrize("out, name", [("images", "sizes.png"), (".", "worst_01.jpg")])
def test_the_pictures_of_the_data_are_not_overwritten(scattered, out, name):
    folder, path, detections = scattered
    images = folder / "images"
    if out == ".":
        images = images.rename(folder / "worst")
    content = json.loads(Path(path).read_text())
    os.rename(images / content["images"][0]["file_name"], images / name)
    content["images"][0]["file_name"] = name
    Path(path).write_text(json.dumps(content))
    dataset = COCODataset(root=str(images), anno_file=path, use_anno_cats=True, filter_min_size=1)
    before = (images / name).read_bytes()
    with pytest.raises(ConfigError, match=f"--out: .* has the input {name}, and a result of this name would replace it"):
        analyze(dataset, detections, str(folder / out), "x")
    assert (images / name).read_bytes() == before


def test_a_picture_annotated_as_it_is_stored_is_drawn_so(scattered):
    """Not turned by its EXIF orientation, as in training."""
    folder, path, detections = scattered
    picture = Picture.new("RGB", (64, 48), (90, 120, 90))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(folder / "images" / "1.png", exif=exif)
    dataset = COCODataset(root=str(folder / "images"), anno_file=path, use_anno_cats=True, filter_min_size=1)
    first = images_of(dataset, detections)[0]
    assert draw_errors(first, ["cat", "dog"], 0.3).shape == dataset[0][0].shape == (48, 64, 3)


def test_what_it_needs_is_said(tmp_path, capsys):
    assert main(["analyze", str(tmp_path / "absent")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert main(["analyze", str(tmp_path)]) == 2
    assert "--config" in capsys.readouterr().err


def test_a_run_whose_evaluators_write_no_boxes(tmp_path, capsys):
    """As VOCBoxAP, the default of a VOCDataset: another `jsra test` would not help."""
    (tmp_path / "metrics.json").write_text('{"split": "val", "config": {"dataset": {"val": {}}}}')
    assert main(["analyze", str(tmp_path)]) == 2
    assert "add dict(type='COCOBoxAP')" in capsys.readouterr().err
    (tmp_path / "detections").mkdir()
    (tmp_path / "detections" / "test.bbox.json").write_text("[]")  # of another split
    assert main(["analyze", str(tmp_path)]) == 2
    assert "run `jsra test CONFIG WEIGHTS` first (there are test.bbox.json)" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"config": {}}', '{"split": 5, "config": {"dataset": {}}}',
                                  '{"split": "val", "config": []}', '{"split": "val", "config": {"dataset": []}}'])
def test_metrics_that_say_nothing(tmp_path, capsys, text):
    (tmp_path / "metrics.json").write_text(text)
    assert main(["analyze", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"jsra analyze: {tmp_path}")


def test_two_objects_with_one_box_are_not_confused():
    """A rider and a bicycle, say: both are found with their class, the second one with the better score."""
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], float)
    found = [([0, 0, 10, 10], 0.9, 2, "", -1), ([0, 0, 10, 10], 0.8, 1, "", -1)]
    assert confusion([image(found, boxes)], 2, 0.3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert confusion([image(found[:1], boxes)], 2, 0.3).tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert confusion([image([], boxes)], 2, 0.3).tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
