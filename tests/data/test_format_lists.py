"""Files beside the annotations: lists of the pictures of a split, names of classes, bitmaps, other names of pictures."""

import base64
import io
import json
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from jsra.cli import main
from jsra.config import load_config
from jsra.data import formats, starter
from jsra.data.image import DataError
from jsra.data.masks import to_bitmap
from jsra.registry import build
from tests.data.test_formats import pictures

COUNT = 4


def voc_files(folder):
    pictures(folder, *(f"JPEGImages/p{i}.jpg" for i in range(COUNT)))
    (folder / "Annotations").mkdir()
    box = "<bndbox><xmin>0</xmin><ymin>1</ymin><xmax>50</xmax><ymax>60</ymax></bndbox>"
    for i in range(COUNT):
        (folder / "Annotations" / f"p{i}.xml").write_text(f"<annotation><object><name>dog</name>{box}</object></annotation>")


def yolo_files(folder, text="0 0.5 0.5 0.2 0.4\n"):
    pictures(folder, *(f"JPEGImages/p{i}.jpg" for i in range(COUNT)))
    for i in range(COUNT):
        (folder / "JPEGImages" / f"p{i}.txt").write_text(text)


def labelme_files(folder, shape=None):
    pictures(folder, *(f"JPEGImages/p{i}.jpg" for i in range(COUNT)))
    (folder / "labels").mkdir()
    shape = shape or dict(label="dog", shape_type="rectangle", points=[[10, 20], [50, 60]])
    for i in range(COUNT):
        (folder / "labels" / f"p{i}.json").write_text(json.dumps(dict(shapes=[shape], imagePath=f"p{i}.jpg")))


def cvat_files(folder, name="p{}.jpg"):
    pictures(folder, *(f"JPEGImages/p{i}.jpg" for i in range(COUNT)))
    box = '<box label="dog" xtl="10" ytl="20" xbr="50" ybr="60"/>'
    images = "".join(f'<image name="{name.format(i)}">{box}</image>' for i in range(COUNT))
    (folder / "annotations.xml").write_text(f"<annotations>{images}</annotations>")


def stems(found):
    return {split: [os.path.basename(p.file)[:-4] for p in listed] for split, listed in found.splits.items()}


@pytest.mark.parametrize(
    "train, val, line",
    [
        ("train.txt", "valid.txt", "./JPEGImages/{}.jpg ./Annotations/{}.xml"),
        ("train_list.txt", "val_list.txt", "/elsewhere/{}.jpg"),
        ("2007_train.txt", "2007_val.txt", "C:\\data\\{}.jpg 26,21,32,33,8 5,6,7,8,0"),
        ("ImageSets/train.txt", "ImageSets/val.txt", "{}"),
        ("ImageSets/Main/dog_train.txt", "ImageSets/Main/dog_val.txt", "{}  1"),
    ],
)
@pytest.mark.parametrize("write", [voc_files, yolo_files, labelme_files, cvat_files], ids=lambda f: f.__name__)
def test_lists_say_the_splits(tmp_path, write, train, val, line):
    write(tmp_path)
    (tmp_path / train).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / train).write_text("".join(line.replace("{}", f"p{i}") + "\n" for i in (0, 2, 3)))
    (tmp_path / val).write_text(line.replace("{}", "p1") + "\r\n\n")
    found, _ = formats.find(str(tmp_path))
    assert stems(found) == {"train": ["p0", "p2", "p3"], "val": ["p1"]} and not found.problems


def test_a_picture_of_two_lists_is_not_trained_on(tmp_path):
    yolo_files(tmp_path)
    (tmp_path / "train.txt").write_text("p0.jpg\np1.jpg\np2.jpg\ngone.jpg\n")
    (tmp_path / "val.txt").write_text("p1.jpg\np3.jpg\n")
    (tmp_path / "train_notes.txt").write_text("p0 is dark\n")
    found, _ = formats.find(str(tmp_path))
    assert stems(found) == {"train": ["p0", "p2"], "val": ["p1", "p3"]}
    missing, twice = found.problems
    assert "train.txt: 1 of its pictures are missing" in missing
    assert "train.txt: 1 of its pictures are also listed for val: left out" in twice


