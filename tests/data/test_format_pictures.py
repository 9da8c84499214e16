"""The picture, size and split that an annotation of another program means: found correctly, or left out."""

import dataclasses
import json
import os
import re

import pytest
from PIL import Image

from jsra.data import formats, starter
from jsra.data.formats.annotations import Object
from jsra.data.formats.pictures import Pictures, size_of, split_of
from jsra.data.image import DataError
from jsra.registry import ConfigError
from tests.data.test_formats import CAT, DOG, coco, cvat, labelme, pictures, voc, yolo

ROTATED = 6  # the EXIF orientation of a picture to be turned by 90 degrees


def all_pictures(found):
    return [p for listed in found.splits.values() for p in listed]


@pytest.mark.parametrize(
    "text, split",
    [("instances_val2017.json", "val"), ("valid/images", "val"), ("train", "train"), ("Test-set", "test"),
     ("train_01/testing", "test"), ("valve1", None), ("latest", None), ("trainers/value", None), ("trainval", None),
     ("eval", "val"), ("valset/x", "val"), ("test_set", "test"), ("trainset", "train"), ("validate", "val"), ("evals", None),
     ("instances_train_val.json", None), ("train-val/x", None), ("train_test_split/train", "train"), ("train/val", "val")],
)  # fmt: skip
def test_words_of_splits(text, split):
    assert split_of(text) == split


def test_of_several_pictures_of_a_name_the_nearest_is_meant(tmp_path):
    pictures(tmp_path, "a/images/1.jpg", "b/images/1.jpg", "train/1.jpg", "one/2.jpg", "two/2.jpg", "._3.jpg")
    places = Pictures(str(tmp_path))

    def found(name, source, **options):
        place, why = places.find(name, str(tmp_path / source), **options)
        return why if place is None else place[len(str(tmp_path)) + 1 :]

    assert found("b\\images\\1.jpg", "x.json") == "b/images/1.jpg"
    assert found("1", "a/labels/1.txt", stem=True) == "a/images/1.jpg"
    assert found("1.jpg", "annotations/train.json") == "train/1.jpg"
    assert "matches 2 pictures of that name" in found("2.jpg", "x.json")
    assert "is not in" in found("3", "x.xml", stem=True)


def test_the_path_of_another_machine_may_be_closed_here(tmp_path, monkeypatch):
    """Such as /root/...: the picture is searched by its name, and only its own folder is looked into."""
    stat = os.stat

    def closed(path, *args, **options):
        if str(path).startswith("/root/"):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *args, **options)

    pictures(tmp_path, "1.jpg")
    monkeypatch.setattr(os, "stat", closed)
    found = [Pictures(str(tmp_path)).find(f"/root/data/{name}.jpg", "a.json") for name in "12"]
    assert found[0] == (str(tmp_path / "1.jpg"), "") and found[1][0] is None


def test_sizes(tmp_path):
    picture = Image.new("RGB", (100, 80))
    exif = picture.getexif()
    exif[0x0112] = ROTATED
    path = str(tmp_path / "a.jpg")
    picture.save(path, exif=exif)
    assert size_of(path)[0] == size_of(path, ("0", None))[0] == size_of(path, (80, 100))[0] == (80, 100)
    assert size_of(path, ("100", "80"))[0] == (100, 80)
    size, why = size_of(path, (200, 160))
    assert size is None and "annotated as a picture of 200 x 160 pixels, it has 80 x 100" in why


@pytest.mark.parametrize("form", [coco, voc, labelme, cvat], ids=lambda f: f.__name__)
def test_pictures_that_were_scaled_are_left_out(tmp_path, form):
    form(tmp_path)
    for path in tmp_path.rglob("a.jpg"):
        Image.new("RGB", (50, 40)).save(path)
    if form in (voc, labelme):  # the others say the size already
        path = tmp_path / ("Annotations/a.xml" if form is voc else "a.json")
        size = "<size><width>100</width><height>80</height></size></annotation>"
        said = '{"imageWidth": 100, "imageHeight": 80, "shapes"'
        old, new = ("</annotation>", size) if form is voc else ('{"shapes"', said)
        path.write_text(path.read_text().replace(old, new))
    found, _ = formats.find(str(tmp_path))
    assert [p.objects for p in all_pictures(found)] == [[]]  # the empty one
    assert any("of 100 x 80 pixels, it has 50 x 40" in line for line in found.problems)


