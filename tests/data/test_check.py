import copy
import json

import numpy as np
import pytest
from PIL import Image

from jsra.cli import main
from jsra.data.check import check, check_box, check_voc
from jsra.data.check_entries import check_image
from jsra.data.image import DataError
from jsra.registry import ConfigError, build
from tests.data.tiny import ANNOTATIONS, CATEGORIES, annotation, voc_object, write_coco, write_coco_config, write_voc

EMPTY = {"size": [40, 20], "counts": [800]}


def problems_of(place):
    return [(p.level, f"{p.where}: {p.what}") for p in check({"type": "COCODataset", **place}, progress=False)]


def test_a_sound_data_set(tmp_path):
    # Image 4 has no annotations: a warning, as it may be a background image.
    assert problems_of(write_coco(str(tmp_path))) == [("warning", "image id 4: has no annotations")]


@pytest.mark.parametrize(
    "extra, level, words",
    [
        (
            annotation(7, 4, 20, (30, 5, 5, 5)),
            "error",
            "image id 4, annotation 7: the box (30, 5, 35, 10) is outside",
        ),
        (annotation(7, 4, 20, (5, 5, 0, 5)), "error", "the box (5, 5, 5, 10) is empty"),
        (annotation(7, 4, 20, (9, 5, -4, 5), area=20), "error", "the box (9, 5, 5, 10) is inverted"),
        (annotation(7, 4, 20, (5, 5, 30, 5)), "warning", "(5, 5, 35, 10) exceeds the image (20 x 40)"),
        (annotation(7, 4, 20, (5, 5, 0.5, 5), segmentation=None), "warning", "thinner than a pixel"),
        (annotation(7, 4, 20, (0.1, 0.2, 0.3, 0.4)), "warning", "(0.1, 0.2, 0.4, 0.6) is in the first pixel: fractions"),
        (annotation(7, 4, 20, (0.9, 0.2, 0.3, 0.4)), "warning", "(0.9, 0.2, 1.2, 0.6) is thinner than a pixel"),
        (annotation(7, 4, 99, (1, 1, 5, 5)), "error", "category 99 is not listed"),
        (annotation(7, 77, 20, (1, 1, 5, 5)), "error", "image id 77, annotation 7: its image is not listed"),
        (annotation(6, 4, 20, (1, 1, 5, 5)), "warning", "annotations id 6: appears 2 times"),
        (annotation(7, 4, 20, (1, 1, 5, 5), iscrowd="0"), "error", "annotation 7: iscrowd is '0'"),
        (annotation(7, 5, 30, (0, 0, 60, 44)), "warning", "the box [0, 0, 60, 44] of category 30 appears 2 times"),
        (annotation(7, 4, 20, (1, 1, 5, 5), area=0), "warning", "area is 0"),
        ({**annotation(7, 4, 20, (1, 1, 5, 5)), "bbox": [1, 2, 3]}, "error", "bbox is [1, 2, 3]"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation=[[1, 1, 2, 2]]), "error", "at least 3 points, it is [1, 1, 2, 2]"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation=[[30, 1, 35, 1, 35, 5]]), "error", "completely outside the image"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation=EMPTY), "error", "segmentation: it has no pixel"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation={**EMPTY, "size": [9, 9]}), "error", "an RLE of size [9, 9]"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation={**EMPTY, "counts": "00"}), "error", "an RLE of 0 pixels"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation=[]), "warning", "annotation 7: has no segmentation"),
        (annotation(7, 4, 20, (1, 1, 5, 5), segmentation=[[1, 1, 1.1, 1, 1.1, 1.1]]), "warning", "does not cover a pixel"),
        (
            annotation(7, 4, 20, (1, 1, 5, 5), segmentation=[[9, 9, 15, 9, 15, 15]]),
            "warning",
            "box and mask differ by 9",
        ),
    ],
)
def test_problems_are_named(tmp_path, extra, level, words):
    found = problems_of(write_coco(str(tmp_path), copy.deepcopy([*ANNOTATIONS, extra])))
    assert any(level == at and words in text for at, text in found), found