@pytest.mark.parametrize("name", ["labels.txt", "label_list.txt", "JPEGImages/_darknet.labels", "obj.names", "my.names"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_of_classes(tmp_path, name, encoding):
    yolo_files(tmp_path, "1 0.5 0.5 0.2 0.4\n")
    (tmp_path / name).write_text("dog\nchien à poil\n", encoding=encoding)
    (tmp_path / "train_labels.txt").write_text("no names\n")
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["dog", "chien à poil"] and not found.problems
    assert found.splits["all"][0].objects[0].name == "chien à poil"


def test_names_in_another_encoding_are_not_used(tmp_path):
    yolo_files(tmp_path)
    (tmp_path / "classes.txt").write_text("chien à poil\n", encoding="latin-1")
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["class 0"] and "classes.txt: not text in UTF-8 or UTF-16; save it as UTF-8" in found.problems[0]


@pytest.mark.parametrize("text", ["dog 0.5 0.5 0.2 0.4", "0,0.5,0.5,0.2,0.4", "Human face 12.5 14.0 40 60", "-1 0.5 0.5 1 1"])
def test_labels_of_another_format_are_shown(tmp_path, text):
    yolo_files(tmp_path, text)
    with pytest.raises(DataError) as error:
        starter.read(str(tmp_path), str(tmp_path / "out"))
    assert f"p0.txt: no line of it is the number of a class and four numbers ({text})" in str(error.value)


def test_a_wrong_line_in_every_label_file(tmp_path):
    yolo_files(tmp_path, "-1 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4\n")
    found, _ = formats.find(str(tmp_path))
    assert [len(p.objects) for p in found.splits["all"]] == [1] * COUNT
    assert len(found.problems) == COUNT and "p0.txt, line 1: not a class and four numbers (-1 0.5" in found.problems[0]


def test_the_first_pixel_of_programs_that_count_from_0(tmp_path):
    voc_files(tmp_path)
    assert formats.find(str(tmp_path))[0].splits["all"][0].objects[0].box == (0, 0, 50, 60)


@pytest.mark.parametrize("name", ["p{}", "p{}.PNG", "video/p{}"])
def test_names_of_cvat_without_the_ending(tmp_path, name):
    cvat_files(tmp_path, name)
    found, _ = formats.find(str(tmp_path))
    assert stems(found) == {"all": ["p0", "p1", "p2", "p3"]} and not found.problems


def test_pictures_of_labelme_in_another_folder(tmp_path):
    labelme_files(tmp_path)
    found, _ = formats.find(str(tmp_path))
    assert stems(found) == {"all": ["p0", "p1", "p2", "p3"]} and not found.problems


def coco_file(folder, name, files, categories=("dog",), **more):
    images = [dict(id=i, file_name=file, width=100, height=80) for i, file in enumerate(files)]
    annotations = [dict(id=i, image_id=i, category_id=0, bbox=[10, 20, 40, 40], **more) for i in range(len(files))]
    categories = [dict(id=i, name=name) for i, name in enumerate(categories)]
    (folder / name).write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))


