import json
import os

import numpy as np
import pytest
from PIL import Image

from jsra.data.check import check
from jsra.data.coco import COCODataset
from jsra.data.image import DataError
from jsra.data.masks import encode
from jsra.evaluation.coco_boxes import COCOBoxAP
from jsra.evaluation.coco_masks import COCOMaskAP
from jsra.evaluation.report import evaluate
from jsra.registry import ConfigError, build
from tests.conftest import shared
from tests.data.tiny import ANNOTATIONS, NORMALIZE, SIZES, annotation, write_coco


@pytest.fixture
def place(tmp_path):
    return write_coco(str(tmp_path))


def test_targets(place):
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False, with_masks=True)
    assert dataset.CLASSES == ("cat", "dog", "person") and dataset.cat_ids == [20, 10, 30]
    assert dataset.img_ids == [1, 2, 3, 4, 5] and len(dataset) == 5
    image, target = dataset[0]
    assert image.shape == (30, 40, 3) and image.dtype == np.uint8
    assert target["bboxes"].dtype == np.float32 and target["labels"].dtype == np.int32
    assert target["bboxes"].tolist() == [[5, 5, 15, 15], [20, 10, 35, 25]]
    assert target["labels"].tolist() == [1, 2]
    masks = np.asarray(target["masks"])
    assert masks.shape == (2, 30, 40) and masks.sum((1, 2)).tolist() == [100, 225]
    assert target["ori_img_size"] == target["img_size"] == (40, 30)
    assert target["img_id"] == 1 and target["img_file"].endswith("0001.png")


def test_crowds_are_ignored_boxes(place):
    target = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)[1][1]
    assert target["bboxes"].tolist() == [[0, 0, 30, 20]]
    assert target["bboxes_ignore"].tolist() == [[2, 22, 22, 37]]


def test_images_without_objects_are_left_out(place):
    assert COCODataset(**place, use_anno_cats=True, filter_min_size=32).img_ids == [5]
    assert COCODataset(**place, use_anno_cats=True, filter_min_size=0).img_ids == [1, 2, 3, 5]
    assert COCODataset(**place, classes=["cat"], filter_min_size=0).img_ids == [1, 2]
    (said,) = COCODataset(**place, use_anno_cats=True).notes
    assert said.startswith("4 of 5 images are left out: 1 without an object, 4 with a side below 32 pixels")
    assert COCODataset(**place, use_anno_cats=True, filter_empty_gt=False).notes == []
    with pytest.raises(ConfigError, match="no image with an object"):
        COCODataset(**place, use_anno_cats=True, filter_min_size=100)


def test_a_list_of_images(place, tmp_path):
    """Ids as the file has them, numbers or text; Windows' line ends, and its marks of UTF-8 and UTF-16."""
    path = tmp_path / "ids.txt"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text("5\r\n2\r\n", encoding=encoding)
        assert COCODataset(**place, use_anno_cats=True, filter_min_size=0, image_ids=str(path)).img_ids == [2, 5]
    with open(place["anno_file"], encoding="utf8") as f:
        content = json.load(f)
    for entry, key in [(i, "id") for i in content["images"]] + [(a, "image_id") for a in content["annotations"]]:
        entry[key] = f"x{entry[key]}"
    (tmp_path / "named.json").write_text(json.dumps(content))
    path.write_text("x2")
    place = {**place, "anno_file": str(tmp_path / "named.json")}
    assert COCODataset(**place, use_anno_cats=True, filter_min_size=0, image_ids=str(path)).img_ids == ["x2"]
    path.write_text("\n")
    with pytest.raises(ConfigError, match="image_ids: .*ids.txt lists no image; write their ids"):
        COCODataset(**place, use_anno_cats=True, image_ids=str(path))


def test_the_log_says_what_is_left_out_or_doubtful(tmp_path):
    doubtful = [
        annotation(7, 5, 20, (1, 1, 0.5, 10)),
        annotation(8, 5, 20, (1, 1, 10, 10), ignore=1),
        annotation(9, 5, 20, (30, 20, 60, 44)),  # x1, y1 in the place of width and height
        annotation(10, 5, 20, (0, 0, 60.5, 44)),
        annotation(11, 5, 20, (0.1, 0.2, 0.3, 0.4)),
    ]
    notes = COCODataset(**write_coco(str(tmp_path), ANNOTATIONS + doubtful), classes=["cat", "person"]).notes
    assert notes[0] == "2 of 11 objects are of other classes: left out"
    assert notes[1].startswith("3 of 11 objects are marked ignore, thinner than a pixel")
    assert notes[2].startswith("1 of 11 boxes are in the first pixel: fractions of the image?")
    assert notes[3].startswith("1 of 11 boxes exceed their image") and len(notes) == 5


