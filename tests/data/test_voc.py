import re
from pathlib import Path

import numpy as np
import pytest

from jsra.data.check import check
from jsra.data.image import DataError
from jsra.data.voc import VOCDataset
from jsra.data.voc_file import read_xml
from jsra.evaluation.coco_boxes import COCOBoxAP
from jsra.evaluation.report import evaluate
from jsra.evaluation.voc_boxes import VOCBoxAP
from jsra.registry import ConfigError, build
from tests.conftest import shared
from tests.data.tiny import voc_object, write_voc

OBJECTS = {
    1: [voc_object("cat", (1, 1, 40, 30)), voc_object("dog", (11, 6, 20, 15), difficult=1)],
    2: [voc_object("dog", (5, 5, 14, 24)), voc_object("horse", (3, 3, 9, 9))],
    3: [],
}


@pytest.fixture
def root(tmp_path):
    return write_voc(str(tmp_path / "VOC2007"), OBJECTS)


def make(root, **arguments):
    settings = {"type": "VOCDataset", "root": root, "classes": ["cat", "dog"], "filter_min_size": 0, **arguments}
    return build(settings, "dataset", "dataset")


def test_targets(root):
    dataset = make(root, filter_empty_gt=False)
    assert dataset.img_ids == ["0001", "0002", "0003"]
    image, target = dataset[0]
    assert image.shape == (30, 40, 3)
    # (1, 1, W, H) in VOC's counting from 1 is the whole image.
    assert target["bboxes"].tolist() == [[0, 0, 40, 30]] and target["labels"].tolist() == [1]
    assert target["bboxes_ignore"].tolist() == [[10, 5, 20, 15]]
    assert dataset[1][1]["bboxes"].tolist() == [[4, 4, 14, 24]]  # the horse is of no class
    assert make(root).img_ids == ["0001", "0002"]


def test_zero_based_boxes(root):
    assert make(root, one_based=False)[1][1]["bboxes"].tolist() == [[5, 5, 14, 24]]


def test_small_boxes_are_ignored(root):
    target = make(root, box_min_size=15)[1][1]
    assert len(target["bboxes"]) == 0 and target["bboxes_ignore"].tolist() == [[4, 4, 14, 24]]


def test_objects_of_other_classes_are_counted_for_the_log(root):
    dataset = VOCDataset(root, classes=["dog", "Cat"], filter_min_size=0)
    assert dataset.notes[0] == "2 objects are of other classes, left out: 'cat' 1, 'horse' 1"


def test_the_default_classes_are_named_if_they_leave_objects_out(tmp_path):
    root = write_voc(str(tmp_path), {1: [voc_object("fox", (1, 1, 9, 9)), voc_object("dog", (1, 1, 9, 9))]})
    assert VOCDataset(root, filter_min_size=0).notes[0].endswith("'fox' 1; the default are the 20 classes of VOC: "
                                                                 "classes=[...] selects others")  # fmt: skip


def test_boxes_that_are_none_are_counted_for_the_log(tmp_path):
    boxes = [(9, 9, 5, 5), (9, 9, 8, 9), (90, 9, 95, 15), (1, 1, 9, 9)]
    dataset = make(write_voc(str(tmp_path), {1: [voc_object("dog", box) for box in boxes]}))
    assert len(dataset.records[0].boxes) == 1
    assert dataset.notes == ["3 objects have no box in their image, or an empty or inverted one: left out"]


def test_several_roots(root, tmp_path):
    other = write_voc(str(tmp_path / "VOC2012"), {2: OBJECTS[2]}, "train")
    dataset = make([root, other], image_set=["trainval", "train"], repeat=3)
    assert dataset.img_ids == ["VOC2007/0001", "VOC2007/0002", "VOC2012/0002"] and len(dataset) == 9
    assert dataset[2][1]["img_file"].startswith(str(tmp_path / "VOC2012"))
    with pytest.raises(ConfigError, match="2 roots and 1 image sets"):
        make([root, other], image_set=["trainval"])


