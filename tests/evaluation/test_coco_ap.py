import importlib.util

import numpy as np
import pytest

from jsra.evaluation.coco_ap import coco_ap
from jsra.evaluation.coco_boxes import crowded


def truth(boxes, image=1, category=1):
    return [
        {"id": i + 1, "image_id": image, "category_id": category, "bbox": list(b)} for i, b in enumerate(boxes)
    ]  # area and iscrowd are filled in


def world(annotations, images=(1,), categories=(1,)):
    return {
        "images": [{"id": i, "width": 100, "height": 100} for i in images],
        "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in categories],
    }


def found(box, score=0.9, image=1, category=1):
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def test_perfect():
    values, per_class, _ = coco_ap(world(truth([(0, 0, 10, 10)])), [found((0, 0, 10, 10))], [1])
    assert [values[k] for k in ("mAP", "mAP_50", "mAP_75", "AR_1", "AR_100")] == pytest.approx([1] * 5)
    assert values["mAP_s"] == pytest.approx(1) and np.isnan(values["mAP_m"]) and np.isnan(values["mAP_l"])
    assert per_class == {1: {"mAP": pytest.approx(1), "mAP_50": pytest.approx(1)}}


@pytest.mark.parametrize("first, second", [("r", 1), ("z", "a"), (90, 7), (-1, 2**40)])
def test_ids_of_categories_may_be_anything(first, second):
    annotations = truth([(0, 0, 10, 10)], category=first) + [{**truth([(50, 50, 9, 9)], category=second)[0], "id": 2}]
    rows = [found((0, 0, 10, 10), category=first), found((0, 0, 9, 9), category=second)]
    values, per_class, _ = coco_ap(world(annotations, categories=(first, second)), rows, [second, first])
    assert list(per_class) == [second, first] and values["mAP"] == pytest.approx(0.5)
    assert (per_class[first]["mAP"], per_class[second]["mAP"]) == (pytest.approx(1), 0)


def test_what_else_a_detection_has_changes_nothing():
    """The tools take rows with a caption for captions."""
    row = {**found((0, 0, 10, 10)), "caption": "a dog", "keypoints": [1, 2, 2], "area": 1e6, "id": 0, "iscrowd": 1}
    assert coco_ap(world(truth([(0, 0, 10, 10)])), [row], [1])[0]["mAP"] == pytest.approx(1)


def test_overlap_decides_the_thresholds():
    # IoU 72 / 100: right at 0.5, 0.55, 0.6, 0.65, 0.7, wrong at the other five.
    values, _, _ = coco_ap(world(truth([(0, 0, 10, 10)])), [found((0, 0, 10, 7.2))], [1])
    assert values["mAP"] == pytest.approx(0.5) and values["mAP_50"] == pytest.approx(1) and values["mAP_75"] == 0


def test_crowds_swallow_detections():
    annotations = truth([(0, 0, 10, 10), (50, 50, 40, 40)])
    annotations[1]["iscrowd"] = 1
    rows = [found((50, 50, 10, 10), 0.99), found((70, 70, 10, 10), 0.98), found((0, 0, 10, 10), 0.5)]
    assert coco_ap(world(annotations), rows, [1])[0]["mAP"] == pytest.approx(1)


def test_nothing_found_and_nothing_to_find():
    assert coco_ap(world(truth([(0, 0, 10, 10)])), [], [1])[0]["mAP"] == 0
    values, per_class, _ = coco_ap(world([]), [found((0, 0, 10, 10))], [1])
    assert np.isnan(values["mAP"]) and np.isnan(per_class[1]["mAP"])


def test_chosen_images_and_classes():
    annotations = truth([(0, 0, 10, 10)]) + [
        {"id": 2, "image_id": 2, "category_id": 2, "bbox": [0, 0, 9, 9]},
    ]
    rows = [found((0, 0, 10, 10))]
    assert coco_ap(world(annotations, (1, 2), (1, 2)), rows, [1, 2])[0]["mAP"] == pytest.approx(0.5)
    assert coco_ap(world(annotations, (1, 2), (1, 2)), rows, [1, 2], [1])[0]["mAP"] == pytest.approx(1)
    assert coco_ap(world(annotations, (1, 2), (1, 2)), rows, [2])[0]["mAP"] == 0
    for iou_type in ("bbox", "segm"):  # no image at all: not all of them
        values, per_class, _ = coco_ap(world(annotations, (1, 2), (1, 2)), [], [1, 2], [], iou_type)
        assert np.isnan(list(values.values())).all() and np.isnan(per_class[2]["mAP"])


