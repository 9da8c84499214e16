"""The same two pictures in every annotation format that `jsra init` reads."""

import json
import os
import unicodedata

import pytest
from PIL import Image

from jsra.cli import main
from jsra.config import load_config
from jsra.data import formats, starter
from jsra.data.image import DataError

# A picture of 100 x 80: a dog at (10, 20, 50, 60), a cat at (40, 0, 90, 40); and one of 60 x 60 without objects.
DOG, CAT = (10, 20, 50, 60), (40, 0, 90, 40)


def pictures(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 60) if "empty" in name else (100, 80), "gray").save(path)


def coco(folder):
    pictures(folder, "images/a.jpg", "images/empty.jpg")
    images = [dict(id=7, file_name="a.jpg", width=100, height=80), dict(id=9, file_name="empty.jpg", width=60, height=60),
              dict(id=10, file_name="gone.jpg", width=5, height=5)]  # fmt: skip
    annotations = [dict(id=1, image_id=7, category_id=3, bbox=[10, 20, 40, 40]), dict(id=2, image_id=7, category_id=1,
                   bbox=[40, 0, 50, 40]), dict(id=3, image_id=7, category_id=8, bbox=[1, 1, 2, 2])]  # fmt: skip
    categories = [dict(id=3, name="dog"), dict(id=1, name="cat")]
    (folder / "instances.json").write_text(json.dumps(dict(images=images, annotations=annotations, categories=categories)))


def voc(folder):
    pictures(folder, "JPEGImages/a.jpg", "JPEGImages/empty.jpg")
    objects = "".join(
        f"<object><name> {name} </name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        "</bndbox></object>"
        for name, (x0, y0, x1, y1) in (("dog", DOG), ("cat", CAT))
    )
    (folder / "Annotations").mkdir()
    # <filename> names another picture that exists: the name of the XML file decides.
    (folder / "Annotations" / "a.xml").write_text(
        f"<annotation><filename>empty.jpg</filename>{objects}<object><name>x</name></object></annotation>"
    )
    (folder / "Annotations" / "empty.xml").write_text("<annotation/>")
    (folder / "Annotations" / "gone.xml").write_text("<annotation/>")


def yolo(folder):
    pictures(folder, "images/a.jpg", "images/empty.jpg", "images/unseen.jpg")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text(
        "1 0.3 0.5 0.4 0.5\n0 0.4 0 0.9 0 0.9 0.5 0.4 0.5\n0 0.5 0.5 0 0\n"  # a box, a polygon, nothing
    )
    (folder / "labels" / "empty.txt").write_text("")
    (folder / "data.yaml").write_text("names: {0: cat, 1: dog}\ntrain: images\n")


def labelme(folder):
    pictures(folder, "a.jpg", "empty.jpg")
    x0, y0, x1, y1 = CAT
    shapes = [
        dict(label="dog", shape_type="rectangle", points=[[50, 60], [10, 20]]),
        dict(label="cat", shape_type="polygon", points=[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]),
        dict(label="dog", shape_type="point", points=[[5, 5]]),
    ]
    (folder / "a.json").write_text(json.dumps(dict(shapes=shapes, imagePath="..\\elsewhere\\a.jpg", imageData=None)))
    (folder / "empty.json").write_text(json.dumps(dict(shapes=[], imagePath="empty.jpg")))
    (folder / "gone.json").write_text(json.dumps(dict(shapes=[], imagePath="gone.jpg")))


def cvat(folder):
    pictures(folder, "images/a.jpg", "images/empty.jpg")
    (folder / "annotations.xml").write_text(
        "<annotations><meta><task><labels><label><name>dog</name></label><label><name>cat</name></label></labels></task></meta>"
        '<image id="0" name="a.jpg" width="100" height="80"><box label="dog" xtl="10" ytl="20" xbr="50" ybr="60"/>'
        '<polygon label="cat" points="40,0;90,0;90,40;40,40"/><points label="dog" points="1,1"/></image>'
        '<image id="1" name="empty.jpg" width="60" height="60"/><image id="2" name="gone.jpg"/></annotations>'
    )


