"""COCO annotation files with errors: every entry that cannot be used is named, by all readers of such files."""

import bz2
import copy
import gzip
import json
import os

import pytest

from jsra.cli import main
from jsra.data.check import check
from jsra.data.coco import COCODataset
from jsra.data.coco_file import read_coco, read_sound_coco
from jsra.data.formats import coco as coco_format
from jsra.data.image import DataError
from jsra.data.problems import MOST
from tests.data.tiny import write_coco


@pytest.fixture
def place(tmp_path):
    return write_coco(str(tmp_path))


def rewritten(place, change):
    """The file after change(content), which may return another content."""
    with open(place["anno_file"]) as f:
        content = json.load(f)
    content = change(content) or content
    with open(place["anno_file"], "w") as f:
        json.dump(content, f)
    return place


def setting(kind, number, key, value):
    """A change: that entry's key has this value; ABSENT takes it away."""

    def change(content):
        if value is ABSENT:
            del content[kind][number][key]
        else:
            content[kind][number][key] = value

    return change


ABSENT = object()
WRONG = [
    ("images", 2, "id", ABSENT, "images[2]: id is missing"),
    ("images", 2, "id", None, "images[2]: id is None"),
    ("images", 2, "id", 1, "image id 1: is listed twice (0003.png too)"),
    ("images", 2, "file_name", ABSENT, "image id 3: file_name is missing"),
    ("images", 2, "file_name", " ", "image id 3: file_name is ' '"),
    ("images", 2, "width", ABSENT, "image id 3: width is missing"),
    ("images", 2, "height", "30", "image id 3: height is '30'"),
    ("images", 2, "height", 30.5, "image id 3: height is 30.5"),
    ("images", 2, "height", float("nan"), "image id 3: height is nan"),
    ("images", 2, "width", 0, "image id 3: width is 0"),
    ("categories", 1, "id", ABSENT, "categories[1]: id is missing"),
    ("categories", 1, "id", 20, "category id 20: is listed twice"),
    ("categories", 1, "name", "cat", "category 'cat': is listed twice"),
    ("categories", 1, "name", 3, "category id 10: name is 3"),
    ("annotations", 4, "image_id", ABSENT, "annotation 5: image_id is missing"),
    ("annotations", 4, "image_id", None, "annotation 5: image_id is None"),
    ("annotations", 4, "image_id", [3], "image id [3], annotation 5: image_id is [3]"),
    ("annotations", 4, "image_id", 77, "image id 77, annotation 5: its image is not listed"),
    ("annotations", 4, "category_id", ABSENT, "image id 3, annotation 5: category_id is missing"),
    ("annotations", 4, "category_id", 99, "image id 3, annotation 5: category 99 is not listed"),
    ("annotations", 4, "image_id", "3", "annotation 5: image_id is '3', text; the listed id is a number"),
    ("annotations", 4, "category_id", "30", "annotation 5: category_id is '30', text; the listed id is a number"),
    ("images", 2, "id", "3", "annotation 5: image_id is 3, a number; the listed id is text"),
    ("annotations", 4, "bbox", ABSENT, "image id 3, annotation 5: bbox is missing"),
    ("annotations", 4, "bbox", ["10", "2", 3, 4], "image id 3, annotation 5: bbox is ['10', '2', 3, 4]"),
    ("annotations", 4, "bbox", [1, None, 3, 4], "image id 3, annotation 5: bbox is [1, None, 3, 4]"),
    ("annotations", 4, "bbox", [1, 2, 3], "image id 3, annotation 5: bbox is [1, 2, 3]"),
    ("annotations", 4, "bbox", "1234", "image id 3, annotation 5: bbox is '1234'"),
    ("annotations", 4, "bbox", [1, 2, float("nan"), 3], "has a number that is NaN or far outside"),
    ("annotations", 4, "bbox", [1, 2, 1e12, 3], "has a number that is NaN or far outside"),
    ("annotations", 4, "bbox", [True, 2, 3, 4], "image id 3, annotation 5: bbox is [True, 2, 3, 4]"),
    ("annotations", 4, "area", "300", "image id 3, annotation 5: area is '300'"),
    ("annotations", 4, "area", "", "image id 3, annotation 5: area is ''"),
    ("annotations", 4, "area", [], "image id 3, annotation 5: area is []"),
    ("annotations", 4, "area", True, "image id 3, annotation 5: area is True"),
    ("annotations", 4, "area", 10**400, "image id 3, annotation 5: area is 1000"),
    ("annotations", 4, "image_id", True, "annotation 5: image_id is True"),
    ("annotations", 4, "category_id", True, "annotation 5: category_id is True"),
    ("annotations", 4, "area", float("inf"), "image id 3, annotation 5: area is inf"),
    ("annotations", 4, "iscrowd", "0", "image id 3, annotation 5: iscrowd is '0'"),
    ("annotations", 4, "iscrowd", 2, "image id 3, annotation 5: iscrowd is 2"),
    ("annotations", 4, "ignore", "no", "image id 3, annotation 5: ignore is 'no'"),
]


