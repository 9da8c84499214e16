"""Extensions of the formats by annotation tools: read with their meaning, or left out with a line about it."""

import json
import os

import pytest

from jsra.data import formats, starter
from jsra.data.formats.annotations import to_coco
from jsra.data.masks import to_bitmap
from jsra.registry import build
from tests.data.test_formats import CAT, DOG, coco, cvat, labelme, pictures, voc, yolo


def boxes(found):
    """{file name: {(class, box)}} of all splits."""
    return {
        os.path.basename(p.file): {(o.name, tuple(round(v, 3) for v in o.box)) for o in p.objects}
        for listed in found.splits.values() for p in listed
    }  # fmt: skip


def changed(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_coco_says_of_an_object_is_kept(tmp_path):
    """`ignore`, the area of its mask, and an RLE."""
    coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    rle = {"size": [80, 100], "counts": [4000, 4000]}
    content["annotations"][0].update(ignore=1, area=123.5)
    content["annotations"][1].update(segmentation=rle)
    (tmp_path / "instances.json").write_text(json.dumps(content))
    found, data = starter.read(str(tmp_path), str(tmp_path / "out"))
    starter.write(found, data, str(tmp_path / "out"), gpu=False, pretrained=False)
    file = str(tmp_path / "out" / "annotations" / "train.json")
    with open(file, encoding="utf8") as f:
        dog, cat = json.load(f)["annotations"]
    assert (dog["ignore"], dog["area"], cat["area"], cat["segmentation"]) == (1, 123.5, 4000, rle)
    (record,) = build(dict(type="COCODataset", root=data, anno_file=file, use_anno_cats=True), "x", "dataset").records
    assert record.boxes.tolist() == [list(CAT)]


@pytest.mark.parametrize("form", [coco, voc, labelme, cvat], ids=lambda f: f.__name__)
def test_a_picture_that_two_files_annotate_is_there_once(tmp_path, form):
    form(tmp_path)
    (path,) = [p for p in tmp_path.rglob("*.[jx]*") if p.name in ("instances.json", "a.xml", "a.json", "annotations.xml")]
    second = tmp_path / "z" / path.name  # Labelme's picture is next to it, or named
    second.parent.mkdir()
    second.write_text(path.read_text().replace("..\\\\elsewhere\\\\a.jpg", "../a.jpg"))
    found, _ = formats.find(str(tmp_path))
    assert sorted(found.classes) == ["cat", "dog"]
    assert [len(listed) for listed in found.splits.values()] == [2]
    count = 2 if form in (coco, cvat) else 1
    assert any(f"{second}: {count} of its pictures are also in {path}" in line for line in found.problems)


@pytest.mark.parametrize("form", [coco, cvat], ids=lambda f: f.__name__)
def test_a_picture_that_one_file_lists_twice(tmp_path, form):
    form(tmp_path)
    if form is coco:
        changed(tmp_path / "instances.json", "gone.jpg", "a.jpg")
        changed(tmp_path / "instances.json", '"width": 5, "height": 5', '"width": 100, "height": 80')
    else:
        changed(tmp_path / "annotations.xml", "gone.jpg", "a.jpg")
    found, _ = formats.find(str(tmp_path))
    assert len(boxes(found)["a.jpg"]) == 2 and [len(listed) for listed in found.splits.values()] == [2]
    assert any("1 of its pictures are listed twice in it, of which the first is used" in line for line in found.problems)


def test_a_picture_that_a_list_has_twice_is_there_once(tmp_path):
    voc(tmp_path)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "train.txt").write_text("a\nempty\na\n")
    found, _ = formats.find(str(tmp_path))
    assert [os.path.basename(p.file) for p in found.splits["train"]] == ["a.jpg", "empty.jpg"]