@pytest.mark.parametrize("form", [coco, voc, yolo, labelme, cvat], ids=lambda f: f.__name__)
def test_equal_names_in_two_folders(tmp_path, form):
    """Two data sets of the same file names in one folder: no picture gets the other's boxes, none is lost."""
    for name in ("train", "valid"):
        (tmp_path / name).mkdir()
        form(tmp_path / name)
    for path in (tmp_path / "valid").rglob("*.*"):  # other classes there
        if path.suffix in (".json", ".xml", ".yaml"):
            path.write_text(path.read_text().replace("dog", "cow"))
    found, _ = formats.find(str(tmp_path))
    for picture in all_pictures(found):
        names = {o.name for o in picture.objects}
        if "empty" not in picture.file:
            assert names == ({"cat", "dog"} if "train" in picture.file else {"cat", "cow"}), picture.file
    assert sorted(p.file.count("valid") for p in all_pictures(found)) == [0, 0, 1, 1]
    if form is not cvat:  # which says the split in the file
        assert {name: len(listed) for name, listed in found.splits.items()} == {"train": 2, "val": 2}


def test_a_picture_in_several_files_is_taken_once(tmp_path):
    coco(tmp_path)
    content = (tmp_path / "instances.json").read_text()
    (tmp_path / "backup.json").write_text(content)
    (tmp_path / "person_keypoints.json").write_text(content)
    found, _ = formats.find(str(tmp_path))
    assert len(found.splits["all"]) == 2 and len(found.splits["all"][0].objects) == 2
    assert sum(line.endswith("instances.json, which is used: left out") for line in found.problems) == 2


def test_what_is_of_no_split(tmp_path):
    coco(tmp_path)
    (tmp_path / "instances.json").rename(tmp_path / "trainval.json")
    found, _ = formats.find(str(tmp_path))
    one, empty = found.splits["all"]
    other = dataclasses.replace(one, file=str(tmp_path / "c.png"))
    found.splits = {"all": [empty, other], "test": [other]}
    splits, rule = starter.split(found)
    assert splits == {"train": [empty], "test": [other], "val": [other]} and "validation uses the test split" in rule
    found.splits = {"all": [one, other, empty], "test": [empty]}  # COCO's image_info_test, a test of a competition
    splits, rule = starter.split(found)
    assert splits == {"train": [other], "val": [one], "test": [empty]}
    assert rule == "the test split has no objects: every 2nd picture, by file name, is for validation"
    found.splits = {"all": [one, empty], "train": [one], "val": [empty]}
    splits, rule = starter.split(found)
    assert list(splits) == ["train", "val"] and rule == "existing splits: train 1, val 1"
    found.splits = {"all": [one, other], "train": [one], "val": [empty]}
    splits, rule = starter.split(found)
    assert splits == {"train": [one], "val": [empty]} and rule.endswith("; 1 picture without a split is not used")


def test_yolo_lines_and_names(tmp_path):
    yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text("1.0 0.3 0.5 0.4 0.5\n-1 0.5 0.5 0.5 0.5\n0 0.5 0.5\n0 nan 0.5 0.5 0.5\n")
    (tmp_path / "a.yaml").write_text("names: [other, things]")  # of another program
    (tmp_path / "data.yaml").write_text("names: {'0': cat, '1': dog}\ntrain: images\n")
    found, _ = formats.find(str(tmp_path))
    assert [(o.name, o.box) for p in all_pictures(found) for o in p.objects] == [("dog", pytest.approx(DOG))]
    assert [line.split(": ")[0][-6:] for line in found.problems if "a.txt" in line] == ["line 2", "line 3", "line 4"]
    assert any("a.yaml: other class names" in line for line in found.problems)
    (tmp_path / "a.yaml").unlink()
    (tmp_path / "data.yaml").write_bytes("names: cat\n".encode("utf-16"))
    (tmp_path / "classes.txt").write_bytes("\nch\xe2t\n".encode("latin-1"))
    found, _ = formats.find(str(tmp_path))
    assert found.classes[0] == "class 0" and len(found.classes) == 2