@pytest.mark.parametrize("kind, number, key, value, words", WRONG, ids=[f"{w[0]}-{w[2]}-{i}" for i, w in enumerate(WRONG)])
def test_an_entry_that_cannot_be_used_is_named_by_all(place, kind, number, key, value, words):
    rewritten(place, setting(kind, number, key, value))
    with pytest.raises(DataError) as raised:
        COCODataset(**place, use_anno_cats=True)
    assert words in str(raised.value) and place["anno_file"] in str(raised.value)
    listed = [f"{p.where}: {p.what}" for p in check({"type": "COCODataset", **place}, progress=False) if p.level == "error"]
    assert any(words in line for line in listed), listed
    found = coco_format.find(os.path.dirname(place["anno_file"]))  # `jsra init` leaves it out
    said = "category 'cat' has the ids 20 and 10: they are taken as one class" if value == "cat" else words
    assert any(said in line for line in found.problems), found.problems


@pytest.mark.parametrize("kind", ["images", "categories", "annotations"])
@pytest.mark.parametrize("value, words", [(None, "is None"), ({}, "is {}"), (3, "is 3")])
def test_a_list_that_is_none(place, kind, value, words):
    rewritten(place, lambda content: content.update({kind: value}))
    with pytest.raises(DataError, match=f"{kind}: {words}; write a list"):
        read_sound_coco(place["anno_file"])


@pytest.mark.parametrize("kind", ["images", "categories", "annotations"])
@pytest.mark.parametrize("value", [None, "x", [1, 2]])
def test_an_entry_that_is_no_dictionary(place, kind, value):
    rewritten(place, lambda content: content[kind].append(value))
    with pytest.raises(DataError, match=rf"{kind}\[\d\]: is {value!r}".replace("[1, 2]", r"\[1, 2\]")):
        read_sound_coco(place["anno_file"])


def test_what_may_be_left_out(place):
    def change(content):
        for a in content["annotations"]:
            for key in ("id", "area", "iscrowd", "segmentation"):
                del a[key]
        content["annotations"][0].update(area=None, iscrowd=None, id=None)
        content["images"][0].update(width=40.0)

    file = read_sound_coco(rewritten(place, change)["anno_file"])
    assert {i: len(listed) for i, listed in file.annotations.items()} == {1: 2, 2: 2, 3: 1, 4: 0, 5: 1}
    assert COCODataset(**place, use_anno_cats=True, filter_min_size=0).records[0].width == 40


def test_all_problems_are_counted_and_the_first_are_listed(place):
    def change(content):
        content["annotations"] = [{**copy.deepcopy(content["annotations"][0]), "bbox": None, "id": i} for i in range(50)]

    with pytest.raises(DataError) as raised:
        read_sound_coco(rewritten(place, change)["anno_file"])
    lines = str(raised.value).splitlines()
    assert "50 errors" in lines[0] and len(lines) == MOST + 2 and lines[-1].strip() == "... and 30 more"
    assert len(read_coco(place["anno_file"]).problems) == 50


def test_annotations_of_an_unsound_image_are_not_those_of_a_missing_one(place):
    rewritten(place, setting("images", 0, "width", None))
    assert [p.where for p in read_coco(place["anno_file"]).problems] == ["image id 1"]


@pytest.mark.parametrize("key, value", [("name", "dog"), ("name", None)])
def test_annotations_of_an_unsound_category_are_not_those_of_a_missing_one(place, key, value):
    rewritten(place, setting("categories", 0, key, value))
    assert [p.where for p in read_coco(place["anno_file"]).problems if "is not listed" in p.what] == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_gzip_are_read(place, encoding, packed):
    with open(place["anno_file"]) as f:
        content = json.load(f)
    content["categories"][0]["name"] = "猫"
    data = json.dumps(content, ensure_ascii=False).encode(encoding)
    with open(place["anno_file"], "wb") as f:
        f.write(gzip.compress(data, mtime=0) if packed else data)
    assert read_sound_coco(place["anno_file"]).categories[20] == "猫"


