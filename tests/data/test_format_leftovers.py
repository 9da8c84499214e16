"""What `jsra init` does not use is named: hidden files apart, other formats, entries without use, folders of pictures."""

import json
import os
import shlex
import zipfile

import pytest
from PIL import Image

from jsra.cli import main
from jsra.config import load_config
from jsra.data import formats, starter
from jsra.data.formats.annotations import Folder, files_below
from jsra.data.image import DataError
from jsra.data.problems import MOST
from tests.data.test_formats import coco, cvat, labelme, pictures, voc, yolo

FORMS = [coco, voc, yolo, labelme, cvat]


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("place", [".ipynb_checkpoints", "__MACOSX", "@eaDir", "images/.thumbnails"])
def test_copies_in_hidden_folders_are_no_data(tmp_path, form, place):
    (tmp_path / place).mkdir(parents=True)
    form(tmp_path / place)
    form(tmp_path)
    for path in [p for p in tmp_path.rglob("*.*") if p.is_file() and place not in str(p)]:
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7 of macOS")
    found, _ = formats.find(str(tmp_path))
    assert sum(map(len, found.splits.values())) == 2
    found.problems += starter.files_not_used(found, str(tmp_path))
    assert not any(place in line or "._" in line for line in found.problems)


def test_a_folder_is_listed_once(tmp_path):
    (tmp_path / "a.txt").touch()
    folder = Folder(tmp_path)
    assert files_below(folder, ".txt") == [f"{tmp_path}/a.txt"]
    (tmp_path / "b.txt").touch()
    assert files_below(folder, ".txt") == [f"{tmp_path}/a.txt"]
    assert files_below(str(tmp_path), ".txt") == [f"{tmp_path}/a.txt", f"{tmp_path}/b.txt"]


@pytest.mark.parametrize(
    "name, content, line",
    [
        ("via.json", {"a.jpg12": {"filename": "a.jpg", "regions": []}}, "JSON with 'a.jpg12', as of VGG Image Annotator"),
        ("a.json", [{"image": "a.jpg", "annotations": [{"label": "x", "coordinates": {"x": 1}}]}], "as of CreateML"),
        ("p.json", [{"id": 1, "annotations": [{"result": []}], "data": {}}], "as of Label Studio"),
        ("a.json", {"size": {}, "objects": [{"classTitle": "x"}]}, "JSON with 'size', 'objects', as of Supervisely"),
        ("a.json", {"info": {}, "own": []}, "JSON with 'info', 'own', which is none of these formats"),
        ("a.json", [], "a list of entries with nothing, which is none of these formats"),
        ("a.json", {"images": [], "categories": []}, "it has no list of annotations"),
        ("a.json", {"images": [], "annotations": []}, "it has no list of categories"),
        ("a.json", {"videos": [], "categories": [], "annotations": []}, "it has no list of images"),
        ("a.json", {"images": [], "categories": [], "annotations": {}}, "it has no list of annotations"),
        ("a.xml", "<HRSC_Image/>", "XML with <HRSC_Image>, which is none of these formats"),
        ("labels.csv", "a.jpg,1,2,3,4,x\n", "not in one of these formats (1 .csv)"),
        ("train.jsonl", "{}\n", "not in one of these formats (1 .jsonl)"),
        ("gt.txt", "1,1,10,20,30,40,1,1,1\n", "not in one of these formats (1 .txt)"),
    ],
)
def test_other_formats_are_named(tmp_path, name, content, line):
    pictures(tmp_path, "a.jpg")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(DataError) as error:
        starter.read(str(tmp_path), str(tmp_path / "out"))
    first, last = str(error.value).splitlines()
    assert "no annotations in a known format" in first and last.startswith(f"  {tmp_path}/in/{name}: ") and line in last