def test_yolo_key_points_are_no_polygon(tmp_path):
    yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text("1 0.3 0.5 0.4 0.5 0.9 0.9 0.95 0.95\n")
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\nkpt_shape: [2, 2]\n")
    found, _ = formats.find(str(tmp_path))
    assert [o.box for p in all_pictures(found) for o in p.objects] == [pytest.approx(DOG)]


@pytest.mark.parametrize(
    "more, words",
    [(" 0.9 0.9 2 0.95 0.95 0", "a box and key points"), (" 0.93 17", "a box and a score and a track"), (" 0.93", None)],
)
def test_yolo_labels_with_more_than_a_box(tmp_path, more, words):
    """Without kpt_shape. They are no polygons; two lines of six corners of triangles are."""
    yolo(tmp_path)
    lines = [f"{line}{more}\n" for line in ("1 0.3 0.5 0.4 0.5", "0 0.65 0.25 0.5 0.5")]
    (tmp_path / "labels" / "a.txt").write_text("".join(lines))
    found, _ = formats.find(str(tmp_path))
    boxes = [(o.name, o.box, o.segmentation) for p in all_pictures(found) for o in p.objects]
    assert boxes == [("dog", pytest.approx(DOG), []), ("cat", pytest.approx(CAT), [])]
    assert any(words in line for line in found.problems) if words else not found.problems[1:]
    lines = ["1 0.1 0.25 0.5 0.25 0.1 0.75", "0 0.4 0 0.9 0 0.9 0.5", "1 0.1 0.1 0.2 0.2 0.3 0.3 2 0.4 0.4 2"]
    (tmp_path / "labels" / "a.txt").write_text("\n".join(lines))
    found, _ = formats.find(str(tmp_path))
    assert [o.box for p in all_pictures(found) for o in p.objects] == [pytest.approx(DOG), pytest.approx(CAT)]
    assert any("a.txt, line 3: not a polygon (nor a box" in line for line in found.problems)


def test_yolo_names_that_are_none_are_said(tmp_path):
    yolo(tmp_path)
    for text, words in (
        ("names:\n- cat\n x: y\n", "data.yaml: not valid YAML"), ("names: cat dog\n", "names is 'cat dog'; write a list"),
        ("names: [cat, cat]\n", "data.yaml: 2 classes are called 'cat': they become one class"),
    ):  # fmt: skip
        (tmp_path / "data.yaml").write_text(text)
        found, _ = formats.find(str(tmp_path))
        assert any(words in line for line in found.problems), found.problems


@pytest.mark.parametrize("form", [coco, voc, yolo, labelme, cvat], ids=lambda f: f.__name__)
def test_pictures_that_are_not_used_are_said(tmp_path, form):
    form(tmp_path)
    place = next(p for p in tmp_path.rglob("a.jpg")).parent
    for name in ("z1.jpg", "z2.jpg"):
        (place / name).write_bytes((place / "a.jpg").read_bytes())
    found, _ = starter.read(str(tmp_path), str(tmp_path / "out"))
    reason = f"no usable {found.form} annotations, or no list of a split names them"
    (line,) = [line for line in found.problems if reason in line]
    assert line.startswith(f"{3 if form is yolo else 2} pictures, such as {place}")
    assert ("empty .txt" in line) == (form is yolo)


