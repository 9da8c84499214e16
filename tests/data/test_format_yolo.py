"""Names of classes and splits from YOLO's other files: data.yaml, Darknet's .data, lists of names."""

import os
import unicodedata

import pytest

from jsra.data import formats, starter
from tests.data.test_formats import pictures

BOX = "0 0.5 0.5 0.2 0.4\n"  # in a picture of 100 x 80: (40, 24, 60, 56)


def labelled(folder, *names, line=BOX):
    """Pictures folder/images/<name>.jpg with labels folder/labels/<name>.txt."""
    pictures(folder, *(f"images/{name}.jpg" for name in names))
    for name in names:
        (folder / "labels" / f"{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text(line)


def found_in(folder):
    """(Annotations, {name of a picture: (its split, names of its classes)})."""
    found, lines = formats.find(str(folder))
    assert found is not None, lines
    of = {}
    for split, listed in found.splits.items():
        of.update({os.path.splitext(os.path.basename(p.file))[0]: (split, *(o.name for o in p.objects)) for p in listed})
    return found, of


@pytest.mark.parametrize("name", ["classes.txt", "data.yaml"])
def test_names_are_those_of_the_nearest_file(tmp_path, name):
    """Two data sets, in which class 0 has other names."""
    for folder, names in (("a", ["cat", "dog"]), ("b", ["dog", "cat"])):
        labelled(tmp_path / folder, folder)
        text = "\n".join(names) if name == "classes.txt" else f"names: {names}\ntrain: images\n"
        (tmp_path / folder / name).write_text(text)
    found, of = found_in(tmp_path)
    assert {picture: names for picture, (_, *names) in of.items()} == {"a": ["cat"], "b": ["dog"]}
    assert found.classes == ["cat", "dog"] and not found.problems


def test_lists_of_names_of_the_program_come_last(tmp_path):
    labelled(tmp_path, "a")
    (tmp_path / "classes.txt").write_text("bolt\n")
    (tmp_path / "a_predefined_classes.txt").write_text("dog\nperson\n")
    found, of = found_in(tmp_path)
    assert of["a"] == ("all", "bolt") and found.classes == ["bolt"]
    assert any("a_predefined_classes.txt: other class names" in line for line in found.problems)


def test_a_data_yaml_comes_before_a_list_of_names(tmp_path):
    labelled(tmp_path, "a")
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\ntrain: images\n")
    (tmp_path / "labels" / "classes.txt").write_text("dog\ncat\n")
    found, of = found_in(tmp_path)
    assert of["a"] == ("train", "cat")
    assert any("labels/classes.txt: other class names" in line for line in found.problems)


@pytest.mark.parametrize(
    "settings, splits, line",
    [
        ("train: images/a\nval: images/b\ntest:\n", {"a": "train", "b": "val", "c": "all"}, ""),  # no value: no folder
        ("train: images/a\nvalidation: images/b\n", {"a": "train", "b": "val", "c": "all"}, ""),
        ("train: images/a/**/*.jpg\nval: images/b/*.jpg\n", {"a": "train", "b": "val", "c": "all"}, ""),
        ("train: images/a\nval: /x/held\n", {"a": "train", "b": "all", "c": "all"}, "val: '/x/held' is not in "),
        ("train: images/a\nval: images/a\n", {"a": "train", "b": "all", "c": "all"}, "val: 'images/a' is also for train"),
        ("test: images/b\ntrain: images/a\nval: images/b\n", {"a": "train", "b": "val", "c": "all"}, ""),  # sorted keys
        ("train: images/a\nval: images/b\ntest: ../held/pictures\n", {"a": "train", "b": "val", "c": "all"}, ""),
        ("train: images/a\nval: images/b\ntest: null\n", {"a": "train", "b": "val", "c": "all"}, ""),
        ("train: one.txt\nval: images/b\n", {"a": "train", "b": "val", "c": "all"}, "one.txt: 1 of its pictures are missing"),
        ("train: data.yaml\n", {"a": "all", "b": "all", "c": "all"}, "data.yaml: not a list of pictures: left out"),
        ("nc: 3\ntrain: images\n", {"a": "train", "b": "train", "c": "train"}, "nc is 3, but there are 1 names"),
    ],
)
def test_every_entry_of_a_data_yaml_is_used_or_said(tmp_path, settings, splits, line):
    for name in "abc":
        labelled(tmp_path, f"{name}/{name}")
    (tmp_path / "one.txt").write_text("./images/a/a.jpg\n./images/gone.jpg\n")
    (tmp_path / "data.yaml").write_text(f"names: [x]\n{settings}")
    found, of = found_in(tmp_path)
    assert {name: split for name, (split, *_) in of.items()} == splits
    assert [line in text for text in found.problems] == ([True] if line else [])


def test_the_splits_of_every_data_yaml(tmp_path):
    for folder in ("d1", "d2"):
        labelled(tmp_path / folder / "p", f"{folder}p")
        labelled(tmp_path / folder / "q", f"{folder}q")
        (tmp_path / folder / "data.yaml").write_text("train: p/images\nval: q/images\nnames: [x]\n")
    _, of = found_in(tmp_path)
    assert {name: split for name, (split, *_) in of.items()} == {"d1p": "train", "d2p": "train", "d1q": "val", "d2q": "val"}


def test_a_later_data_yaml_does_not_move_pictures(tmp_path):
    labelled(tmp_path, "a/a", "b/b")
    (tmp_path / "fold1.yaml").write_text("train: images/a\nval: images/b\nnames: [x]\n")
    (tmp_path / "fold2.yaml").write_text("train: images/b\nval: images/a\nnames: [x]\n")
    found, of = found_in(tmp_path)
    assert {name: split for name, (split, *_) in of.items()} == {"a": "train", "b": "val"}
    assert found.problems == [f"{tmp_path}/fold2.yaml: 2 of its pictures are in another split of an earlier file: left out"]


def test_settings_of_programs_are_no_data(tmp_path):
    """A clone of a program in the folder: its data sets, models and runs say nothing about these pictures."""
    labelled(tmp_path / "mine", "a", line="0 0.1 0.1 0.3 0.1 0.3 0.3 0.1 0.3\n")
    (tmp_path / "mine" / "data.yaml").write_text("names: [bolt]\ntrain: images\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "coco.yaml").write_text("names: [person]\ntrain: train2017.txt\nval: val2017.txt\n")
    (tmp_path / "code" / "pose.yaml").write_text("nc: 1\nkpt_shape: [17, 3]\n")
    (tmp_path / "code" / "args.yaml").write_text("val: true\n")
    found, of = found_in(tmp_path)
    assert of["a"] == ("train", "bolt") and found.splits["train"][0].objects[0].segmentation
    (line,) = found.problems
    assert "code/coco.yaml: other class names" in line


def test_data_files_of_darknet(tmp_path):
    labelled(tmp_path, "a", "b")
    (tmp_path / "all.txt").write_text("data/images/a.jpg\n")
    (tmp_path / "5k.txt").write_text("data/images/b.jpg\n")
    (tmp_path / "my.list").write_text("bolt\n")
    (tmp_path / "x.data").write_text("classes = 2\ntrain  = data/all.txt\nvalid=data/5k.txt\nnames = data/my.list\n")
    found, of = found_in(tmp_path)
    assert of == {"a": ("train", "bolt"), "b": ("val", "bolt")}
    assert found.problems == [f"{tmp_path}/x.data: classes is 2, but there are 1 names, which are used"]
    assert {os.path.basename(path) for path in found.files} == {"x.data", "all.txt", "5k.txt"}


@pytest.mark.parametrize(
    "number, boxes, line", [("0.9", 1, "1 labels have a fifth number"), ("30", 0, "a fifth number, 30, that is no score")]
)
def test_a_fifth_number_is_said(tmp_path, number, boxes, line):
    labelled(tmp_path, "a", line=BOX.replace("\n", f" {number}\n"))
    labelled(tmp_path, "b")
    found, of = found_in(tmp_path)
    assert len(of["a"]) == 1 + boxes and any(line in text for text in found.problems)


def test_tracks_are_no_scores(tmp_path):
    """`class x y w h track`: as a program that follows objects writes it without scores."""
    for name, track in (("a", 1), ("b", 7)):
        labelled(tmp_path, name, line=BOX.replace("\n", f" {track}\n"))
    labelled(tmp_path, "c")  # nothing is followed here
    found, of = found_in(tmp_path)
    assert [len(of[name]) for name in "abc"] == [2, 2, 2] and any("a track" in line for line in found.problems)


@pytest.mark.parametrize("line, masks", [("0 0.1 0.1 0.5 0.9 0.3 1\n", 1), ("0 0.5 0.5 0.2 0.4 0.9 1\n", 0)])
def test_triangles_at_the_border_are_no_scores_and_tracks(tmp_path, line, masks):
    """The second is a box of the one object that is followed."""
    for name in "ab":
        labelled(tmp_path, name, line=line)
    found, of = found_in(tmp_path)
    objects = [o for listed in found.splits.values() for p in listed for o in p.objects]
    assert [bool(o.segmentation) for o in objects] == [bool(masks)] * 2
    assert any("a score and a track" in line for line in found.problems) != bool(masks)


@pytest.mark.parametrize("numbers", [(45, 45), (-30, 60)])
def test_angles_are_no_tracks(tmp_path, numbers):
    """Two objects of a picture have two tracks, from 0. A box without its angle would be wrong."""
    labelled(tmp_path, "a", line="".join(BOX.replace("\n", f" {number}\n") for number in numbers))
    labelled(tmp_path, "b")
    found, of = found_in(tmp_path)
    assert [len(of[name]) for name in "ab"] == [1, 2]
    assert sum("a fifth number" in line and "no score" in line for line in found.problems) == 2


def test_key_points_of_a_data_yaml_are_said(tmp_path):
    labelled(tmp_path, "a", line="0 0.5 0.5 0.2 0.4 0.45 0.45 0.55 0.55\n")
    (tmp_path / "data.yaml").write_text("names: [x]\nkpt_shape: [2, 2]\ntrain: images\n")
    found, _ = found_in(tmp_path)
    assert tuple(round(v) for v in found.splits["train"][0].objects[0].box) == (40, 24, 60, 56)
    assert found.problems == [f"{tmp_path}: labels have a box and key points, which are left out"]


def test_labels_in_their_own_folder_come_before_old_ones(tmp_path):
    labelled(tmp_path, "a")
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "a.txt").write_text("0 0.1 0.1 0.1 0.1\n")
    found, _ = found_in(tmp_path)
    assert found.splits["all"][0].source == f"{tmp_path}/labels/a.txt"
    assert any(f"{tmp_path}/backup/a.txt: " in line for line in found.problems)


@pytest.mark.parametrize("more", [" 0.1", " 0.1 0.2 0.3"])
def test_a_polygon_with_an_odd_number_of_coordinates_is_no_box(tmp_path, more):
    labelled(tmp_path, "a", line=f"{BOX}0 0.1 0.1 0.3 0.1 0.3 0.3{more}\n")
    found, of = found_in(tmp_path)
    assert of["a"] == ("all", "class 0")
    assert any("a.txt, line 2: " in line and "neither a box (4) nor a polygon" in line for line in found.problems)


def test_names_of_macos_in_a_data_yaml(tmp_path):
    """macOS writes 'é' in the names of files as two characters."""
    for split, name in (("été", "a"), ("hiver é", "b")):
        labelled(tmp_path / unicodedata.normalize("NFD", split), name)
    (tmp_path / "data.yaml").write_text("train: été\nval: hiver é\nnames: [x]\n", encoding="utf8")
    found, _ = formats.find(str(tmp_path))
    assert {split: len(listed) for split, listed in found.splits.items()} == {"train": 1, "val": 1} and not found.problems


@pytest.mark.parametrize(
    "text, classes, line",
    [
        ("names: [old]\nnames: [new]\n", ["new"], "'names' is there 2 times, of which only the last is used"),
        ("Names: [a, b]\nNC: 2\n", ["a", "b"], None),
    ],
)
def test_keys_of_a_data_yaml_written_by_hand(tmp_path, text, classes, line):
    labelled(tmp_path, "a")
    (tmp_path / "data.yaml").write_text(text)
    found, _ = formats.find(str(tmp_path))
    assert found.classes == classes
    assert found.problems == [] if line is None else f"{tmp_path}/data.yaml: {line}" in found.problems[0]


def test_pictures_that_a_data_yaml_does_not_list_are_said(tmp_path):
    for folder in ("dataset", "dataset_backup"):
        for split in ("train", "val"):
            labelled(tmp_path / folder / split, "a", "b")
    (tmp_path / "data.yaml").write_text("path: dataset\ntrain: train\nval: val\nnames: [x]\n")
    found, _ = formats.find(str(tmp_path))
    (line,) = found.problems
    assert len(found.splits["train"]) == 4
    assert line.startswith(f"{tmp_path}/data.yaml: pictures that this file does not list are used too, 4, such as")
    assert f"{tmp_path}/dataset_backup/train/images/a.jpg for train" in line
    (tmp_path / "dataset_backup").rename(tmp_path / ".backup")
    found, _ = formats.find(str(tmp_path))
    assert len(found.splits["train"]) == 2 and not found.problems


def test_names_that_are_too_few_are_said_with_their_file(tmp_path):
    labelled(tmp_path, "a", line="2 0.5 0.5 0.2 0.4\n")
    (tmp_path / "classes.txt").write_text("pills\n")
    (line,) = formats.find(str(tmp_path))[0].problems
    file = f"{tmp_path}/labels/a.txt"
    assert line.startswith(f"{tmp_path}/classes.txt: it has 1 name, but there are labels up to 2, such as in {file}")
    (tmp_path / "classes.txt").write_text("\n")  # labelImg may leave it empty
    found, _ = formats.find(str(tmp_path))
    assert found.problems == [f"{tmp_path}/classes.txt: it has no names: left out"]
    assert starter.files_not_used(found, str(tmp_path)) == []


def test_settings_in_another_encoding(tmp_path):
    pictures(tmp_path, "a.jpg")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_bytes("names: [汽车]\n".encode("gbk"))
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["class 0"]
    assert f"{tmp_path}/data.yaml: not text in UTF-8 or UTF-16; save it as UTF-8: left out" in found.problems