def test_voc_with_a_namespace_and_a_box_of_one_column(tmp_path):
    voc(tmp_path)
    changed(tmp_path / "Annotations" / "a.xml", "<annotation>", '<annotation xmlns="http://example.org/voc">')
    changed(tmp_path / "Annotations" / "a.xml", f"<xmax>{CAT[2]}</xmax>", f"<xmax>{CAT[0] + 1}</xmax>")
    found, _ = formats.find(str(tmp_path))
    assert boxes(found)["a.jpg"] == {("dog", DOG), ("cat", (CAT[0], CAT[1], CAT[0] + 1, CAT[3]))}


def test_names_of_windows_and_of_macos(tmp_path):
    """A backslash divides folders, unless it is part of the name; macOS writes an accent as a letter of its own."""
    pictures(tmp_path, "images/e\u0301.jpg", "images/b\\c.jpg", "images/a.jpg")
    names = ["\u00e9.jpg", "b\\c.jpg", "C:\\x\\a.jpg"]
    images = [dict(id=i, file_name=name, width=100, height=80) for i, name in enumerate(names)]
    content = dict(images=images, annotations=[], categories=[dict(id=1, name="cat")])
    (tmp_path / "a.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert len(found.splits["all"]) == 3 and not found.problems


def test_labels_of_cvat(tmp_path):
    """Of several files, with spaces, and some that the list of labels does not have; splits by the names of the files."""
    cvat(tmp_path)
    path = tmp_path / "annotations.xml"
    changed(path, 'label="cat" points', 'label=" bird " points')
    (tmp_path / "val.xml").write_text(path.read_text().replace('name="a.jpg"', 'name="b.jpg"'))
    path.rename(tmp_path / "train.xml")
    pictures(tmp_path, "images/b.jpg")
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["dog", "bird"]
    assert {name: len(listed) for name, listed in found.splits.items()} == {"train": 2, "val": 2}


def test_a_group_of_labelme_is_one_object(tmp_path):
    labelme(tmp_path)
    one, two = [[10, 20], [30, 20], [30, 60]], [[40, 30], [50, 30], [50, 50]]
    shapes = [dict(label="dog", shape_type="polygon", points=p, group_id=3) for p in (one, two)]
    for label, group in (("cat", 3), ("dog", None)):
        shapes.append(dict(label=label, shape_type="rectangle", points=[[40, 0], [90, 40]], group_id=group))
    shapes += [dict(label="cat", shape_type="mask", points=[[1, 2], [8, 9]], mask="iVBOR")]
    shapes += [dict(label="dog", shape_type=None, points=[[0, 0], [9, 0], [9, 8]])]
    shapes += [dict(label="cat", shape_type="rotation", points=[[5, 0], [10, 5], [5, 10], [0, 5]])]
    (tmp_path / "a.json").write_text(json.dumps(dict(shapes=shapes, imagePath="empty.jpg")))  # the file's own name decides
    found, _ = formats.find(str(tmp_path))
    (picture,) = [p for p in found.splits["all"] if p.file.endswith("/a.jpg")]
    said = f"{tmp_path}/a.json: its imagePath is 'empty.jpg', but the picture with its own name is used"
    assert found.problems.count(said) == 1
    found = [(o.name, o.box, len(o.segmentation)) for o in picture.objects]
    assert found[:3] == [("dog", DOG, 2), ("cat", CAT, 0), ("dog", CAT, 0)]
    assert found[3:] == [("cat", (1, 2, 8, 9), 0), ("dog", (0, 0, 9, 8), 1), ("cat", (0, 0, 10, 10), 1)]


@pytest.mark.parametrize("listed", [False, True], ids=["folders", "lists"])
def test_splits_that_a_data_yaml_says(tmp_path, listed):
    for split, count in (("y2023", 3), ("y2024", 2)):
        pictures(tmp_path, *(f"images/{split}/{split}_{i}.jpg" for i in range(count)))
        (tmp_path / "labels" / split).mkdir(parents=True)
        for i in range(count):
            (tmp_path / "labels" / split / f"{split}_{i}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        (tmp_path / f"{split}.txt").write_text("".join(f"./images/{split}/{split}_{i}.jpg\n" for i in range(count)))
    train, val = ("y2023.txt", "y2024.txt") if listed else ("../images/y2023", "images/y2024")
    (tmp_path / "data.yaml").write_text(f"path: /elsewhere\ntrain: {train}\nval: [{val}]\nnames: [no, 1.0, null]\n")
    found, _ = formats.find(str(tmp_path))
    assert {name: len(pictures) for name, pictures in found.splits.items()} == {"train": 3, "val": 2}
    assert found.classes == ["no", "1.0", "null"]


@pytest.mark.parametrize("number", ["50000000", "1e15"])
def test_numbers_of_yolo_that_are_no_class(tmp_path, number):
    yolo(tmp_path)
    (tmp_path / "labels" / "unseen.txt").write_text(f"{number} 0.3 0.5 0.4 0.5\n")
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["cat", "dog"]
    assert any(f"unseen.txt, line 1: {number} is not the number of a class" in line for line in found.problems)


def test_labels_of_yolo_that_are_none(tmp_path):
    """A picture whose labels cannot be read is no background; another text file is nobody's labels."""
    yolo(tmp_path)
    (tmp_path / "labels" / "unseen.txt").write_text("-1 0.3 0.5 0.4 0.5\n0 0,3 0,5 0,4 0,5\n")
    (tmp_path / "README.txt").write_text("hello\n")
    found, _ = formats.find(str(tmp_path))
    assert sorted(boxes(found)) == ["a.jpg", "empty.jpg"]
    assert [line for line in found.problems if "unseen.txt: no line of it is the number of a class" in line]
    assert not [line for line in found.problems if "README" in line]


def test_lists_of_names_that_differ(tmp_path):
    yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    for place, names in (("x", "cat\ndog\n"), ("y", "dog\ncat\n")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "classes.txt").write_text(names)
    found, _ = formats.find(str(tmp_path))
    assert found.classes == ["cat", "dog"]
    assert any("y/classes.txt: other class names than in" in line for line in found.problems)


@pytest.mark.parametrize("form", [coco, voc, yolo, labelme, cvat], ids=lambda f: f.__name__)
def test_files_that_are_not_used_are_counted(tmp_path, form):
    """Annotations, names or lists of a program that is not known; not documents, and not what was used."""
    (tmp_path / "in").mkdir()
    form(tmp_path / "in")
    unknown = "2 files, such as {}, are not used (1 .csv, 1 .parquet)".format(tmp_path / "in" / "boxes.csv")
    found, _ = starter.read(str(tmp_path / "in"), str(tmp_path / "out"))
    assert not any("files, such as" in line for line in found.problems), found.problems
    for name in ("boxes.csv", "boxes.parquet", "README.roboflow.txt", ".hidden.json", "read.py"):
        (tmp_path / "in" / name).write_text("hello\n")
    found, _ = starter.read(str(tmp_path / "in"), str(tmp_path / "out"))
    assert [line for line in found.problems if line.startswith(unknown)], found.problems


def test_lists_that_are_used_are_not_counted(tmp_path):
    test_splits_that_a_data_yaml_says(tmp_path, True)
    found, _ = starter.read(str(tmp_path), str(tmp_path / "out"))
    assert found.problems == []


@pytest.mark.parametrize("angle, box", [("0.0", (10, 20, 50, 40)), ("90.0", (20, 10, 40, 50)), ("x", (10, 20, 50, 40))])
def test_rotated_boxes_of_cvat(tmp_path, angle, box):
    """CVAT's COCO and VOC files have the box before the rotation, and the angle as an attribute."""
    for name, form in (("coco", coco), ("voc", voc)):
        (tmp_path / name).mkdir()
        form(tmp_path / name)
    path = tmp_path / "coco" / "instances.json"
    content = json.loads(path.read_text())
    number = float(angle) if angle != "x" else angle
    content["annotations"][0].update(bbox=[10, 20, 40, 20], attributes=dict(occluded=False, rotation=number))
    path.write_text(json.dumps(content))
    attribute = f"<attributes><attribute><name>rotation</name><value>{angle}</value></attribute></attributes>"
    path = tmp_path / "voc" / "Annotations" / "a.xml"
    changed(path, "<name> dog </name>", f"<name> dog </name>{attribute}")
    changed(path, "<ymax>60</ymax>", "<ymax>40</ymax>")
    for name in ("coco", "voc"):
        found, _ = formats.find(str(tmp_path / name))
        assert boxes(found)["a.jpg"] == {("dog", box), ("cat", CAT)}
        dog = next(o for listed in found.splits.values() for p in listed for o in p.objects if o.name == "dog")
        assert bool(dog.segmentation) == (angle == "90.0")


def test_several_boxes_in_one_object_of_voc(tmp_path):
    voc(tmp_path)
    more = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object>"
    changed(tmp_path / "Annotations" / "a.xml", "</bndbox></object><object><name> cat", f"</bndbox>{more}<object><name> cat")
    found, _ = formats.find(str(tmp_path))
    assert boxes(found)["a.jpg"] == {("dog", DOG), ("dog", (1, 2, 9, 8)), ("cat", CAT)}
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "trainval.txt").write_text("a\n")
    changed(tmp_path / "Annotations" / "a.xml", "<object><name>x</name></object>", "")
    size = "<size><width>100</width><height>80</height></size>"
    changed(tmp_path / "Annotations" / "a.xml", "</annotation>", f"{size}</annotation>")
    dataset = build(dict(type="VOCDataset", root=str(tmp_path), classes=("dog", "cat")), "dataset", "dataset")
    assert dataset.records[0].boxes.tolist() == [[10, 20, 50, 60], [1, 2, 9, 8], [40, 0, 90, 40]]
    assert dataset.records[0].labels.tolist() == [1, 1, 2]


def test_difficult_shapes_of_anylabeling(tmp_path):
    pictures(tmp_path, "a.jpg")
    shape = dict(label="x", shape_type="rectangle", points=[[1, 2], [30, 40]])
    shapes = [{**shape, "difficult": True}, {**shape, "difficult": False}, shape]
    (tmp_path / "a.json").write_text(json.dumps(dict(shapes=shapes, imagePath="a.jpg")))
    found, _ = formats.find(str(tmp_path))
    assert [o.ignored for o in found.splits["all"][0].objects] == [True, False, False]


def test_the_area_of_an_object_with_a_mask(tmp_path):
    """It is that of the mask, as in COCO: AP by size depends on it."""
    pictures(tmp_path, "a.jpg")
    square = dict(label="x", shape_type="polygon", points=[[10, 10], [30, 10], [30, 20], [20, 20], [20, 30], [10, 30]])
    shapes = [square, dict(label="x", shape_type="rectangle", points=[[10, 10], [30, 30]])]
    (tmp_path / "a.json").write_text(json.dumps(dict(shapes=shapes, imagePath="a.jpg")))
    found, _ = formats.find(str(tmp_path))
    content = to_coco(found.splits["all"], found.classes, str(tmp_path))
    assert [a["area"] for a in content["annotations"]] == [300, 400]


def test_entries_of_coco_that_are_not_used(tmp_path):
    coco(tmp_path)
    content = json.loads((tmp_path / "instances.json").read_text())
    content["images"][0].update(neg_category_ids=[1], license=3, flickr_url="x", not_exhaustive_category_ids=[])
    content["annotations"][0].update(keypoints=[1, 1, 2], num_keypoints=1, attributes={"occluded": True, "rotation": 0.0})
    (tmp_path / "instances.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    lines = [line.partition("instances.json: ")[2] for line in found.problems if "not used" in line]
    assert lines == [
        "images have entries that are not used: 'neg_category_ids' (1)",
        "annotations have entries that are not used: 'keypoints' (1), 'attributes.occluded' (1)",
    ]


@pytest.mark.parametrize(
    "more, segmentation, ignored, line",
    [
        ("<polygon><x1>10</x1><y1>20</y1><x2>50</x2><y2>20</y2><x3>50</x3><y3>60</y3></polygon>",
         [[10, 20, 50, 20, 50, 60]], False, None),  # Roboflow
        ("<polygon><x1>10</x1><y1>20</y1><x2>50</x2></polygon>", [], False, "the polygon of 'dog' is not <x1>, <y1>"),
        (2 * "<polygon><x1>10</x1><y1>20</y1><x2>50</x2><y2>20</y2><x3>50</x3><y3>60</y3></polygon>", [], False,
         "the polygon of 'dog' is not"),
        ("<ignore>1</ignore>", [], True, None),
        ("<crowd>0</crowd>", [], False, None),
        ("<color>red</color>", [], False, "objects have entries that are not used: 'color' (1)"),
        ("<attributes><attribute><name>wet</name><value>true</value></attribute></attributes>", [], False,
         "are not used: 'attributes.wet' (1)"),
        ("<part><name>tail</name><bndbox><xmin>1</xmin></bndbox></part>", [], False, None),
    ],
)  # fmt: skip
def test_more_in_an_object_of_voc(tmp_path, more, segmentation, ignored, line):
    voc(tmp_path)
    changed(tmp_path / "Annotations" / "a.xml", "<name> dog </name>", f"<name>dog</name>{more}")
    found, _ = formats.find(str(tmp_path))
    dog = found.splits["all"][0].objects[0]
    assert (dog.name, dog.box, dog.segmentation, dog.ignored) == ("dog", DOG, segmentation, ignored)
    assert not line or any(line in text for text in found.problems)


def test_objects_that_are_not_where_voc_has_them(tmp_path):
    """FAIR1M: its pictures are no backgrounds."""
    voc(tmp_path)
    (tmp_path / "Annotations" / "empty.xml").write_text("<annotation><objects><object/></objects></annotation>")
    found, _ = formats.find(str(tmp_path))
    assert [os.path.basename(p.file) for p in found.splits["all"]] == ["a.jpg"]
    assert any("empty.xml: it has objects in <objects>, another format" in line for line in found.problems)


@pytest.mark.parametrize(
    "change, boxes, line",
    [
        (dict(label="__ignore__"), {("cat", CAT)}, "the rectangle '__ignore__' is a region, not an object"),
        (dict(label="_background_"), {("cat", CAT)}, "the rectangle '_background_' is a region, not an object"),
        (dict(shape_type="polygon"), {("cat", CAT)}, "the polygon 'dog' with 2 points is not an object"),
        (dict(flags={"bad": True, "good": False}), {("dog", DOG), ("cat", CAT)}, "are not used: 'flags.bad' (1)"),
        (dict(score=0.5, kie_linking=[]), {("dog", DOG), ("cat", CAT)}, "shapes have entries that are not used: 'score' (1)"),
    ],
)
def test_shapes_of_labelme(tmp_path, change, boxes, line):
    labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"][0].update(change)
    (tmp_path / "a.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert {(o.name, o.box) for o in found.splits["all"][0].objects} == boxes
    assert any(line in text for text in found.problems)


def test_an_empty_group_of_labelme_is_none(tmp_path):
    labelme(tmp_path)
    content = json.loads((tmp_path / "a.json").read_text())
    content["shapes"] = [{**content["shapes"][0], "group_id": ""}, {**content["shapes"][0], "group_id": ""}]
    (tmp_path / "a.json").write_text(json.dumps(content))
    found, _ = formats.find(str(tmp_path))
    assert len(found.splits["all"][0].objects) == 2


def test_pictures_of_labelme_in_a_format_that_is_not_read(tmp_path):
    labelme(tmp_path)
    (tmp_path / "gone.heic").write_bytes(b"heic")
    changed(tmp_path / "gone.json", "gone.jpg", "gone.heic")
    found, _ = formats.find(str(tmp_path))
    assert any(f"{tmp_path}/gone.heic is in a format that is not read" in line for line in found.problems)


def test_a_picture_that_is_only_inside_a_file_of_labelme(tmp_path):
    labelme(tmp_path)
    content = json.loads((tmp_path / "gone.json").read_text())
    (tmp_path / "gone.json").write_text(json.dumps({**content, "imageData": "aGVsbG8="}))
    found, _ = formats.find(str(tmp_path))
    assert any("gone.json: its picture" in line and "(imageData) is not read: save it" in line for line in found.problems)


def test_polygons_of_a_group_of_cvat_are_one_object(tmp_path):
    cvat(tmp_path)
    polygon = '<polygon label="{}" group_id="{}" points="{}"/>'
    parts = [("cat", 1, "0,0;10,0;10,10"), ("cat", 1, "20,0;30,0;30,20"), ("dog", 1, "0,0;10,0;10,10")]
    parts += [("cat", 0, "0,0;5,0;5,5"), ("cat", 0, "0,0;6,0;6,6")]
    text = "".join(polygon.format(*part) for part in parts)
    changed(tmp_path / "annotations.xml", '<points label="dog" points="1,1"/>', text)
    found, _ = formats.find(str(tmp_path))
    (picture,) = [p for listed in found.splits.values() for p in listed if p.file.endswith("a.jpg")]
    assert [(o.name, o.box, len(o.segmentation)) for o in picture.objects[2:]] == [
        ("cat", (0, 0, 30, 20), 2), ("dog", (0, 0, 10, 10), 1), ("cat", (0, 0, 5, 5), 1), ("cat", (0, 0, 6, 6), 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "element, box, area",
    [
        ('ellipse cx="40" cy="30" rx="20" ry="10"', (20, 20, 60, 40), 0),
        ('ellipse cx="40" cy="30" rx="20" ry="10" rotation="90"', (30, 10, 50, 50), 0),
        # rows of a box of 4 x 3: 0110, 1111, 0110
        ('mask rle="1, 2, 1, 4, 1, 2, 1" left="10" top="20" width="4" height="3"', (10, 20, 14, 23), 8),
        ('mask rle="0, 2, 10" left="10" top="20" width="4" height="3"', (10, 20, 12, 21), 2),
        ('mask rle="0, 12" left="98" top="78" width="4" height="3"', (98, 78, 100, 80), 4),  # the picture has 100 x 80
    ],
)
def test_ellipses_and_masks_of_cvat(tmp_path, element, box, area):
    cvat(tmp_path)
    changed(tmp_path / "annotations.xml", "<points ", f'<{element} label="dog"/><points ')
    found, _ = formats.find(str(tmp_path))
    (picture,) = [p for p in found.splits["all"] if p.objects]
    one = picture.objects[2]
    assert (one.name, tuple(round(v, 6) for v in one.box)) == ("dog", box)
    assert (to_bitmap(one.segmentation, 100, 80).sum() if one.segmentation else 0) == area
    if area:
        ys, xs = to_bitmap(one.segmentation, 100, 80).nonzero()
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == box


@pytest.mark.parametrize(
    "rle, left, line",
    [("1, 2, 1", 10, "has 4 pixels in its rle, but its box is 4 x 3"), ("-1, 13", 10, "has 12 pixels"),
     ("0, 12", 100, "has no pixel in the picture"), ("1, x", 10, "are not numbers")],
)  # fmt: skip
def test_masks_of_cvat_that_cannot_be_read(tmp_path, rle, left, line):
    cvat(tmp_path)
    mask = f'<mask rle="{rle}" left="{left}" top="20" width="4" height="3" label="dog"/><points '
    changed(tmp_path / "annotations.xml", "<points ", mask)
    found, _ = formats.find(str(tmp_path))
    assert sum(len(p.objects) for p in found.splits["all"]) == 2
    assert sum(line in said and "the mask 'dog'" in said for said in found.problems) == 1