@pytest.mark.parametrize("form", [coco, yolo], ids=lambda f: f.__name__)
def test_pictures_that_cannot_be_read_have_a_reason(tmp_path, form):
    form(tmp_path)
    path = tmp_path / "images" / "a.jpg"
    Image.new("1", (14000, 14000)).save(path, "PNG")
    found = formats.find(str(tmp_path))[0]
    why = "it has more than 178 million pixels, the most that are read; cut it into parts"
    assert any("a.jpg" in line and why in line for line in found.problems)
    path.rename(tmp_path / "images" / "a.heic")
    if form is coco:
        (tmp_path / "instances.json").write_text((tmp_path / "instances.json").read_text().replace("a.jpg", "a.heic"))
    found = formats.find(str(tmp_path))[0]
    assert any("a.heic is in a format that is not read; convert it (.jpg" in line for line in found.problems)


@pytest.mark.parametrize(
    "change, words",
    [(lambda a: a.update(bbox=[v / 100 for v in a["bbox"]]), "all 2 are .*thinner than a pixel.*in pixels, not in fractions"),
     (lambda a: a.update(image_id="7"), r"they have no objects\n  .*image_id is '7', text; the listed id is a number")],
)  # fmt: skip
def test_data_without_an_object_to_train_on_are_refused(tmp_path, change, words):
    coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    content["annotations"] = content["annotations"][:2]
    for a in content["annotations"]:
        change(a)
    (tmp_path / "instances.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=words):
        starter.read(str(tmp_path), str(tmp_path / "out"))
    del content["annotations"][0]["bbox"]
    content["annotations"][1].update(bbox=[40, 0, 50, 40], image_id=7)
    (tmp_path / "instances.json").write_text(json.dumps(content))
    found, data = starter.read(str(tmp_path), str(tmp_path / "out"))
    found.splits["all"][1].objects.append(Object("cat", (1, 1, 1.5, 9)))
    assert starter.write(found, data, str(tmp_path / "out"), gpu=False, pretrained=False)["unusable"] == 1


def test_cvat_turned_boxes_and_tracks(tmp_path):
    cvat(tmp_path)
    path = tmp_path / "annotations.xml"
    path.write_text(path.read_text().replace('ybr="60"', 'ybr="40" rotation="90"').replace("</meta>", "</meta><track/>"))
    found, _ = formats.find(str(tmp_path))
    boxes = {o.name: o.box for p in all_pictures(found) for o in p.objects}
    assert boxes == {"dog": pytest.approx((20, 10, 40, 50)), "cat": CAT}  # 40 x 20 around (30, 30), turned
    assert any("it has video tracks" in line for line in found.problems)


def test_labelme_shapes_without_a_label(tmp_path):
    labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"] += [dict(shape_type="rectangle", points=[[1, 1], [9, 9]], **more) for more in ({}, dict(label=None))]
    (tmp_path / "a.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["cat", "dog"] and sum("has no label" in line for line in found.problems) == 2


def test_nothing_of_the_data_is_written_over_or_read_again(tmp_path):
    coco(tmp_path)
    (tmp_path / "annotations").mkdir()
    own = tmp_path / "annotations" / "train.json"
    (tmp_path / "instances.json").rename(own)
    before = own.read_text()
    found, data = starter.read(str(tmp_path), str(tmp_path))
    with pytest.raises(ConfigError, match="was not written by `jsra init`: choose another folder"):
        starter.write(found, data, str(tmp_path), gpu=False, pretrained=False)
    assert own.read_text() == before
    starter.write(found, data, str(tmp_path / "project"), gpu=False, pretrained=False)
    again, _ = starter.read(str(tmp_path), str(tmp_path / "project"))
    assert again == found
    starter.write(again, data, str(tmp_path / "project"), gpu=False, pretrained=False)


def test_the_folder_of_the_data_may_be_the_project(tmp_path):
    coco(tmp_path)
    found, data = starter.read(str(tmp_path), str(tmp_path))
    starter.write(found, data, str(tmp_path), gpu=False, pretrained=False)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "train_batch0.jpg").write_bytes((tmp_path / "images" / "a.jpg").read_bytes())
    assert starter.read(str(tmp_path), str(tmp_path))[0] == found


def test_annotations_of_which_none_can_be_used_say_why(tmp_path):
    coco(tmp_path)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"(?s)no annotations in a known format.*'a.jpg' is not in"):
        starter.read(str(tmp_path), str(tmp_path / "out"))