@pytest.mark.parametrize("points", [None, 3, [[1, 2], ["a", 3]], [[1], [2, 3]], [[0, 0], [9, 0], [9, float("nan")]]])
def test_points_that_are_none(tmp_path, points):
    labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"] += [dict(label="cat", points=points), 7]
    (tmp_path / "a.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert len(found.problems) == 4 and sum(len(p.objects) for p in found.splits["all"]) == 2


@pytest.mark.parametrize("form", [coco, voc, yolo, labelme, cvat], ids=lambda f: f.__name__)
def test_every_form(tmp_path, form):
    form(tmp_path)
    found, _ = formats.find(str(tmp_path))
    assert found.form.lower().endswith(form.__name__)
    assert sorted(found.classes) == ["cat", "dog"]
    (listed,) = found.splits.values()
    first, empty = sorted(listed, key=lambda p: p.file)
    assert (first.width, first.height, empty.width, empty.objects) == (100, 80, 60, [])
    assert {o.name: tuple(round(v, 3) for v in o.box) for o in first.objects} == {"dog": DOG, "cat": CAT}
    polygons = {o.name: o.segmentation for o in first.objects}["cat"]
    assert polygons == ([[40, 0, 90, 0, 90, 40, 40, 40]] if form in (yolo, labelme, cvat) else [])
    # What cannot be used is named: in each form one object, and, but for YOLO, one picture that is not there.
    assert len(found.problems) == (1 if form is yolo else 2), found.problems
    assert form is yolo or any("gone" in line for line in found.problems)


def test_splits(tmp_path):
    for name, number in (("train", 4), ("valid", 2)):
        pictures(tmp_path, *(f"{name}/images/{i}.jpg" for i in range(number)))
        (tmp_path / name / "labels").mkdir()
        for i in range(number):
            (tmp_path / name / "labels" / f"{i}.txt").write_text(f"{i % 2} 0.5 0.5 0.2 0.2\n")
    found, _ = formats.find(str(tmp_path))
    assert {name: len(listed) for name, listed in found.splits.items()} == {"train": 4, "val": 2}
    assert found.classes == ["class 0", "class 1"]
    # Pictures of equal names in two folders have each its own labels.
    assert [o.name for p in found.splits["val"] for o in p.objects] == ["class 0", "class 1"]
    splits, rule = starter.split(found)
    assert len(splits["val"]) == 2 and rule == "existing splits: train 4, val 2"
    found.splits = {"all": found.splits["train"] + found.splits["val"]}
    splits, rule = starter.split(found)
    assert (len(splits["train"]), len(splits["val"])) == (5, 1) and "every 5th picture" in rule


@pytest.mark.parametrize("pretrained", [False, True])
def test_a_project(tmp_path, pretrained):
    (tmp_path / "in").mkdir()
    labelme(tmp_path / "in")
    found, data = starter.read(str(tmp_path / "in"), str(tmp_path / "out"))
    done = starter.write(found, data, str(tmp_path / "out"), gpu=False, pretrained=pretrained)
    config = load_config(done["path"])
    assert config.model.roi_head.box.head.num_classes == 2
    assert config.dataset.train.classes == ["cat", "dog"] and config.dataset.test.anno_file.endswith("/val.json")
    with open(config.dataset.train.anno_file, encoding="utf8") as f:
        content = json.load(f)
    assert [i["file_name"] for i in content["images"]] == ["a.jpg"]
    assert content["annotations"][1]["segmentation"] == [[40, 0, 90, 0, 90, 40, 40, 40]]
    assert config.work_dir == str(tmp_path / "out" / "run")
    # The backbone, its weights and the images that these expect go together.
    normalize = next(t for t in config.dataset.train.transforms if t["type"] == "Normalize")
    found = config.model.backbone.type, "pretrained_weights" in config, normalize["mean"][0]
    assert found == (("EfficientNetLite", True, 127.0) if pretrained else ("ResNet", False, 123.675))


def test_a_folder_behind_a_link(tmp_path):
    """link/.. is the folder above the link's target."""
    for name in ("real/in", "a"):
        (tmp_path / name).mkdir(parents=True)
    labelme(tmp_path / "real" / "in")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "real" / "in")
    _, data = starter.read(f"{tmp_path}/a/link/../in", str(tmp_path / "out"))
    assert data == os.path.realpath(tmp_path / "real" / "in")


def test_nothing_to_be_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        starter.read(str(tmp_path / "gone"), str(tmp_path))
    (tmp_path / "notes.txt").write_text("not a label")
    with pytest.raises(DataError, match="no annotations in a known format"):
        starter.read(str(tmp_path), str(tmp_path))
    with pytest.raises(DataError, match="expected a folder or a zip file"):
        starter.read(str(tmp_path / "notes.txt"), str(tmp_path))