def test_the_cure_of_a_polygon_in_another_form_is_its_form(tmp_path):
    """Some programs write a box as one flat list; the mask is not wrong."""
    flat = annotation(7, 4, 20, (1, 1, 5, 5), segmentation=[1, 1, 6, 1, 6, 6, 1, 6])
    place = write_coco(str(tmp_path), [*ANNOTATIONS, flat])
    found = check(dict(type="COCODataset", use_anno_cats=True, **place), progress=False)
    assert [(p.level, p.cure) for p in found] == [("error", "write it in this form, or remove the segmentation")]


def test_files_and_categories(tmp_path):
    place = write_coco(str(tmp_path), categories=[*CATEGORIES, {"id": 10, "name": "cat"}])
    (tmp_path / "images" / "0001.png").unlink()
    (tmp_path / "images" / "0002.png").write_bytes(b"x")
    Image.new("RGB", (9, 9)).save(tmp_path / "images" / "0003.png")
    text = "\n".join(f"{level}: {what}" for level, what in problems_of(place))
    for words in ("0001.png is missing", "0002.png cannot be read", "0003.png is 9 x 9 pixels, annotated as 50 x 30",
                  "error: category id 10: is listed twice"):  # fmt: skip
        assert words in text


def test_pictures_of_12_bits_within_16(tmp_path):
    for bits, expected in ((12, 1), (16, 0)):
        Image.fromarray(np.full((4, 5), 2**bits - 1, np.uint16)).save(tmp_path / "a.png")
        found = list(check_image(str(tmp_path / "a.png"), (5, 4), "here"))
        assert len(found) == expected and all("nearly black" in p.what for p in found)


def test_classes_that_the_file_lacks(tmp_path):
    place = {**write_coco(str(tmp_path)), "classes": ["cat", "persn"]}
    assert "class 'persn': is not in the file" in "\n".join(what for _, what in problems_of(place))


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(root=5), "dataset.root: expected text, got 5"),
        (dict(anno_file=None), "dataset.anno_file: expected text, got None"),
        (dict(classes="cat"), "dataset.classes: expected a list"),
        (dict(with_mask=True), "takes no 'with_mask'; did you mean 'with_masks'"),
        (dict(type="VIDDataset", image_set=5), "dataset.image_set: expected"),
    ],
)
def test_settings_are_checked_as_for_training(tmp_path, change, words):
    settings = {"type": "COCODataset", **write_coco(str(tmp_path)), **change}
    if settings["type"] == "VIDDataset":
        del settings["anno_file"]
    with pytest.raises(ConfigError, match=words):
        check(settings, progress=False)


def test_not_finite_boxes():
    assert "not finite" in next(check_box((0, 0, float("nan"), 3), (9, 9), "here")).what
    assert not list(check_box((0, 0, 9, 9), (9, 9), "here"))


def test_voc(tmp_path):
    objects = {
        1: [voc_object("cat", (1, 1, 40, 30)), voc_object("cta", (1, 1, 9, 9))],
        2: [voc_object("dog", (20, 5, 14, 24))],
        3: [],
    }
    root = write_voc(str(tmp_path), objects)
    found = [(p.level, f"{p.where}: {p.what}") for p in check_voc([(root, "trainval")], ["cat", "dog"], progress=False)]
    assert len(found) == 3
    assert found[0][0] == "warning" and "image 0001, object 2 (cta): class 'cta' is not one of" in found[0][1]
    assert found[1] == ("error", "image 0002, object 1 (dog): the box (19, 4, 14, 24) is inverted")
    assert found[2] == ("warning", "image 0003: has no annotations")
    (tmp_path / "Annotations" / "0001.xml").write_text("<annotation>")
    (tmp_path / "Annotations" / "0002.xml").unlink()
    found = [p.what for p in check({"type": "VOCDataset", "root": root, "classes": ["cat"]}, progress=False)]
    assert "0001.xml cannot be read" in found[0] and "0002.xml is missing" in found[1]