@pytest.mark.parametrize(
    "data, words",
    [
        (b"[]", "no images and no categories"),
        (b'{"images": []}', "no categories"),
        (b'{"images": [{"id": 1, "file_na', "not valid JSON.*ends in the middle: copy or write it again"),
        (b'{"images": [{"id": 1}', "ends in the middle"),
        (b"", "not valid JSON.*it is empty"),
        (b"\0" * 99, "not valid JSON.*it is empty"),
        (b"<!DOCTYPE html>", "not valid JSON.*a web page"),
        (b"PK\x03\x04a", "not valid JSON.*a zip file: unpack it"),
        (b'{"images": ' + b"9" * 9999 + b"}", "not valid JSON|no categories"),  # a limit of newer Pythons
        (b"[" * 99999, "not valid JSON|no images"),
        (b'{"images": [,], "categories": []}', "not valid JSON: .*line 1 column 13.*correct it"),
        (b'{"images": [],}', r"not valid JSON: .*\(char 1\d\); correct it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"\xff\xfe\xff\xd8", "not text in UTF-8 or UTF-16"),
        ("Müller".encode("latin-1"), "not text in UTF-8 .*; save it as UTF-8"),
        (gzip.compress("Müller".encode("latin-1"), mtime=0), "not text in UTF-8 .*; save it as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not valid JSON.*not text .a picture or an archive.*give the annotation file"),
        (bz2.compress(b'{"images": [], "categories": []}'), "not text .a picture or an archive.*unpacked"),
        (gzip.compress(b'{"images": []}', mtime=0)[:-9], "gzip file that is damaged or truncated"),
    ],
)
def test_files_that_are_none(tmp_path, data, words):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"a.json: .*{words}|a.json: {words}"):
        COCODataset(str(tmp_path), str(path))


def test_places_that_are_none(tmp_path, monkeypatch):
    monkeypatch.delenv("JSRA_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="none.json; correct the path in the config"):
        COCODataset(str(tmp_path), str(tmp_path / "none.json"))
    with pytest.raises(FileNotFoundError, match="draw the built-in data .`jsra data puppets data/puppets`., set JSRA_DATA"):
        COCODataset("data/puppets/train", "data/puppets/annotations/train.json")
    with pytest.raises(FileNotFoundError, match="set JSRA_DATA to the folder that replaces data/"):
        COCODataset(str(tmp_path), "data/none.json")
    monkeypatch.setenv("JSRA_DATA", "~/none")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/none/a.json; JSRA_DATA is ~/none: correct it, or"):
        COCODataset(str(tmp_path), "data/a.json")
    with pytest.raises(DataError, match="is a folder: give the annotation file"):
        COCODataset(str(tmp_path), str(tmp_path))
    with pytest.raises(DataError, match="/dev/zero is not a regular file"):
        COCODataset(str(tmp_path), "/dev/zero")


def test_the_command_lists_all_and_ends_with_1(place, tmp_path, capsys):
    rewritten(place, setting("annotations", 4, "bbox", ["10", "2", 3, 4]))
    rewritten(place, setting("images", 1, "width", None))
    config = tmp_path / "c.py"
    config.write_text(f"dataset = dict(train=dict(type='COCODataset', use_anno_cats=True, **{place!r}))")
    assert main(["data", "check", str(config)]) == 1
    out = capsys.readouterr().out
    assert "error: image id 3, annotation 5: bbox is ['10', '2', 3, 4]; give [x, y, width, height] in numbers" in out
    assert "error: image id 2: width is None" in out and "annotations.json" in out
    assert main(["data", "browse", str(config), "--out", str(tmp_path / "out")]) == 2
    assert "annotation 5: bbox is" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e12, -1e12])
def test_a_polygon_that_would_fill_the_memory_never_gets_that_far(place, tmp_path, capsys, bad):
    """From the file to check, browse and training."""
    rewritten(place, setting("annotations", 4, "segmentation", [[10, 10, 30, 10, bad, 25]]))
    config = tmp_path / "c.py"
    config.write_text(f"dataset = dict(train=dict(type='COCODataset', use_anno_cats=True, with_masks=True, **{place!r}))")
    words = "image id 3, annotation 5: segmentation: a polygon has a coordinate that is not a number of pixels below 1e+06"
    assert main(["data", "check", str(config)]) == 1 and f"error: {words}" in capsys.readouterr().out
    for command in (["data", "browse", str(config), "--out", str(tmp_path / "out")], ["train", str(config)]):
        parts = ["--set", "+model={'type': 'FasterRCNN'}", "--set", "+optimizer={'type': 'SGD'}"]
        extra = [*parts, "--set", "+max_epoch=1", "--work-dir", str(tmp_path / "w")]
        assert main([*command, *(extra if command[0] == "train" else [])]) == 2
        error = capsys.readouterr().err
        assert words in error and place["anno_file"] in error