@pytest.mark.parametrize("backend", ["pycocotools", "auto"])
def test_classes_in_another_order_than_their_ids(backend):
    annotations = truth([(0, 0, 10, 10)]) + [{"id": 2, "image_id": 1, "category_id": 7, "bbox": [50, 50, 9, 9]}]
    rows = [found((0, 0, 10, 10)), found((0, 0, 9, 9), category=7)]
    _, per_class, _ = coco_ap(world(annotations, categories=(1, 7)), rows, [7, 1], backend=backend)
    assert per_class[1]["mAP"] == pytest.approx(1) and per_class[7]["mAP"] == 0


def test_images_may_have_names():
    place = world(truth([(0, 0, 10, 10)], "2007/a"), ("2007/a", "2007/b"))
    assert coco_ap(place, [found((0, 0, 10, 10), image="2007/a")], [1], ["2007/a"])[0]["mAP"] == pytest.approx(1)


@pytest.mark.parametrize("ids", [(0, 1, 2), (7, 7, 7), (None, None, None), (3, 1, 2), ("a", "b", "a")])
@pytest.mark.parametrize("backend", ["pycocotools", "auto"])
def test_ids_of_annotations_mean_nothing(ids, backend):
    """The tools take id 0 for 'not found' and look annotations up by id; three perfect detections give 1 whatever it is."""
    boxes, images = [(0, 0, 10, 10), (20, 20, 30, 30), (5, 5, 40, 40)], (4, 4, 9)
    annotations = [
        {"id": number, "image_id": image, "category_id": 1, "bbox": list(box)}
        for number, image, box in zip(ids, images, boxes)
    ]
    rows = [found(box, image=image) for box, image in zip(boxes, images)]
    values, _, _ = coco_ap(world(annotations, (4, 9)), rows, [1], backend=backend)
    assert values["mAP"] == pytest.approx(1) and values["AR_100"] == pytest.approx(1)


def test_annotations_may_lack_an_id_and_have_no_area():
    annotations = [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10], "area": None, "iscrowd": None}]
    assert coco_ap(world(annotations), [found((0, 0, 10, 10))], [1])[0]["mAP"] == pytest.approx(1)


def test_annotations_of_images_that_are_not_listed_are_left_out():
    annotations = truth([(0, 0, 10, 10)]) + truth([(0, 0, 10, 10)], image=5)
    assert coco_ap(world(annotations), [found((0, 0, 10, 10))], [1])[0]["mAP"] == pytest.approx(1)


def test_inputs_are_not_changed():
    annotations = truth([(0, 0, 10, 10)])
    rows = [found((0, 0, 10, 10))]
    coco_ap(world(annotations), rows, [1])
    assert annotations == truth([(0, 0, 10, 10)]) and rows == [found((0, 0, 10, 10))]


@pytest.mark.skipif(importlib.util.find_spec("faster_coco_eval") is None, reason="faster-coco-eval is not installed")
def test_backends_agree(rng):
    boxes = rng.uniform(0, 60, (60, 4)) + [0, 0, 5, 5]
    annotations = [
        {
            "id": i + 1,
            "image_id": int(i % 7),
            "category_id": int(i % 3),
            "bbox": [float(v) for v in b],
            "iscrowd": int(i % 11 == 0),
        }
        for i, b in enumerate(boxes)
    ]
    rows = [
        found([float(v) for v in b + rng.normal(0, 3, 4).clip(-4)], float(rng.random()), int(i % 7), int(i % 3))
        for i, b in enumerate(np.concatenate([boxes, boxes]))
    ]
    place = world(annotations, range(7), range(3))
    slow, fast = (coco_ap(place, rows, [0, 1, 2], backend=b) for b in ("pycocotools", "faster-coco-eval"))
    assert fast[0] == pytest.approx(slow[0], abs=1e-9, nan_ok=True)


def test_unknown_backend():
    with pytest.raises(ValueError, match="auto, pycocotools, faster-coco-eval"):
        coco_ap(world([]), [], [1], backend="x")


@pytest.mark.parametrize("ids", [(1, 2), (2, 1)])
def test_equal_scores_in_the_order_of_the_ids(ids):
    """As pycocotools, whatever the order in the file: the wrong detection, in image 1, comes first."""
    annotations = truth([(0, 0, 10, 10)], image=2)
    rows = [found((0, 0, 10, 10), image=2), found((0, 0, 10, 10), image=1)]
    assert coco_ap(world(annotations, images=ids), rows, [1])[0]["mAP"] == pytest.approx(0.5)


def test_more_objects_than_detections_count():
    boxes = [(8 * x, 8 * y, 7, 7) for x in range(12) for y in range(10)]
    content = world(truth(boxes), images=(1, 2))
    assert "1 images have more than 100 objects of a class" in crowded(content, [1, 2], [1])
    assert crowded(content, [2], [1]) == "" == crowded(content, [1], [7])
    assert crowded(world(truth(boxes[:100])), [1], [1]) == ""
    values, _, _ = coco_ap(content, [found(b) for b in boxes], [1])
    assert values["mAP"] == pytest.approx(84 / 101)  # 100 of 120 objects: recall 0.83