def test_files_of_one_form_have_one_line(tmp_path):
    pictures(tmp_path, "a.jpg")
    for i in range(3):
        (tmp_path / f"{i}.json").write_text('{"objects": []}')
    _, lines = formats.find(str(tmp_path))
    assert len(lines) == 1 and lines[0].startswith(f"3 files, such as {tmp_path}/0.json: JSON with 'objects'")


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_pictures_called_like_used_ones_are_said(tmp_path, form):
    """Masks, or a part of the data whose annotations are missing."""
    (tmp_path / "d").mkdir()
    form(tmp_path / "d")
    pictures(tmp_path, "other/a.png", "other/empty.png")
    found, _ = starter.read(str(tmp_path / "d"), str(tmp_path / "out"))
    (line,) = starter.pictures_not_used(found, str(tmp_path))[-1:]
    assert f"2 pictures, such as {tmp_path}/other/a.png, are not used: {found.form} annotations are only for other" in line


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_names_in_zip_files_without_a_mark_of_their_encoding(tmp_path, encoding):
    """macOS writes UTF-8, DOS its own code page."""
    pictures(tmp_path, "a.jpg")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    raw = {ending: "ü.".encode(encoding) + ending.encode() for ending in ("jpg", "txt")}
    plain = {ending: "x" * (len(name) - 4) + f".{ending}" for ending, name in raw.items()}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for ending, name in plain.items():
            archive.write(tmp_path / f"a.{ending}", name)
    content = (tmp_path / "a.zip").read_bytes()
    for ending, name in plain.items():
        content = content.replace(name.encode(), raw[ending])
    (tmp_path / "a.zip").write_bytes(content)
    found, data = starter.read(str(tmp_path / "a.zip"), str(tmp_path / "out"))
    assert [p.file for p in found.splits["all"]] == [f"{data}/ü.jpg"]