@pytest.mark.parametrize("form", [coco, voc, labelme, cvat], ids=lambda f: f.__name__)
def test_files_that_were_cut_off(tmp_path, form):
    """A folder of nothing else says why nothing was found; next to sound ones they are named as left out."""
    form(tmp_path)
    paths = [p for p in tmp_path.rglob("*") if p.suffix in (".json", ".xml")]
    whole = {path: path.read_text() for path in paths}
    for path, text in whole.items():
        path.write_text(text[: len(text) * 2 // 3])
    with pytest.raises(DataError, match="no annotations in a known format") as caught:
        starter.read(str(tmp_path), str(tmp_path / "out"))
    for path in paths:
        assert f"{path}: not valid" in str(caught.value) and "it ends in the middle" in str(caught.value)
    cut = paths[0].with_name("cut" + paths[0].suffix)
    cut.write_text(paths[0].read_text())
    for path, text in whole.items():
        path.write_text(text)
    found, _ = starter.read(str(tmp_path), str(tmp_path / "out"))
    assert sum(line.startswith(f"{cut}: not valid") and line.endswith("left out") for line in found.problems) == 1


def test_zip_files_that_were_cut_off(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        archive.writestr("a.json", "[]" * 500)
    content = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[:500])
    with pytest.raises(DataError, match="a zip file that is damaged or truncated; copy it again"):
        starter.read(str(tmp_path / "cut.zip"), str(tmp_path / "out"))
    zipfile.ZipFile(tmp_path / "empty.zip", "w").close()
    with pytest.raises(DataError, match="empty.zip: a zip file without any entry; write it again"):
        starter.read(str(tmp_path / "empty.zip"), str(tmp_path / "out"))
    (tmp_path / "changed.zip").write_bytes(content.replace(b"[][]", b"[][ ", 1))
    with pytest.raises(DataError, match="cannot be unpacked .*Bad CRC.*copy it again"):
        starter.read(str(tmp_path / "changed.zip"), str(tmp_path / "out"))


def test_a_zip_file(tmp_path):
    import zipfile

    (tmp_path / "in").mkdir()
    voc(tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for path in (tmp_path / "in").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "in"))
    found, data = starter.read(str(tmp_path / "data.zip"), str(tmp_path / "out"))
    assert found.form == "Pascal VOC" and data == str(tmp_path / "out" / "data")
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        for path in (tmp_path / "in").rglob("*.*"):
            entry = zipfile.ZipInfo(str(path.relative_to(tmp_path / "in")).replace("/", "\\"))
            entry.create_system = starter.WINDOWS
            archive.writestr(entry, path.read_bytes())
    same, _ = starter.read(str(tmp_path / "windows.zip"), str(tmp_path / "out1"))
    assert {k: len(v) for k, v in same.splits.items()} == {k: len(v) for k, v in found.splits.items()}
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../outside.txt", "x")
    with pytest.raises(DataError, match="points outside the folder"):
        starter.read(str(tmp_path / "bad.zip"), str(tmp_path / "out2"))
    assert not (tmp_path / "outside.txt").exists()


@pytest.mark.parametrize("lists", ["NFC", "NFD"])
def test_lists_of_voc_with_names_of_macos(tmp_path, lists):
    voc(tmp_path)
    files = "NFD" if lists == "NFC" else "NFC"
    for place in tmp_path.glob("*/*.*"):  # 'é 1' is no name with VOC's mark
        place.rename(place.with_name(unicodedata.normalize(files, place.name.replace("a.", "é 1.").replace("empty", "é 0"))))
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for split, name in (("train", "é 1"), ("val", "é 0")):
        text = unicodedata.normalize(lists, name) + "\n"
        (tmp_path / "ImageSets" / "Main" / f"{split}.txt").write_text(text, encoding="utf8")
    found, _ = formats.find(str(tmp_path))
    assert [len(p.objects) for p in found.splits["train"]] == [2] and [len(p.objects) for p in found.splits["val"]] == [0]


def test_class_names_that_look_equal(tmp_path):
    """One class for the two forms of an accented letter; a line for names that differ in what is easily overlooked."""
    names = ["caf\u00e9", "cafe\u0301", "car", "Car", "hard hat", "hard\u00a0hat", "hard_hat", "hardhat", "hard hat\u200b"]
    pictures(tmp_path, *(f"{i}.jpg" for i in range(len(names))))
    for i, name in enumerate(names):
        shape = dict(label=name, shape_type="rectangle", points=[[1, 1], [9, 9]])
        (tmp_path / f"{i}.json").write_text(json.dumps(dict(shapes=[shape], imagePath=f"{i}.jpg")))
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["Car", "caf\u00e9", "car", "hard hat", "hard hat\u200b", "hard_hat", "hardhat", "hard\u00a0hat"]
    assert [p.objects[0].name for p in found.splits["all"][:2]] == ["caf\u00e9", "caf\u00e9"]
    cars, hats = found.problems
    assert cars.startswith("the classes 'Car', 'car' differ only in capital letters, spaces, _ or -: if they are one class")
    assert hats.startswith(r"the classes 'hard hat', 'hard hat\u200b', 'hard_hat', 'hard\xa0hat' differ only in")


@pytest.mark.parametrize("form", [coco, voc, labelme, cvat], ids=lambda f: f.__name__)
def test_pictures_annotated_before_they_are_turned_are_said(tmp_path, form):
    form(tmp_path)
    (file,) = tmp_path.rglob("a.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 80)).save(file, exif=exif)
    for path in (*tmp_path.glob("Annotations/a.xml"), *tmp_path.glob("**/a.json")):
        text = path.read_text()
        text = text.replace("</annotation>", "<size><width>100</width><height>80</height></size></annotation>")
        if path.suffix == ".json":
            text = json.dumps({**json.loads(text), "imageWidth": 100, "imageHeight": 80})
        path.write_text(text)
    found, _ = formats.find(str(tmp_path))
    one = next(p for listed in found.splits.values() for p in listed if p.file == str(file))
    assert (one.width, one.height) == (100, 80)
    assert f"1 picture with an EXIF orientation, such as {file}: the annotations have the width" in found.problems[-1]


@pytest.mark.parametrize(
    "data, cure",
    [
        ("<annotation><name>\u88c2\u7f1d</name></annotation>".encode("gbk"), "it is not text in UTF-8: save it as UTF-8"),
        (b"<annotation><name>nuts & bolts</name></annotation>", "correct it; in XML, & is written &amp;"),
        (b"<annotation><name>nuts</na", "it ends in the middle: copy or write it again"),
        (b"<annotation><name>nuts</name>\n", "it ends in the middle: copy or write it again"),
        (b"\n<?xml version='1.0'?><annotation/>", "remove what is before <?xml"),
    ],
)
def test_what_to_do_about_an_xml_file(tmp_path, data, cure):
    (tmp_path / "a.xml").write_bytes(data)
    found, lines = formats.find(str(tmp_path))
    assert found is None and lines[0].startswith(f"{tmp_path}/a.xml: not valid XML (") and cure in lines[0]


@pytest.mark.parametrize(
    "name",
    ["https://host/b/my%20a.jpg?key=1", "/data/local-files/?d=b%2Fmy%20a.jpg", "my%20a.jpg", "my a", "..\\x\\my a.jpg"],
)
def test_names_that_other_programs_write_into_coco(tmp_path, name):
    coco(tmp_path)
    (tmp_path / "images" / "a.jpg").rename(tmp_path / "images" / "my a.jpg")
    text = (tmp_path / "instances.json").read_text()
    (tmp_path / "instances.json").write_text(text.replace('"a.jpg"', json.dumps(name)))
    found, _ = formats.find(str(tmp_path))
    assert [(os.path.basename(p.file), len(p.objects)) for p in found.splits["all"]] == [("my a.jpg", 2), ("empty.jpg", 0)]


def test_a_category_that_was_joined_by_hand(tmp_path):
    coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    content["categories"].append(dict(id=8, name="dog"))  # of the third annotation
    (tmp_path / "instances.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["cat", "dog"] and [o.name for o in found.splits["all"][0].objects] == ["dog", "cat", "dog"]
    assert "category 'dog' has the ids 3 and 8: they are taken as one class" in found.problems[0]


def test_pictures_of_two_splits_without_train_are_there_once(tmp_path):
    """The same pictures in val and test: each was in the training twice."""
    yolo(tmp_path)
    found, _ = formats.find(str(tmp_path))
    (own,) = found.splits.values()
    found.splits = {"val": own, "test": list(own)}
    splits, rule = starter.split(found)
    assert sorted(p.file for listed in splits.values() for p in listed) == sorted(p.file for p in own)
    assert "Roboflow" not in rule


def test_pictures_of_coco_without_a_size(tmp_path):
    """Converters that people write leave it out; entries that cannot be used have a cure."""
    coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    for image, size in zip(content["images"], ({}, {"width": None, "height": 0}, {})):
        for key in ("width", "height"):
            image.pop(key)
        image.update(size)
    content["annotations"][1]["bbox"] = {"x": 1, "y": 2}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert {(os.path.basename(p.file), p.width, p.height) for p in found.splits["all"]} == {
        ("a.jpg", 100, 80), ("empty.jpg", 60, 60)
    }  # fmt: skip
    assert any("image (id 10): the picture 'gone.jpg' is not in" in line for line in found.problems)
    assert not any("width is" in line for line in found.problems)
    (picture,) = [p for p in found.splits["all"] if p.objects]
    assert [(o.name, o.box) for o in picture.objects] == [("dog", DOG)]
    assert any("annotation 2: bbox is {'x': 1, 'y': 2}; give [x, y, width, height]" in line for line in found.problems)


def test_a_validation_without_an_object_is_said(tmp_path, capsys):
    """As a training says it, which refuses it; here every fifth picture is a background."""
    pictures(tmp_path / "in", *(f"{name}.jpg" for name in "abcde"))
    for name in "abcde":
        (tmp_path / "in" / f"{name}.txt").write_text("" if name == "e" else "0 0.5 0.5 0.2 0.4\n")
    assert main(["init", str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "error: val: a training refuses the data set: " in said and "nothing to evaluate" in said
    assert main(["data", "check", str(tmp_path / "out" / "config.py"), "--split", "val"]) == 1