def test_other_files_of_coco_give_no_classes(tmp_path):
    """Panoptic annotations have no boxes; those of stuff have the same pictures."""
    files = [f"p{i}.jpg" for i in range(COUNT)]
    pictures(tmp_path, *files)
    coco_file(tmp_path, "instances_train.json", files)
    coco_file(tmp_path, "stuff_train.json", files, ("sky", "dog"))
    coco_file(tmp_path, "panoptic_train.json", files, ("dog", "grass"))
    content = json.loads((tmp_path / "panoptic_train.json").read_text())
    content["annotations"] = [dict(image_id=0, file_name="p0.png", segments_info=[])] * 3
    (tmp_path / "panoptic_train.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["dog"] and stems(found) == {"train": ["p0", "p1", "p2", "p3"]}
    panoptic, stuff = found.problems
    assert "panoptic_train.json: none of its 3 annotations has a bbox" in panoptic
    assert "stuff_train.json: 4 of its pictures are also in" in stuff


def started(folder, capsys):
    code = main(["init", str(folder), str(folder / "out")])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_crowds_are_counted_apart(tmp_path, capsys):
    """CVAT writes iscrowd 1 for the masks of its brush."""
    pictures(tmp_path, "p0.jpg", "p1.jpg")
    coco_file(tmp_path, "train.json", ["p0.jpg"], iscrowd=1)
    coco_file(tmp_path, "val.json", ["p1.jpg"])
    code, said = started(tmp_path, capsys)
    assert code == 1 and "error: train: a training refuses the data set: " in said
    assert "1 object marked as crowd (iscrowd 1) or difficult: a training ignores these regions" in said
    assert "dog: 0 objects to train on: it cannot be learned" in said
    coco_file(tmp_path, "val.json", ["p1.jpg"], iscrowd=1)
    code, said = started(tmp_path, capsys)  # refused as out/config.py exists
    assert code and "--force" in said
    with pytest.raises(DataError, match="no objects to train on: 2 are marked as crowd .* or difficult, regions that"):
        starter.read(str(tmp_path), str(tmp_path / "out"))


def test_pictures_that_are_trained_on_and_evaluated(tmp_path, capsys):
    files = [f"p{i}.jpg" for i in range(COUNT)]
    pictures(tmp_path, *files)
    coco_file(tmp_path, "train.json", files)
    coco_file(tmp_path, "val.json", files[2:])
    code, said = started(tmp_path, capsys)
    assert code == 0 and f"2 pictures are in both train and val, such as {tmp_path}/p2.jpg: the AP of val is too high" in said


@pytest.mark.parametrize("names, count", [(["c0", "n1", "n2"], 3), (["p0", "p1", "p2"], 0)])
def test_folders_of_pictures_that_are_not_used(tmp_path, names, count):
    """A folder of masks has the names of the pictures."""
    yolo_files(tmp_path)
    pictures(tmp_path, *(f"other/{name}.png" for name in names))
    found, _ = starter.read(str(tmp_path), str(tmp_path / "out"))
    assert [line for line in found.problems if "are not used" in line and line.startswith(f"{count} pictures")] == (
        found.problems if count else []
    )


@pytest.mark.parametrize("name", ["a.tar.gz", "a.rar", "a.7z"])
def test_other_archives(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=f"{name}: of archives, only zip files are read; unpack it, and give the folder"):
        starter.read(str(tmp_path / name), str(tmp_path / "out"))
    with pytest.raises(DataError, match=f"{name}: an archive; unpack it, and give its folder"):
        starter.read(str(tmp_path), str(tmp_path / "out"))


def png(bitmap, mode):
    file = io.BytesIO()
    Image.fromarray(bitmap * (255 if mode == "1" else 1)).convert(mode).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("mode", ["1", "L"])
def test_bitmaps_of_labelme(tmp_path, mode):
    """They begin at their first point; what is outside the picture is cut off; a group of several parts is one mask."""
    bitmap = np.zeros((21, 31), np.uint8)
    bitmap[5:15, 3:20], bitmap[8, 8] = 1, 0
    expected = np.zeros((80, 100), np.uint8)
    expected[65:75, 83:100], expected[68, 88] = 1, 0
    shape = dict(label="dog", shape_type="mask", points=[[80, 60], [110, 80]], mask=png(bitmap, mode))
    labelme_files(tmp_path, shape)
    path = tmp_path / "labels" / "p0.json"
    content = json.loads(path.read_text())
    square = dict(label="dog", shape_type="polygon", points=[[10, 10], [20, 10], [20, 20], [10, 20]], group_id=1)
    content["shapes"] = [shape, square, {**shape, "group_id": 1}, {**shape, "mask": "iVBOR"}]
    path.write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    (line,) = found.problems
    assert "p0.json: the mask of 'dog' cannot be read: only the box is used" in line
    alone, group, unread = found.splits["all"][0].objects
    assert alone.box == (83, 65, 100, 75) and (to_bitmap(alone.segmentation, 100, 80) == expected).all()
    expected[10:20, 10:20] = 1
    assert group.box == (10, 10, 100, 75) and (to_bitmap(group.segmentation, 100, 80) == expected).all()
    assert unread.box == (80, 60, 110, 80) and unread.segmentation == []


def test_a_list_of_the_training_alone(tmp_path):
    """The rest is for validation, if it is not larger."""
    yolo_files(tmp_path)
    (tmp_path / "train.txt").write_text("p0.jpg\np1.jpg\np3.jpg\n")
    splits, rule = starter.split(formats.find(str(tmp_path))[0])
    assert {name: [os.path.basename(p.file) for p in listed] for name, listed in splits.items()} == {
        "train": ["p0.jpg", "p1.jpg", "p3.jpg"], "val": ["p2.jpg"]
    }  # fmt: skip
    assert rule == "a split for training: 3 pictures; the rest for validation: 1"
    (tmp_path / "train.txt").write_text("p0.jpg\n")
    splits, rule = starter.split(formats.find(str(tmp_path))[0])
    assert [len(listed) for listed in splits.values()] == [3, 1] and rule.startswith("only 1 pictures have a split, train: ")


@pytest.mark.parametrize("place", ["/other/machine/{}", "C:\\data\\{}", "../{}", "./{}/*.jpg"])
def test_folders_of_another_machine_in_a_data_yaml(tmp_path, place):
    for name in ("one", "two"):
        pictures(tmp_path, *(f"{name}/{name}{i}.jpg" for i in range(2)))
        for i in range(2):
            (tmp_path / name / f"{name}{i}.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    (tmp_path / "data.yaml").write_text(f"names: [x]\ntrain: '{place.format('one')}'\nval: '{place.format('two')}'\n")
    found, _ = formats.find(str(tmp_path))
    assert {name: [os.path.basename(p.file) for p in listed] for name, listed in found.splits.items()} == {
        "train": ["one0.jpg", "one1.jpg"], "val": ["two0.jpg", "two1.jpg"]
    }  # fmt: skip


def test_too_few_pictures_have_a_reason(tmp_path, capsys):
    yolo_files(tmp_path / "d", "[0.5, 0.5, 0.2, 0.4, 0]\n")
    (tmp_path / "d" / "JPEGImages" / "p0.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert main(["init", str(tmp_path / "d"), str(tmp_path / "out")]) != 0
    text = capsys.readouterr().err
    assert "at least two" in text and "p1.txt: no line of it is the number of a class and four numbers" in text


def test_small_pictures_are_counted(tmp_path, capsys):
    yolo_files(tmp_path / "d")
    Image.new("RGB", (31, 40)).save(tmp_path / "d" / "JPEGImages" / "p0.jpg")
    assert main(["init", str(tmp_path / "d"), str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "1 picture with a side below 32 pixels: not trained on" in text and "val: 1 picture, 1 object\n" in text
    assert "class 0: 2 objects to train on" in text  # of 3


def test_backgrounds_are_counted(tmp_path, capsys):
    """A training leaves them out, unless the config says otherwise; the validation uses them."""
    yolo_files(tmp_path / "d")
    (tmp_path / "d" / "JPEGImages" / "p0.txt").write_text("")
    assert main(["init", str(tmp_path / "d"), str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "  1 picture of train without an object: a training leaves out these backgrounds; it uses them with `--set" in text
    config = load_config(str(tmp_path / "out" / "config.py"))
    for change, count in ({}, 2), ({"filter_empty_gt": False}, 3):
        assert len(build({**config["dataset"]["train"], **change}, "x", "dataset").records) == count
    (tmp_path / "d" / "JPEGImages" / "p0.txt").write_text("0 0.5 0.5 0.2 0.4\n")
    assert main(["init", str(tmp_path / "d"), str(tmp_path / "out"), "--force"]) == 0
    assert "without an object" not in capsys.readouterr().out


def test_a_zip_file_over_another_one(tmp_path):
    """Its files are not mixed with those of an earlier one."""
    for name in "ab":
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for i in range(3):
                picture = io.BytesIO()
                Image.new("RGB", (64, 64)).save(picture, "PNG")
                archive.writestr(f"d/{name}{i}.png", picture.getvalue())
                archive.writestr(f"d/{name}{i}.txt", "0 0.5 0.5 0.5 0.5\n")
    folder = str(tmp_path / "out")
    for _ in range(2):
        assert len(starter.read(str(tmp_path / "a.zip"), folder)[0].splits["all"]) == 3
    with pytest.raises(DataError, match="has 6 files that are not in .*b.zip, such as .*remove that folder, or choose"):
        starter.read(str(tmp_path / "b.zip"), folder)
    assert sorted(os.listdir(f"{folder}/data/d")) == [f"a{i}.{ending}" for i in range(3) for ending in ("png", "txt")]


@pytest.mark.parametrize(
    "lists, train, val, test",
    [
        ({"Main/train": "012", "Main/valid": "34"}, "012", "34", ""),
        ({"Main/Train": "012", "Main/Val": "34"}, "012", "34", ""),
        ({"Main/train": "012", "val": "34"}, "012", "34", ""),
        ({"Main/trainval": "0123", "Main/test": "4"}, "0123", "", "4"),
        ({"Main/trainval": "0123", "Main/val": "3", "Main/test": "4"}, "012", "3", "4"),
        ({"Main/trainval": "0123", "Main/train": "01", "Main/test": "4"}, "01", "23", "4"),
        ({"Main/train": "01", "Main/val": "2", "Segmentation/train": "34", "Main/cat_val": "3"}, "01", "2", ""),
    ],
)
@pytest.mark.parametrize("form", ["{}", "{}.jpg", "/old/JPEGImages/{}.png", "Annotations/{}.xml"])
def test_lists_of_voc(tmp_path, lists, train, val, test, form):
    pictures(tmp_path, *(f"JPEGImages/{i}.jpg" for i in range(5)))
    (tmp_path / "Annotations").mkdir()
    for i in range(5):
        (tmp_path / "Annotations" / f"{i}.{'XML' if i == 1 else 'xml'}").write_text("<annotation/>")
    for name, stems in lists.items():
        path = tmp_path / ("ImageSets" if "/" in name else ".") / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(form.format(stem) + "\n" for stem in stems) if "/" in name else "\n".join(stems))
    found, _ = formats.find(str(tmp_path))
    splits = {name: "".join(os.path.basename(p.file)[0] for p in listed) for name, listed in found.splits.items()}
    assert splits == {name: own for name, own in (("train", train), ("val", val), ("test", test)) if own}
    assert not found.problems


@pytest.mark.parametrize("val", [None, ""])
def test_a_list_of_the_training_alone_in_voc(tmp_path, val):
    """The rest is for validation, if it is not larger; an empty val.txt, as some scripts write it, changes nothing."""
    voc_files(tmp_path)
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("p0\np1\np3\n")
    if val is not None:
        (lists / "val.txt").write_text(val)
    splits, rule = starter.split(formats.find(str(tmp_path))[0])
    assert {name: [os.path.basename(p.file) for p in listed] for name, listed in splits.items()} == {
        "train": ["p0.jpg", "p1.jpg", "p3.jpg"], "val": ["p2.jpg"]
    }  # fmt: skip
    assert rule == "a split for training: 3 pictures; the rest for validation: 1"
    (lists / "train.txt").write_text("p0\n")
    assert list(formats.find(str(tmp_path))[0].splits) == ["train"]


def test_a_list_of_the_validation_alone_in_voc(tmp_path):
    """The rest is for training: it was not used, and the four fifths of the validation were trained on."""
    voc_files(tmp_path)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("p1\n")
    splits, rule = starter.split(formats.find(str(tmp_path))[0])
    assert {name: [os.path.basename(p.file) for p in listed] for name, listed in splits.items()} == {
        "train": ["p0.jpg", "p2.jpg", "p3.jpg"], "val": ["p1.jpg"]
    }  # fmt: skip
    assert rule == "existing splits: val 1, train 3"


def test_lists_of_several_folders_of_voc(tmp_path):
    """The trainval of one folder is not lost because another has train and val."""
    of = {"VOC2007": {"trainval": "01", "test": "2"}, "VOC2012": {"train": "0", "val": "1", "trainval": "01"}}
    for folder, lists in of.items():
        pictures(tmp_path, *(f"{folder}/JPEGImages/{folder}_{i}.jpg" for i in range(3)))
        (tmp_path / folder / "Annotations").mkdir()
        (tmp_path / folder / "ImageSets" / "Main").mkdir(parents=True)
        for i in range(3):
            (tmp_path / folder / "Annotations" / f"{folder}_{i}.xml").write_text("<annotation/>")
        for name, stems in lists.items():
            text = "".join(f"{folder}_{stem}\n" for stem in stems)
            (tmp_path / folder / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    found, _ = formats.find(str(tmp_path))
    assert {name: [os.path.basename(p.file)[:-4] for p in listed] for name, listed in found.splits.items()} == {
        "train": ["VOC2007_0", "VOC2007_1", "VOC2012_0"], "val": ["VOC2012_1"], "test": ["VOC2007_2"]
    }  # fmt: skip