def test_chosen_classes_give_the_labels(place):
    dataset = COCODataset(**place, classes=["person", "cat"], filter_empty_gt=False)
    assert dataset.cat_ids == [30, 20]
    assert [dataset[i][1]["labels"].tolist() for i in range(5)] == [[2], [], [1], [], [1]]
    assert dataset[1][1]["bboxes_ignore"].shape == (1, 4)
    with pytest.raises(ConfigError, match="did you mean 'person'"):
        COCODataset(**place, classes=["persn"])
    with pytest.raises(ConfigError, match="no class 'bicycle'.*use_anno_cats=True.*or add it"):  # COCO's 80 by default
        COCODataset(**place)
    with pytest.raises(ConfigError, match=r"no class 'fox'; known: cat, dog, person; add it to the categories"):
        COCODataset(**place, classes=["fox"])


def test_useless_annotations_are_left_out(tmp_path):
    extra = [
        annotation(7, 3, 30, (0, 0, 0.5, 10)),  # thinner than a pixel
        annotation(8, 3, 30, (60, 5, 10, 10)),  # outside
        annotation(9, 3, 30, (1, 1, 10, 10), area=0),
        annotation(10, 3, 30, (1, 1, 10, 10), ignore=1),
    ]
    dataset = COCODataset(**write_coco(str(tmp_path), ANNOTATIONS + extra), use_anno_cats=True, filter_min_size=0)
    assert dataset[2][1]["bboxes"].tolist() == [[10, 10, 30, 25]]


def test_a_mask_that_is_none_is_named_before_the_training(tmp_path):
    broken = annotation(7, 3, 30, (1, 1, 10, 10), segmentation=[[1, 1, 2, 2, float("nan"), 3]])
    outside = annotation(8, 3, 30, (1, 1, 10, 10), segmentation=[[60, 1, 70, 1, 70, 9]])
    without = annotation(9, 3, 30, (1, 1, 10, 10), segmentation=[])
    place = write_coco(str(tmp_path), [*ANNOTATIONS, broken, outside, without])
    with pytest.raises(DataError) as raised:
        COCODataset(**place, use_anno_cats=True, with_masks=True)
    assert "annotations.json: 2 errors" in str(raised.value)
    assert "image id 3, annotation 7: segmentation: a polygon has a coordinate that is not a number" in str(raised.value)
    assert "image id 3, annotation 8: segmentation: it is completely outside the image" in str(raised.value)
    assert len(COCODataset(**place, use_anno_cats=True)) == 1  # boxes need no masks


def test_an_annotation_without_a_mask_has_its_box_alone(tmp_path):
    place = write_coco(str(tmp_path), [*ANNOTATIONS, annotation(7, 3, 30, (1, 1, 10, 10), segmentation=None)])
    target = COCODataset(**place, use_anno_cats=True, with_masks=True, filter_min_size=0)[2][1]
    assert len(target["bboxes"]) == 2 and target["masks"].segmentations[1] is None


def test_repeat_and_length(place):
    dataset = COCODataset(**place, use_anno_cats=True, filter_min_size=0, repeat=3)
    assert len(dataset) == 12
    assert [dataset[i][1]["img_id"] for i in range(12)] == [1, 2, 3, 5] * 3
    with pytest.raises(IndexError):
        dataset[12]


def test_samples_depend_on_seed_epoch_and_index_alone(place):
    flip = [dict(type="RandomFlip", prob=0.5)]

    def make(seed):
        return COCODataset(**place, use_anno_cats=True, transforms=build(flip), seed=seed, repeat=40, filter_min_size=0)

    def flips(dataset, epoch):
        return [dataset.get(i, epoch)[1]["flip"] is None for i in range(24)]

    first = make(1)
    assert flips(first, 0) == flips(make(1), 0)
    assert flips(first, 0) != flips(first, 1)
    assert flips(first, 0) != flips(make(2), 0)


def test_a_sample_does_not_change_the_records(place):
    steps = [dict(type="Resize", min_size=99, max_size=400), dict(type="RandomFlip", prob=1.0), NORMALIZE]
    dataset = COCODataset(**place, use_anno_cats=True, transforms=build(steps), filter_min_size=0)
    before = dataset[0][1]["bboxes"]
    assert np.array_equal(dataset[0][1]["bboxes"], before)
    assert dataset.record(0).boxes[0].tolist() == [5, 5, 15, 15]