def test_ids_of_folders_of_one_name(tmp_path):
    """train/VOC2007 and test/VOC2007, as the devkit unpacks."""
    roots = [write_voc(str(tmp_path / part / "VOC2007"), OBJECTS) for part in ("train", "test")]
    ids = make(roots).img_ids
    assert ids == ["train/VOC2007/0001", "train/VOC2007/0002", "test/VOC2007/0001", "test/VOC2007/0002"]
    other = write_voc(str(tmp_path / "VOC2012"), OBJECTS)
    assert make([*roots, other]).img_ids[-1] == f"{tmp_path.name}/VOC2012/0002"


def test_an_image_of_two_sets_is_refused_at_once(root):
    with open(f"{root}/ImageSets/Main/val.txt", "w") as f:
        f.write("0002\n")
    with pytest.raises(ConfigError, match="image id 'VOC2007/0002' is listed 2 times"):
        make([root, root], image_set=["trainval", "val"])
    with open(f"{root}/ImageSets/Main/trainval.txt", "a") as f:
        f.write("0001\n")
    with pytest.raises(ConfigError, match="image id '0001' is listed 2 times"):
        make(root)


def test_a_relative_jsra_data_counts_once(root, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "VOC2007").rename(tmp_path / "data" / "VOC2007")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JSRA_DATA", "data")
    assert make("data/VOC2007")[0][0].shape == (30, 40, 3)


def named(root, number, file):
    path = f"{root}/Annotations/{number:04d}.xml"
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(re.sub("<filename>.*?</filename>", f"<filename>{file}</filename>", text))


def test_an_annotation_is_of_the_picture_of_its_own_name(root):
    """Annotations made by copying another keep its <filename>."""
    named(root, 2, "0001.jpg")
    assert [r.file.rpartition("/")[2] for r in make(root).records] == ["0001.jpg", "0002.jpg"]
    (Path(root) / "JPEGImages" / "0002.jpg").rename(Path(root) / "JPEGImages" / "0002.image")
    named(root, 2, "0002.image")
    assert make(root)[1][1]["img_file"].endswith("0002.image")


@pytest.mark.parametrize("listed", ["0001\n0002\n", "0002\n"])
def test_the_picture_of_another_annotation_is_not_used(root, listed):
    """Also where the other annotation is not in the list."""
    named(root, 2, "0001.jpg")
    (Path(root) / "JPEGImages" / "0002.jpg").unlink()
    (Path(root) / "ImageSets" / "Main" / "trainval.txt").write_text(listed)
    with pytest.raises(DataError, match=r"0002\.jpg \(image id 0002\) is missing"):
        make(root).check_pictures()
    settings = {"type": "VOCDataset", "root": root, "classes": ["cat", "dog", "horse"]}
    assert any(p.where == "image 0002" and "0002.jpg is missing" in p.what for p in check(settings, progress=False))


def test_two_annotations_that_name_one_picture(root):
    for number in (1, 2):
        (Path(root) / "JPEGImages" / f"000{number}.jpg").rename(Path(root) / "JPEGImages" / "one.jpg")
        named(root, number, "one.jpg")
    with pytest.raises(ConfigError, match=r"the annotations of 0001 and 0002 both read .*one\.jpg; correct <filename>"):
        make(root)


@pytest.mark.parametrize("name", ["\n  other.jpg\n", "C:\\\\Users\\\\me\\\\other.jpg"])
def test_file_names_in_lines_of_their_own_and_of_windows(root, name):
    (Path(root) / "JPEGImages" / "0002.jpg").rename(Path(root) / "JPEGImages" / "other.jpg")
    named(root, 2, name)
    assert make(root)[1][1]["img_file"].endswith("/other.jpg")


def test_pictures_in_subfolders_and_of_other_endings(root):
    """A name of the list is a path: an annotation is of its own folder's picture. Any ending is found without <filename>."""
    place = Path(root)
    for folder, number in (("a", 1), ("b", 2)):
        for kind, ending in (("Annotations", "xml"), ("JPEGImages", "jpg")):
            (place / kind / folder).mkdir()
            (place / kind / folder / f"7.{ending}").write_bytes((place / kind / f"000{number}.{ending}").read_bytes())
    (place / "JPEGImages" / "b" / "7.jpg").rename(place / "JPEGImages" / "b" / "7.PNG")
    changed = (place / "Annotations" / "b" / "7.xml").read_text()
    (place / "Annotations" / "b" / "7.xml").write_text(re.sub("<filename>.*</filename>", "", changed))
    (place / "ImageSets" / "Main" / "trainval.txt").write_text("a/7\nb/7\n0001\n")
    files = [str(Path(record.file).relative_to(place / "JPEGImages")) for record in make(root).records]
    assert files == ["a/7.jpg", "b/7.PNG", "0001.jpg"]