@pytest.fixture
def config(tmp_path):
    return write_coco_config(tmp_path)


def test_command_check(config, tmp_path, capsys):
    assert main(["data", "check", config]) == 0
    out = capsys.readouterr().out
    assert "warning: image id 4: has no annotations; fine for a background image" in out
    assert "dataset.train: 0 errors, 1 warning\n" in out
    content = json.loads((tmp_path / "annotations.json").read_text())
    content["annotations"][0]["bbox"] = [100, 100, 5, 5]
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    assert main(["data", "check", config]) == 1
    assert "error: image id 1, annotation 1: the box (100, 100, 105, 105) is outside" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(use_anno_cats=False), "the default is COCO's 80 classes: name those of this file"),  # COCO's 80 classes
        (dict(classes=["cat", "cat"]), "a class appears twice in ['cat', 'cat']"),
        (dict(filter_min_size=500), "has no image with an object"),
        (dict(image_ids="ids.txt"), "lists 1 images"),
        (dict(batch_size=0), "batch_size must be at least 1"),
        (dict(transforms=[dict(type="Resize")]), "Resize needs 'min_size'"),
    ],
)
def test_what_a_training_refuses_is_an_error(tmp_path, monkeypatch, capsys, change, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text("77")
    # COCO's 80 classes have a person, this file has none.
    place = write_coco(str(tmp_path), categories=[*CATEGORIES[:2], {"id": 30, "name": "robot"}])
    settings = {**dict(type="COCODataset", use_anno_cats=True), **place, **change}
    (tmp_path / "c.py").write_text(f"dataset = dict(train={settings!r})")
    assert main(["data", "check", "c.py"]) != 0
    captured = capsys.readouterr()
    assert words in captured.out + captured.err


@pytest.mark.parametrize("split, code", [("train", 1), ("val", 0)])
def test_crowds_alone_are_no_training_data(tmp_path, capsys, split, code):
    place = write_coco(str(tmp_path), [{**a, "iscrowd": 1} for a in ANNOTATIONS])
    settings = dict(type="COCODataset", use_anno_cats=True, filter_min_size=0, **place)
    (tmp_path / "c.py").write_text(f"dataset = dict({split}={settings!r})")
    assert main(["data", "check", str(tmp_path / "c.py"), "--split", split]) == code
    said = "has no object to train on: 6 are crowds (iscrowd 1) or difficult, regions that are not learned"
    assert (said in capsys.readouterr().out) == bool(code)


@pytest.mark.parametrize("split, code", [("train", 1), ("val", 1), ("test", 0)])
def test_pictures_without_annotations_can_be_tested_on(tmp_path, capsys, split, code):
    """As in COCO's lists of its test images: a test uses all images, whatever filter_empty_gt says."""
    settings = dict(type="COCODataset", use_anno_cats=True, filter_min_size=0, **write_coco(str(tmp_path), []))
    (tmp_path / "c.py").write_text(f"dataset = dict({split}={settings!r})")
    assert main(["data", "check", str(tmp_path / "c.py"), "--split", split]) == code
    assert ("error: a training refuses the data set: " in capsys.readouterr().out) == bool(code)


@pytest.mark.parametrize("name, root, cure", [
    ("images\\0001.png", ".", "remove the image; its \\ is the separator of Windows: write /"),
    ("0001.png", "annotations.json", "remove the image"),
])  # fmt: skip
def test_pictures_below_a_file_or_with_names_of_windows_are_missing(tmp_path, name, root, cure):
    place = write_coco(str(tmp_path))
    content = json.loads((tmp_path / "annotations.json").read_text())
    content["images"][0]["file_name"] = name
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    settings = {"type": "COCODataset", "use_anno_cats": True, "filter_min_size": 0, **place, "root": str(tmp_path / root)}
    first = check(settings, progress=False)[0]
    assert first.what.endswith(f"{name} is missing") and first.cure == f"add the file, or {cure}"
    dataset = build(settings, "dataset.train", "dataset")
    for read in (dataset.check_pictures, lambda: dataset[0]):
        with pytest.raises(DataError) as refused:
            read()
        assert str(refused.value).endswith(cure.replace("remove the image", "the annotations"))


def test_only_the_listed_images_are_checked(tmp_path):
    place = write_coco(str(tmp_path))
    (tmp_path / "images" / "0003.png").unlink()
    assert any("0003.png is missing" in what for _, what in problems_of(place))
    (tmp_path / "ids.txt").write_text("1 2")
    assert problems_of({**place, "image_ids": str(tmp_path / "ids.txt")}) == []


def test_a_data_set_without_a_type():
    with pytest.raises(ConfigError, match="the dataset has no type: write type=..., one of COCODataset, LVISDataset"):
        check({"root": "x"}, progress=False)


def test_command_browse(config, tmp_path, capsys):
    out = tmp_path / "pictures"
    assert main(["data", "browse", config, "--out", str(out), "--count", "3"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["0001.jpg", "0003.jpg", "0005.jpg"]
    with Image.open(out / "0005.jpg") as picture:
        assert picture.size == (60, 44)
    assert "3 pictures" in capsys.readouterr().out


@pytest.mark.parametrize(
    "segmentation, stated, said",
    [
        ([[1, 1, 11, 1, 11, 11, 1, 11]], 1.0, "area is 1, the mask covers 100 pixels"),
        ([[1, 1, 11, 1, 11, 11, 1, 11]], 9000, "area is 9000, the mask covers 100 pixels"),
        (None, 9000, "area is 9000, the box has 100 pixels"),
        ([[1, 1, 11, 1, 11, 11, 1, 11]], 80, None),
        (None, 30, None),  # of a mask that the file does not have
    ],
)
def test_an_area_that_does_not_fit(tmp_path, segmentation, stated, said):
    extra = annotation(7, 4, 20, (1, 1, 10, 10), segmentation=segmentation, area=stated)
    found = [words for _, words in problems_of(write_coco(str(tmp_path), [*ANNOTATIONS, extra])) if "area" in words]
    assert found == ([] if said is None else [f"image id 4, annotation 7: {said}"])


def test_copies_of_an_object_in_voc(tmp_path):
    twice = [voc_object("cat", (1, 1, 20, 20))] * 2
    root = write_voc(str(tmp_path / "VOC"), {1: [*twice, voc_object("dog", (1, 1, 20, 20))]})
    problems = check({"type": "VOCDataset", "root": root, "classes": ["cat", "dog"]}, progress=False)
    assert [p.what for p in problems] == ["the box [1.0, 1.0, 20.0, 20.0] of category cat appears 2 times"]


def test_a_split_without_a_data_set(tmp_path, capsys):
    path = write_coco_config(str(tmp_path))
    for command in ("check", "browse"):
        assert main(["data", command, path, "--split", "val", "--set", "+dataset.val=None"]) == 2
        assert "dataset.val is None, no settings of a data set" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["Cat", "cat ", "CAT", "c\u0430t"])
def test_one_class_under_two_names(tmp_path, other):
    """Its objects would be divided between two labels. The last one has a letter that is not Latin: another name."""
    objects = [*ANNOTATIONS, {**ANNOTATIONS[0], "id": 99, "category_id": 40}]
    place = write_coco(str(tmp_path), objects, [*CATEGORIES, {"id": 40, "name": other}])
    found = [what for level, what in problems_of(place) if "differ only in" in what]
    assert len(found) == (other.strip().lower() == "cat") and all(f"'cat', {other!r}" in what for what in found)