@pytest.mark.parametrize(
    "folders, words",
    [(("val", "test"), "no split for training"), (("train",), "no split for validation"), (("x",), "no split")],
)
def test_what_is_missing_of_the_splits(tmp_path, folders, words):
    for folder in folders:
        pictures(tmp_path, *(f"{folder}/{folder}{i}.jpg" for i in range(3)))
        for i in range(3):
            (tmp_path / folder / f"{folder}{i}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    found, _ = formats.find(str(tmp_path))
    splits, rule = starter.split(found)
    assert rule.startswith(f"{words} was found: every ") and set(splits) == {"train", "val"}


def test_many_lines_of_one_kind_do_not_hide_the_others(tmp_path):
    coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    content["images"] += [dict(id=100 + i, file_name=f"gone{i}.jpg", width=100, height=80) for i in range(40)]
    content["annotations"][0]["keypoints"] = [1, 1, 2]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (tmp_path / "other.csv").touch()
    found, _ = starter.read(str(tmp_path), str(tmp_path / "out"))
    shown = found.problems[:MOST]
    assert len(found.problems) == 44 and sum("gone" in line for line in shown) > 10
    for words in ("'keypoints' (1)", "other.csv", "category 8 is not listed"):
        assert any(words in line for line in shown), words


@pytest.mark.parametrize("form, name", [(cvat, "tag.blurry"), (labelme, "flags.bad of a picture")], ids=["cvat", "labelme"])
def test_marks_of_pictures_are_named(tmp_path, form, name):
    form(tmp_path)
    (path,) = [p for p in tmp_path.rglob("*.*") if p.name in ("annotations.xml", "a.json")]
    text = path.read_text().replace("<box", '<tag label="blurry"/><box')
    path.write_text(text.replace('"shapes"', '"flags": {"bad": true}, "shapes"'))
    found, _ = formats.find(str(tmp_path))
    assert any(f"entries that are not used: {name!r} (1)" in line for line in found.problems)


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_a_picture_with_other_capital_letters_is_named(tmp_path, form):
    form(tmp_path)
    pictures(tmp_path, "more/GONE.jpg")
    (tmp_path / "more" / "gone.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    found, _ = formats.find(str(tmp_path))
    hint = f"; {tmp_path}/more/GONE.jpg has other capital letters: rename one of them: left out"
    assert any(line.endswith(hint) for line in found.problems)


def test_a_zip_file_with_backslashes_of_any_system(tmp_path):
    """Programs of Windows write them, not all with the mark of Windows."""
    yolo(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in files_below(str(tmp_path), (".jpg", ".yaml", ".txt")):
            entry = zipfile.ZipInfo("top\\" + path[len(str(tmp_path)) + 1 :].replace("/", "\\"))
            entry.create_system = 3
            with open(path, "rb") as f:
                archive.writestr(entry, f.read())
    found, data = starter.read(str(tmp_path / "a.zip"), str(tmp_path / "out"))
    (pictures_,) = found.splits.values()
    assert [p.file for p in pictures_] == [f"{data}/top/images/a.jpg", f"{data}/top/images/empty.jpg"]
    assert found.classes == ["cat", "dog"]


def test_copies_of_roboflow_are_in_one_split(tmp_path):
    names = [f"{i}_jpg.rf.{k}{i:031d}" for i in range(4) for k in range(3)]
    pictures(tmp_path, *(f"train/{name}.jpg" for name in names))
    for name in names:
        (tmp_path / "train" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    splits, rule = starter.split(formats.find(str(tmp_path))[0])
    originals = {name: {p.file.split("/")[-1][0] for p in listed} for name, listed in splits.items()}
    assert originals == {"train": {"0", "1", "2"}, "val": {"3"}} and len(splits["val"]) == 3
    assert rule.endswith("every 4th picture, by file name, is for validation, with its copies by Roboflow")


@pytest.mark.parametrize("count, words", [(2, "every 2nd picture"), (3, "every 3rd picture"), (4, "every 4th picture")])
def test_ordinal_numbers(tmp_path, count, words):
    pictures(tmp_path, *(f"{i}.jpg" for i in range(count)))
    for i in range(count):
        (tmp_path / f"{i}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert words in starter.split(formats.find(str(tmp_path))[0])[1]


def test_pictures_of_equal_content_in_two_splits_are_said(tmp_path, capsys):
    for split, name, color in (("train", "a", 1), ("train", "b", 2), ("val", "c", 3), ("val", "d", 2), ("val", "e", 4)):
        (tmp_path / "data" / split).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (color, 9, 9)).save(tmp_path / "data" / split / f"{name}.bmp")
        (tmp_path / "data" / split / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert main(["init", str(tmp_path / "data"), str(tmp_path / "out")]) == 0
    such = f"{tmp_path}/data/val/d.bmp and {tmp_path}/data/train/b.bmp"
    line = f"  1 picture of val with the content of one of train, such as {such}"
    assert f"{line}: the AP of val is too high\n" in capsys.readouterr().out


def test_a_folder_of_pictures_is_no_folder_for_the_config(tmp_path, capsys):
    """`jsra init train valid`: the second folder would be written to, and its pictures not be read."""
    for split in ("train", "valid"):
        pictures(tmp_path / split, "a.jpg", "b.jpg")
        for name in "ab":
            (tmp_path / split / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert main(["init", str(tmp_path / "train"), str(tmp_path / "valid")]) == 2
    assert f"but it has pictures, such as {tmp_path}/valid/a.jpg; put all data into one folder" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "valid").iterdir()) == ["a.jpg", "a.txt", "b.jpg", "b.txt"]
    for folder in (tmp_path / "train", tmp_path, tmp_path / "train" / "project"):  # that of the data, one above, one below
        starter.check_folder(str(folder), str(tmp_path / "train"))


def test_commands_and_places_that_init_prints(tmp_path, capsys):
    """A user copies the commands into a shell; an error names the picture and its annotation file."""
    data = tmp_path / "it's $1"
    pictures(data, "a.jpg", "b.jpg")
    (data / "a.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (data / "b.txt").write_text("0 1.5 0.5 0.2 0.4\n")
    assert main(["init", str(data), str(data / "out")]) == 1
    said = capsys.readouterr().out
    path = shlex.quote(str(data / "out" / "config.py"))
    assert f"1 error, 0 warnings: `jsra data check {path}` lists them; those of val: --split val\n" in said
    assert f"\n  jsra train {path}\n" in said
    assert f"error: {data}/b.jpg (annotated in {data}/b.txt): the box (140, 24, 160, 56) is outside the image" in said
    assert "no names of classes were found" in said and "\n  val: 1 picture, 1 object\n" in said


@pytest.mark.parametrize(
    "data, why",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer: fetch the pictures with `git lfs pull`"),
        (b"<!DOCTYPE html><html>", "it is a web page: download the picture again"),
        (bytes(99), "it is empty or has only zeros: copy it again"),
        (b"\0\0\0\x20ftypheic\0\0\0\0", "it is a HEIC picture, which is not read: convert it to JPEG or PNG"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0", "it is a HEIC picture, which is not read: convert it to JPEG or PNG"),
        (b"12 34", "it is damaged, or no picture in a known format"),
    ],
)
@pytest.mark.parametrize("form", [coco, voc, yolo, labelme, cvat], ids=lambda f: f.__name__)
def test_files_that_are_no_pictures_have_one_line(tmp_path, form, data, why):
    form(tmp_path)
    (file,) = tmp_path.rglob("a.jpg")
    file.write_bytes(data)
    found, _ = formats.find(str(tmp_path))
    lines = [*found.problems, *starter.pictures_not_used(found, str(tmp_path)), *starter.files_not_used(found, str(tmp_path))]
    (line,) = [line for line in lines if "a.jpg" in line or line.endswith("a.txt") or "a.txt," in line]
    assert f"the picture {file} cannot be read" in line and why in line


@pytest.mark.parametrize("mark, words", [("password", "a password is needed"), ("method", "method is not supported")])
def test_zip_files_that_python_does_not_read(tmp_path, mark, words):
    """A password, and Deflate64 of Windows Explorer: another copy would not help."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "0 0.5 0.5 0.2 0.4\n")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for start, flags, method in ((b"PK\3\4", 6, 8), (b"PK\1\2", 8, 10)):
        place = data.index(start)
        data[place + (flags if mark == "password" else method)] = 1 if mark == "password" else 9
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=f"cannot be unpacked here .*{words}.*; unpack it, and give the folder"):
        starter.read(str(tmp_path / "a.zip"), str(tmp_path / "out"))


def test_a_folder_with_the_sign_of_a_variable(tmp_path):
    """`jsra init` writes the path of such a folder into its config, which `jsra train` reads."""
    pictures(tmp_path / "a $HOME", "a.jpg", "b.jpg")
    for name in "ab":
        (tmp_path / "a $HOME" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert main(["init", str(tmp_path / "a $HOME"), str(tmp_path / "a $HOME" / "p")]) == 0
    assert load_config(str(tmp_path / "a $HOME" / "p" / "config.py"))["work_dir"] == str(tmp_path / "a $HOME" / "p" / "run")


def test_a_project_in_a_folder_called_data(tmp_path, monkeypatch):
    """JSRA_DATA replaces the data/ of configs, not the folder that a command writes to and reads again."""
    pictures(tmp_path / "in", "a.jpg", "b.jpg")
    for name in "ab":
        (tmp_path / "in" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JSRA_DATA", str(tmp_path / "elsewhere"))
    assert main(["init", "in", "data/project"]) == 0 and not (tmp_path / "elsewhere").exists()


def test_the_last_part_of_a_zip_file(tmp_path):
    """The others (.z01, ...) have the beginning."""
    pictures(tmp_path, *(f"{i}.jpg" for i in range(9)))
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        for i in range(9):
            archive.write(tmp_path / f"{i}.jpg", f"{i}.jpg")
    content = (tmp_path / "whole.zip").read_bytes()
    half = len(content) // 2
    (tmp_path / "a.zip").write_bytes(content[half:])
    with pytest.raises(DataError, match="a.zip cannot be unpacked .*; copy it again, or unpack it and give the folder$"):
        starter.read(str(tmp_path / "a.zip"), str(tmp_path / "out"))
    (tmp_path / "a.z01").write_bytes(content[:half])
    with pytest.raises(DataError, match="a.zip cannot be unpacked .* one of several parts .* with another program"):
        starter.read(str(tmp_path / "a.zip"), str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["q.tga", "q.ppm", "q.dcm"])
def test_pictures_in_formats_that_are_not_read(tmp_path, name):
    yolo(tmp_path)
    (tmp_path / "q.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / name).write_text("x")
    (line,) = [line for line in formats.find(str(tmp_path))[0].problems if "q.txt" in line]
    assert f"{tmp_path}/{name} is in a format that is not read; convert it" in line


@pytest.mark.parametrize("own", [False, True])
def test_labels_called_like_the_picture_with_its_ending(tmp_path, own):
    """a.jpg.txt for a.jpg, as some converters write it; a.txt comes first, if it is there."""
    pictures(tmp_path, "images/a.jpg", "images/b.jpg")
    (tmp_path / "a.jpg.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "b.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    if own:
        (tmp_path / "images" / "a.txt").write_text("1 0.5 0.5 0.2 0.4\n")
    found, _ = formats.find(str(tmp_path))
    of = {os.path.basename(p.file): [o.name for o in p.objects] for p in found.splits["all"]}
    assert of == {"a.jpg": ["class 1" if own else "class 0"], "b.jpg": ["class 1"]}
    assert any("a.jpg.txt" in line for line in found.problems) == own


@pytest.mark.parametrize("form, ending, empty", [(voc, "xml", "<annotation/>"), (labelme, "json", '{"shapes": []}')])
def test_annotations_called_like_the_picture_come_first(tmp_path, form, ending, empty):
    """As above: a.xml before a.jpg.xml."""
    form(tmp_path)
    (own,) = tmp_path.rglob(f"a.{ending}")
    other = own.with_name(f"a.jpg.{ending}")
    other.write_text(empty)
    found, _ = formats.find(str(tmp_path))
    (picture,) = [p for p in found.splits["all"] if os.path.basename(p.file) == "a.jpg"]
    assert picture.source == str(own) and len(picture.objects) == 2
    assert any(line.startswith(f"{other}: 1 of its pictures are also in {own}") for line in found.problems)