def rewritten(root, number, change):
    path = f"{root}/Annotations/{number:04d}.xml"
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: "<annotation><object></annotation>", r"annotation .*0002\.xml cannot be read as XML"),
        (lambda text: re.sub("<size>.*</size>", "", text), r"0002\.xml has no <size>"),
        (lambda text: text.replace("<width>30</width>", "<width>wide</width>"), r"0002\.xml has no <size> with .*<width>"),
        (lambda text: re.sub("<bndbox>.*?</bndbox>", "", text, count=1), r"object 1 \(dog\): has no <bndbox>"),
        (lambda text: text.replace("<name>dog</name>", ""), r"object 1 \(\): has no <name>"),
        (lambda text: text.replace("<xmin>5<", "<xmin>NaN<"), r"object 1 \(dog\): .*not four numbers of pixels: NaN, 5"),
        (lambda text: text.replace("<xmin>5<", "<xmin>1e12<"), "not four numbers of pixels"),
        (
            lambda text: re.sub(r"<(.m..)>(\d+)<", lambda m: f"<{m[1]}>{int(m[2]) / 50}<", text),
            r"object 1 \(dog\): has a box in fractions of the picture \(0\.1, 0\.1, .*\), not in pixels",
        ),
        (lambda text: text.replace("<ymin>5</ymin>", ""), "not four numbers of pixels: 5, nothing"),
        (lambda text: text.replace("<difficult>0", "<difficult>maybe", 1), r"<difficult> is 'maybe', not 0 or 1"),
        (lambda text: re.sub("(<object>.*</object>)", r"<list>\1</list>", text), "objects in <list>, another format"),
        (lambda text: text.replace("object>", "Object>"), "objects in <Object>, another format"),
    ],
)
def test_broken_annotations_are_named(root, change, words):
    rewritten(root, 2, change)
    with pytest.raises(DataError, match=f"image 0002.*{words}"):
        make(root)
    found = check({"type": "VOCDataset", "root": root, "classes": ["cat", "dog", "horse"]}, progress=False)
    assert any(p.level == "error" and re.search(words, f"{p.where}: {p.what}") for p in found), found


@pytest.mark.parametrize("encoding", ["gb2312", "GBK", "gb18030", "Shift_JIS", "big5", "iso-8859-1", "utf-16"])
def test_encodings_of_annotations(root, encoding):
    path, name = Path(root, "Annotations", "0002.xml"), "caf\u00e9" if encoding == "iso-8859-1" else "\u5927"
    text = path.read_text().replace("<name>dog</name>", f"<name>{name}</name>")
    path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'.encode(encoding))
    content, problems = read_xml(str(path), "0002")
    assert not problems and name in [item["name"] for item in content["objects"]]


def test_a_box_of_the_first_pixel_is_none_in_fractions(root):
    rewritten(root, 2, lambda text: re.sub(r"<(.m..)>\d+<", r"<\1>1<", text))
    content, problems = read_xml(f"{root}/Annotations/0002.xml", "0002")
    assert not problems and content["objects"][0]["box"] == [1, 1, 1, 1]


def test_all_that_is_wrong_is_listed(root):
    rewritten(root, 2, lambda text: text.replace("<xmin>5<", "<xmin>nan<").replace("<xmin>3<", "<xmin>nan<"))
    rewritten(root, 1, lambda text: "")
    with pytest.raises(DataError, match=r"3 errors(.|\n)*image 0001: (.|\n)*object 1 \(dog\)(.|\n)*object 2 \(horse\)"):
        make(root)
    with pytest.raises(FileNotFoundError, match="val.txt"):
        make(root, image_set="val")


def test_an_unspecified_mark_is_none(root):
    rewritten(root, 1, lambda text: text.replace("<difficult>1", "<difficult>Unspecified"))
    assert len(make(root).records[0].boxes) == 2 and not len(make(root).records[0].ignored)