def test_broken_files_are_named(place, tmp_path):
    dataset = COCODataset(**place, use_anno_cats=True, filter_min_size=0)
    file = tmp_path / "images" / "0001.png"
    Image.new("RGB", (7, 8)).save(file)
    with pytest.raises(DataError, match=r"0001\.png \(image id 1\) is 7 x 8 pixels, the annotations say 40 x 30"):
        dataset[0]
    file.write_bytes(b"no image")
    with pytest.raises(DataError, match=r"0001\.png \(image id 1\) cannot be read"):
        dataset[0]
    file.unlink()
    with pytest.raises(DataError, match=r"0001\.png \(image id 1\) is missing"):
        dataset[0]


def test_a_data_set_without_an_object_says_why(tmp_path):
    place = write_coco(str(tmp_path), [annotation(i, i, 10, (0.1, 0.1, 0.5, 0.5)) for i in SIZES])
    with pytest.raises(ConfigError, match=r"has no image with an object\n  5 of 5 objects are .*thinner than a pixel"):
        COCODataset(**place, use_anno_cats=True)
    empty = dict(images=[], annotations=[], categories=[dict(id=1, name="a")])
    (tmp_path / "empty.json").write_text(json.dumps(empty))
    settings = dict(type="COCODataset", root=str(tmp_path), anno_file=str(tmp_path / "empty.json"), classes=["a"])
    with pytest.raises(ConfigError, match=r"^dataset\.val: COCODataset\(0 images, .* no image.*: its annotations list none"):
        build(settings, "dataset.val", "dataset")


def test_missing_pictures_are_found_without_reading(tmp_path):
    place = write_coco(str(tmp_path))
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)
    dataset.check_pictures()
    os.remove(dataset.records[1].file)
    with pytest.raises(DataError, match=r"0002.png .image id 2. is missing; correct the dataset's root"):
        dataset.check_pictures()
    elsewhere = COCODataset("nowhere", place["anno_file"], use_anno_cats=True, filter_empty_gt=False)
    with pytest.raises(DataError, match=r"nowhere/0001.png .image id 1. is missing .5 of 5 are."):
        elsewhere.check_pictures()
    elsewhere.__class__ = type("Own", (COCODataset,), {"picture": lambda self, index, epoch=0: None})
    elsewhere.check_pictures()  # its pictures may be no files


def test_exif_orientation_where_the_annotation_wants_it(place, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    upright = np.zeros((40, 30, 3), np.uint8)
    upright[:5] = 255  # a white bar at the top of image 2, which is 30 x 40
    Image.fromarray(np.rot90(upright)).save(tmp_path / "images" / "0002.png", exif=exif)
    image, _ = COCODataset(**place, use_anno_cats=True, filter_min_size=0)[1]
    assert np.array_equal(image, upright)


def test_jsra_data_replaces_data(place, tmp_path, monkeypatch):
    monkeypatch.setenv("JSRA_DATA", str(tmp_path))
    dataset = COCODataset("data//images", "data/annotations.json", use_anno_cats=True, filter_min_size=0)
    assert dataset[0][0].shape == (30, 40, 3)


def test_a_relative_jsra_data_counts_once(place, tmp_path, monkeypatch):
    """JSRA_DATA=data, whose data/sets holds the files: the place stays the same, also when it is read again."""
    (tmp_path / "data" / "sets").mkdir(parents=True)
    for name in ("images", "annotations.json"):
        (tmp_path / name).rename(tmp_path / "data" / "sets" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JSRA_DATA", "data/sets")
    settings = dict(root="data/images", anno_file="data/annotations.json")
    dataset = COCODataset(**settings, use_anno_cats=True, filter_min_size=0)
    assert dataset[0][0].shape == (30, 40, 3)
    assert len(dataset.ground_truth()["annotations"]) == len(ANNOTATIONS)
    monkeypatch.chdir("/")
    assert dataset[0][0].shape == (30, 40, 3)
    monkeypatch.chdir(tmp_path)
    assert not [p for p in check({"type": "COCODataset", **settings}, progress=False) if p.level == "error"]


def perfect(dataset):
    return [
        {"img_id": r.img_id, "boxes": r.boxes, "scores": np.full(len(r.boxes), 0.9), "labels": r.labels}
        for r in dataset.records
    ]


def test_evaluate(place, tmp_path):
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)
    metrics = evaluate([COCOBoxAP()], dataset, perfect(dataset), str(tmp_path), 3)
    assert metrics["bbox_mAP"] == pytest.approx(1) and metrics["bbox_mAP_50"] == pytest.approx(1)
    assert metrics.per_class["bbox_mAP"] == pytest.approx({"cat": 1, "dog": 1, "person": 1})
    assert "pycocotools" in metrics.table or "faster-coco-eval" in metrics.table
    rows = json.loads((tmp_path / "detections" / "3.bbox.json").read_text())
    assert rows[0] == {"image_id": 1, "category_id": 20, "bbox": [5, 5, 10, 10], "score": 0.9}
    assert len(rows) == 5


def test_evaluate_takes_pairs_and_parts_of_the_images(place):
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)
    results = [(r, {}) for r in perfect(dataset)[:2]]
    metrics = evaluate([COCOBoxAP()], dataset, results)
    assert metrics["bbox_mAP"] == pytest.approx(1)
    assert "evaluated on 2 of 5 images" in metrics.table
    assert np.isnan(metrics.per_class["bbox_mAP"]["person"])
    with pytest.raises(ValueError, match="image id 1 has two results"):
        evaluate([COCOBoxAP()], dataset, results + results)
    with pytest.raises(ValueError, match="does not have"):
        evaluate([COCOBoxAP()], dataset, [{**results[0][0], "img_id": 77}])