@pytest.mark.parametrize("form", ["coco", "voc", "cvat", "labelme"])
@pytest.mark.parametrize("folders", [("cat", "dog"), ("train", "val")], ids=" ".join)
def test_a_missing_picture_is_not_replaced_by_another_of_its_name(tmp_path, form, folders):
    """a/0.jpg is missing, b/0.jpg is there, or the other way round: 0.jpg keeps its own boxes."""
    gone = folders[0] if folders[0] == "cat" else folders[1]
    entries = [(folder, i) for folder in folders for i in range(2)]
    pictures(tmp_path, *(f"{folder}/{i}.jpg" for folder, i in entries if (folder, i) != (gone, 0)))
    content, lines = {}, []
    for number, (folder, i) in enumerate(entries):
        width = 40 if folder == gone else 20
        split = folder if folder in ("train", "val") else "all"
        own = content.setdefault(split, dict(images=[], annotations=[], categories=[dict(id=1, name="x")]))
        name = f"{folder}/{i}.jpg" if split == "all" else f"{i}.jpg"
        own["images"].append(dict(id=number, file_name=name, width=100, height=80))
        own["annotations"].append(dict(id=number, image_id=number, category_id=1, bbox=[0, 0, width, 20]))
        lines.append(f'<image name="{folder}/{i}.jpg"><box label="x" xtl="0" ytl="0" xbr="{width}" ybr="20"/></image>')
        corners = f"<xmin>1</xmin><ymin>1</ymin><xmax>{width}</xmax><ymax>20</ymax>"
        if form == "voc":
            xml = f"<annotation><object><name>x</name><bndbox>{corners}</bndbox></object></annotation>"
            (tmp_path / folder / f"{i}.xml").write_text(xml)
        if form == "labelme":
            shape = dict(label="x", shape_type="rectangle", points=[[0, 0], [width, 20]])
            (tmp_path / folder / f"{i}.json").write_text(json.dumps(dict(shapes=[shape], imagePath=f"{i}.jpg")))
    if form == "cvat":
        (tmp_path / "annotations.xml").write_text(f"<annotations>{''.join(lines)}</annotations>")
    if form == "coco":
        for split, one in content.items():
            (tmp_path / f"{split}.json").write_text(json.dumps(one))
    found, _ = formats.find(str(tmp_path))
    widths = {p.file[len(str(tmp_path)) + 1 :]: p.objects[0].box[2] for p in all_pictures(found)}
    other = next(folder for folder in folders if folder != gone)
    assert widths == {f"{gone}/1.jpg": 40, f"{other}/0.jpg": 20, f"{other}/1.jpg": 20}
    assert len(all_pictures(found)) == 3
    (line,) = (line for line in found.problems if "1 of its pictures are not where they should be" in line)
    assert f"({tmp_path}/{other}/0.jpg is that of " in line


@pytest.mark.parametrize("form", [coco, voc, labelme, cvat], ids=lambda f: f.__name__)
def test_splits_of_the_folders_of_pictures(tmp_path, form):
    """Annotations in one place, pictures in train and val."""
    form(tmp_path)
    for path in [*tmp_path.rglob("a.jpg"), *tmp_path.rglob("empty.jpg")]:
        place = tmp_path / ("val" if path.name == "a.jpg" else "train")
        place.mkdir(exist_ok=True)
        path.rename(place / path.name)
    if form is cvat:
        (path,) = tmp_path.rglob("*.xml")
        path.write_text(re.sub(r'subset="\w*"', "", path.read_text()))
    found, _ = formats.find(str(tmp_path))
    assert {name: [os.path.basename(p.file) for p in listed] for name, listed in found.splits.items()} == {
        "val": ["a.jpg"], "train": ["empty.jpg"]
    }  # fmt: skip