def test_names_with_spaces_and_marks(root):
    for folder, ending in (("Annotations", "xml"), ("JPEGImages", "jpg")):
        for old, new in (("0001", "my first 1"), ("0002", "my second")):
            (Path(root) / folder / f"{old}.{ending}").rename(Path(root) / folder / f"{new}.{ending}")
    (Path(root) / "ImageSets" / "Main" / "cat_val.txt").write_text("my first 1\nmy second -1\n0003  0\n\n")
    dataset = make(root, image_set="cat_val", filter_empty_gt=False)
    assert dataset.img_ids == ["my first 1", "my second", "0003"] and dataset[0][0].shape == (30, 40, 3)


def test_evaluate(root):
    dataset = make(root, filter_empty_gt=False)
    area, boxes = VOCBoxAP(mode="area"), COCOBoxAP()
    results = [
        {"img_id": r.img_id, "boxes": r.boxes, "scores": np.ones(len(r.boxes)), "labels": r.labels}
        for r in dataset.records
    ]
    metrics = evaluate([area, boxes], dataset, results)
    assert metrics["voc_AP50"] == pytest.approx(1) and metrics["bbox_mAP"] == pytest.approx(1)
    assert "all-point" in metrics.table
    # Finding the difficult dog is neither right nor wrong; a box in an empty image is wrong.
    results[0]["boxes"] = np.array([[0, 0, 40, 30], [10, 5, 20, 15]])
    results[0]["scores"], results[0]["labels"] = [1.0, 1.0], [1, 2]
    assert evaluate([area], dataset, results)["voc_AP50"] == pytest.approx(1)
    results[2] = {"img_id": "0003", "boxes": np.array([[0, 0, 9, 9]]), "scores": [2.0], "labels": [2]}
    metrics = evaluate([area], dataset, results)
    assert metrics.per_class["voc_AP50"] == pytest.approx({"cat": 1, "dog": 0.5})
    # By hand: the dog's precision is 1/2 at recall 1, so that both kinds of AP are 1/2; the cat's are 1.
    assert "all-point (VOC 2010 and later) mAP 75.0, 11-point (VOC 2007) mAP 75.0" in metrics.table
    assert "11-point (VOC 2007) mAP 75.0, all-point" in evaluate([VOCBoxAP()], dataset, results).table
    with pytest.raises(ConfigError, match="mode '12point'; did you mean '11point'"):
        VOCBoxAP(mode="12point")


def test_blood_cells():
    root = shared("data", "bccd")
    dataset = VOCDataset(root, "train", classes=["RBC", "WBC", "Platelets"])
    assert len(dataset) == 205
    assert dataset[0][0].shape == (480, 640, 3)
    boxes = np.concatenate([r.boxes for r in dataset.records])
    assert len(boxes) == 2805 and (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0
    assert len(VOCDataset(root, "val", classes=["RBC", "WBC", "Platelets"])) == 87


@pytest.mark.parametrize(
    "line",
    ["{}.jpg", "{}.png 1", "JPEGImages/{}.jpg", "Annotations/{}.xml", "/VOC/JPEGImages/{}.JPG", "JPEGImages\\{}"],
)
def test_lists_that_name_files(root, line):
    path = Path(root, "ImageSets", "Main", "trainval.txt")
    path.write_text("".join(f"{line.format(name)}\n" for name in ("0001", "0002")))
    for image_set in ("trainval", "trainval.txt"):
        assert make(root, image_set=image_set).img_ids == ["0001", "0002"]
    Path(root, "Annotations", "0002.xml").unlink()
    with pytest.raises(DataError, match=r"0002.*\.xml is missing"):
        make(root)


def test_lists_in_utf_16(root):
    """As PowerShell writes them."""
    Path(root, "ImageSets", "Main", "trainval.txt").write_text("0001\r\n0002 1\r\n", encoding="utf-16")
    assert make(root).img_ids == ["0001", "0002"]


def test_an_empty_list_is_not_the_fault_of_the_annotations(root):
    Path(root, "ImageSets/Main/none.txt").write_text("\n")
    with pytest.raises(ConfigError, match="none.txt lists no image; write their names, one a line"):
        make(root, image_set="none")