def test_evaluate_without_a_detection(place):
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)
    empty = [{"img_id": i, "boxes": np.zeros((0, 4)), "scores": [], "labels": []} for i in dataset.img_ids]
    assert evaluate([COCOBoxAP()], dataset, empty)["bbox_mAP"] == 0


def test_evaluate_masks(place):
    from jsra.data.masks import encode

    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False, with_masks=True)
    results = perfect(dataset)
    with pytest.raises(ConfigError, match="the result of image id 1 has no 'masks': the model predicts none"):
        evaluate([COCOMaskAP()], dataset, results)
    for i, result in enumerate(results):
        result["masks"] = [encode(m) for m in np.asarray(dataset.target(dataset.record(i))["masks"])]
    metrics = evaluate([COCOBoxAP(), COCOMaskAP()], dataset, results)
    assert metrics["segm_mAP"] == pytest.approx(1) and metrics["bbox_mAP"] == pytest.approx(1)


def test_real_images():
    root = shared("data", "coco_mini")
    dataset = build(
        dict(
            type="COCODataset",
            root=f"{root}/train2017",
            anno_file=f"{root}/annotations/instances_train2017.json",
            transforms=[dict(type="Resize", min_size=800, max_size=1333), NORMALIZE, dict(type="Pad", size_divisor=32)],
            with_masks=True,
        )
    )
    assert len(dataset) == 98  # of 100; two have no annotations
    assert len(dataset.CLASSES) == 80 and dataset.cat_ids[79] == 90
    assert sum(len(r.ignored) for r in dataset.records) == 6  # crowds
    image, target = dataset[0]
    assert image.shape[1] % 32 == 0 and image.shape[2] % 32 == 0
    assert min(target["img_size"]) == 800 or max(target["img_size"]) == 1333
    ratio = np.asarray(target["masks"]).sum((1, 2)) / ((target["bboxes"][:, 2:] - target["bboxes"][:, :2]).prod(1))
    assert ((ratio > 0.05) & (ratio <= 1.05)).all()


def test_an_annotation_file_that_changes_during_a_run(place):
    """Its ids may have another meaning now: AP would be wrong, or a result would have no image."""
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)
    results = [dict(img_id=r.img_id, boxes=r.boxes, labels=r.labels, scores=np.ones(len(r.labels))) for r in dataset.records]
    with open(place["anno_file"]) as f:
        before = f.read()
    with open(place["anno_file"], "w") as f:
        f.write(before.replace('"name": "cat"', '"name": "cow"'))
    with pytest.raises(DataError, match="was changed after this program had read it"):
        evaluate([COCOBoxAP()], dataset, results)
    with open(place["anno_file"], "w") as f:
        f.write(before)  # the same bytes at another time
    assert evaluate([COCOBoxAP()], dataset, results)["bbox_mAP"] == pytest.approx(1)


def test_masks_are_needed_only_of_what_is_evaluated(place, tmp_path):
    """Annotations of other classes and of images that are not evaluated may have none."""
    bare = [{**a, "segmentation": None} if a["category_id"] != 30 or a["image_id"] == 5 else a for a in ANNOTATIONS]
    place = write_coco(str(tmp_path / "bare"), bare)
    listed = tmp_path / "ids.txt"
    listed.write_text("3")
    with pytest.raises(DataError, match="annotation 6: has no segmentation"):
        COCOMaskAP().check(COCODataset(**place, classes=["person"], filter_min_size=0))
    dataset = COCODataset(**place, classes=["person"], filter_min_size=0, image_ids=str(listed), with_masks=True)
    COCOMaskAP().check(dataset)
    mask = encode(np.asarray(dataset[0][1]["masks"])[0])
    results = [dict(img_id=3, boxes=[[10, 10, 30, 25]], labels=[1], scores=[1.0], masks=[mask])]
    assert evaluate([COCOMaskAP()], dataset, results)["segm_mAP"] == pytest.approx(1)
