import numpy as np
import pytest

from jsra.evaluation.voc_ap import average_precision, voc_ap


def test_average_precision_by_hand():
    recall, precision = [0.25, 0.25, 0.5, 0.75], [1, 0.5, 2 / 3, 0.75]
    # Made monotone, precision is 1 up to recall 0.25, then 0.75 up to 0.75, then 0.
    assert average_precision(recall, precision, "area") == pytest.approx(0.25 * 1 + 0.5 * 0.75)
    # Levels 0, 0.1, 0.2 see 1; 0.3 to 0.7 see 0.75; 0.8 to 1 see 0.
    assert average_precision(recall, precision, "11point") == pytest.approx((3 * 1 + 5 * 0.75) / 11)


def test_recall_exactly_at_a_level_counts():
    # 3 of 10 found: recall 0.3, which the eleven levels contain.
    assert average_precision(np.arange(1, 4) / 10, np.ones(3), "11point") == pytest.approx(4 / 11)


def test_nothing_found():
    assert average_precision([], [], "area") == 0 and average_precision([], [], "11point") == 0
    with pytest.raises(ValueError, match="11point, area"):
        average_precision([], [], "voc")


TRUTH = {
    "a": ([[0, 0, 10, 10], [20, 20, 30, 30]], [1, 1], [False, True]),
    "b": ([[0, 0, 10, 10], [50, 50, 60, 60]], [1, 2], [False, False]),
}


def run(detections, **options):
    """detections: rows (image, box, score, label)."""
    grouped = {}
    for image in "abc":
        rows = [r for r in detections if r[0] == image]
        grouped[image] = ([r[1] for r in rows], [r[2] for r in rows], [r[3] for r in rows])
    return voc_ap(TRUTH, grouped, 3, **options)


def test_perfect_and_empty():
    rows = [("a", [0, 0, 10, 10], 0.9, 1), ("b", [0, 0, 10, 10], 0.8, 1), ("b", [50, 50, 60, 60], 0.7, 2)]
    out = run(rows)
    assert [r["area"] for r in out[:2]] == [1, 1] and np.isnan(out[2]["area"])
    assert [r["objects"] for r in out] == [2, 1, 0]  # the difficult one is not counted
    assert [r["area"] for r in run([])[:2]] == [0, 0]


def test_recall_of_a_class_without_objects_is_undefined():
    rows = run([("a", [0, 0, 10, 10], 0.9, 3)])
    assert np.isnan(rows[2]["recall"]) and rows[2]["detections"] == 1 and rows[0]["recall"] == 0


def test_second_detection_of_an_object_is_wrong():
    rows = [("a", [0, 0, 10, 10], 0.9, 1), ("a", [0, 0, 10, 9], 0.8, 1), ("b", [0, 0, 10, 10], 0.7, 1)]
    # Right, wrong, right: recall 1/2, 1/2, 1 and precision 1, 1/2, 2/3.
    assert run(rows)[0]["area"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_difficult_objects_count_neither_way():
    rows = [("a", [20, 20, 30, 30], 0.95, 1), ("a", [20, 20, 30, 30], 0.94, 1), ("a", [0, 0, 10, 10], 0.9, 1)]
    out = run(rows)[0]
    assert out["area"] == pytest.approx(0.5) and out["recall"] == 0.5 and out["detections"] == 3


def test_threshold_and_unknown_images():
    half = ("a", [0, 0, 10, 5], 0.9, 1)  # IoU 0.5 exactly
    assert run([half])[0]["recall"] == 0.5
    assert run([half], iou_threshold=0.51)[0]["recall"] == 0
    assert run([("c", [0, 0, 10, 10], 0.99, 1), half])[0]["area"] == pytest.approx(0.25)


def test_a_detection_belongs_to_its_best_object_even_if_taken():
    truth = {"a": ([[0, 0, 10, 10], [0, 0, 10, 6]], [1, 1], [False, False])}
    found = {"a": ([[0, 0, 10, 10], [0, 0, 10, 9]], [0.9, 0.8], [1, 1])}
    # The second overlaps the first object by 0.9 and the other by 0.67: the devkit calls it a duplicate.
    assert voc_ap(truth, found, 1)[0]["recall"] == 0.5