@pytest.mark.parametrize("form", ["coco", "cvat"])
def test_a_missing_picture_is_not_replaced_by_one_without_annotations(tmp_path, form):
    names = ("cat/0.jpg", "cat/1.jpg", "dog/1.jpg", "/old/machine/2.jpg")
    pictures(tmp_path, "cat/1.jpg", "dog/0.jpg", "dog/1.jpg", "2.jpg")
    images = [dict(id=i, file_name=name, width=100, height=80) for i, name in enumerate(names)]
    annotations = [dict(id=i, image_id=i, category_id=1, bbox=[0, 0, 20, 20]) for i in range(len(names))]
    lines = [f'<image name="{n}"><box label="x" xtl="0" ytl="0" xbr="20" ybr="20"/></image>' for n in names]
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name="x")])
    text = json.dumps(content) if form == "coco" else f"<annotations>{''.join(lines)}</annotations>"
    (tmp_path / ("a.json" if form == "coco" else "a.xml")).write_text(text)
    found, _ = formats.find(str(tmp_path))
    assert sorted(p.file[len(str(tmp_path)) + 1 :] for p in all_pictures(found)) == ["2.jpg", "cat/1.jpg", "dog/1.jpg"]
    (line,) = found.problems
    assert f"such as 'cat/0.jpg' ({tmp_path}/dog/0.jpg is in the folder of other ones): left out" in line


def test_frames_of_videos_have_the_names_of_their_folders(tmp_path):
    """ImageNet VID's folders: Data/VID/train/<video>/<frame>, Annotations/VID/train/<video>/<frame>."""
    for number, video in enumerate(("train/a", "train/b", "val/c")):
        pictures(tmp_path, f"Data/VID/{video}/000000.JPEG")
        place = tmp_path / "Annotations" / "VID" / video
        place.mkdir(parents=True)
        box = f"<bndbox><xmin>{number + 1}</xmin><ymin>1</ymin><xmax>50</xmax><ymax>40</ymax></bndbox>"
        (place / "000000.xml").write_text(f"<annotation><object><name>dog</name>{box}</object></annotation>")
    found, _ = formats.find(str(tmp_path))
    boxes = {name: {p.file.split(os.sep)[-2]: p.objects[0].box[0] for p in listed} for name, listed in found.splits.items()}
    assert boxes == {"train": {"a": 0, "b": 1}, "val": {"c": 2}} and not found.problems


@pytest.mark.parametrize("form", ["coco", "cvat"])
def test_subsets_of_a_project_have_pictures_of_the_same_names(tmp_path, form):
    """CVAT exports images/<subset>/<name>; COCO's files are named after the subset, its own XML says it of each picture."""
    lines, names = [], ("night", "day")
    for name in names:
        pictures(tmp_path, f"images/{name}/1.jpg")
        images, categories = [dict(id=1, file_name="1.jpg", width=100, height=80)], [dict(id=1, name=name)]
        content = dict(images=images, annotations=[dict(id=1, image_id=1, category_id=1, bbox=[0, 0, 20, 20])])
        if form == "coco":
            (tmp_path / f"instances_{name}.json").write_text(json.dumps(dict(content, categories=categories)))
        lines.append(f'<image name="1.jpg" subset="{name}"><box label="{name}" xtl="0" ytl="0" xbr="20" ybr="20"/></image>')
    if form == "cvat":
        (tmp_path / "annotations.xml").write_text(f"<annotations>{''.join(lines)}</annotations>")
    found, _ = formats.find(str(tmp_path))
    assert {p.file.split(os.sep)[-2]: p.objects[0].name for p in all_pictures(found)} == dict(zip(names, names))
    assert not found.problems
