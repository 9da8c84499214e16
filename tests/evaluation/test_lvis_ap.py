"""LVIS AP is equal to that of the `lvis` package when used in its own way, with files; real annotations, invented
detections."""

import json
import math

import numpy as np
import pytest

from jsra.data.lvis import LVISDataset
from jsra.data.masks import to_rle
from jsra.evaluation.dataset_evaluator import build_evaluators
from jsra.evaluation.lvis_ap import VALUES, lvis_ap, lvis_package
from jsra.evaluation.report import evaluate
from jsra.registry import ConfigError
from tests.data.test_lvis import real, write_lvis
from tests.data.tiny import write_coco

try:
    PACKAGE = lvis_package()
except ImportError:
    PACKAGE = None
needs_lvis = pytest.mark.skipif(PACKAGE is None, reason="needs the package lvis: pip install --no-deps lvis")


def made_up(dataset, rng, masks=False):
    """Results: objects found with shifted boxes, some of a wrong class, and some where there is nothing."""
    results = []
    for record in dataset.records:
        boxes = [b + rng.normal(0, 3, 4) for b in record.boxes for _ in range(2)]
        labels = [int(label) for label in record.labels for _ in range(2)]
        wrong = rng.random(len(labels)) < 0.3
        labels = [int(rng.integers(1, len(dataset.CLASSES) + 1)) if w else label for w, label in zip(wrong, labels)]
        boxes += list(rng.uniform(0, 200, (5, 4)) + [0, 0, 200, 200])
        labels += [int(label) for label in rng.choice(labels or [1], 5)]
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        result = dict(img_id=record.img_id, boxes=boxes, scores=rng.random(len(boxes)), labels=np.array(labels))
        if masks:
            squares = [[x0, y0, x1, y0, x1, y1, x0, y1] for x0, y0, x1, y1 in boxes.astype(float).tolist()]
            result["masks"] = [to_rle([square], record.width, record.height) for square in squares]
        results.append(result)
    return results


@needs_lvis
@pytest.mark.parametrize("key", ["bbox", "segm"])
def test_equals_the_packages_own_numbers(tmp_path, rng, key):
    dataset = LVISDataset(**real(tmp_path, 12), filter_empty_gt=False, with_masks=True)  # 12: the package is slow
    name = {"bbox": "LVISBoxAP", "segm": "LVISMaskAP"}[key]
    evaluators = build_evaluators([dict(type=name)])
    metrics = evaluate(evaluators, dataset, made_up(dataset, rng, key == "segm"), str(tmp_path), "made")

    _, _, LVISEval = PACKAGE
    with open(tmp_path / "detections" / f"made.{key}.json") as f:
        rows = json.load(f)
    if key == "segm":  # as mmdet gives it: where a box is there, the package takes its area for the mask's
        rows = [{k: v for k, v in row.items() if k != "bbox"} for row in rows]
    with open(tmp_path / "rows.json", "w") as f:
        json.dump(rows, f)
    own = LVISEval(dataset.anno_file, str(tmp_path / "rows.json"), key)
    own.evaluate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "float", float, raising=False)
        own.accumulate()
    own.summarize()
    for ours, theirs in VALUES.items():
        expected = math.nan if own.results[theirs] == -1 else own.results[theirs]
        assert metrics[f"{key}_{ours}"] == pytest.approx(expected, abs=1e-9, nan_ok=True), ours
    assert 0.05 < metrics[f"{key}_mAP"] < 0.9 and metrics[f"{key}_mAP_f"] > 0
    assert set(metrics) == set(evaluators[0].names)
    assert f"{key} (LVIS): AP " in metrics.table and "frequent" in metrics.table


@needs_lvis
def test_what_an_image_does_not_say_counts_neither_way(tmp_path):
    """Image 1 has no person (negative), image 2 not all of its cats; of image 3 nothing is known but of persons."""
    dataset = LVISDataset(**write_lvis(str(tmp_path)), filter_empty_gt=False)
    perfect = [
        dict(img_id=r.img_id, boxes=r.boxes, scores=np.full(len(r.boxes), 0.5), labels=r.labels) for r in dataset.records
    ]

    def ap(**extra):
        found = [dict(r) for r in perfect]
        for image, label in extra.values():
            r = found[image - 1]
            r.update(boxes=np.concatenate([r["boxes"], [[1, 1, 9, 9]]]), scores=np.append(r["scores"], 0.9))
            r["labels"] = np.append(r["labels"], label)
        return evaluate(build_evaluators([dict(type="LVISBoxAP")]), dataset, found)

    assert ap()["bbox_mAP"] == pytest.approx(1) and ap()["bbox_mAP_r"] == pytest.approx(1)
    assert ap(cat_in_2=(2, 1), cat_in_3=(3, 1))["bbox_mAP"] == pytest.approx(1)
    assert ap(person_in_1=(1, 3))["bbox_mAP_f"] < 0.9


@needs_lvis
def test_nothing_found_and_a_part_of_the_images(tmp_path):
    dataset = LVISDataset(**write_lvis(str(tmp_path)), filter_empty_gt=False)
    content = dataset.ground_truth()
    assert lvis_ap(content, [], dataset.cat_ids)[0]["mAP"] == 0
    box = content["annotations"][0]
    row = dict(image_id=box["image_id"], category_id=box["category_id"], bbox=box["bbox"], score=1.0)
    values, per_class = lvis_ap(content, [row], [20], image_ids=[1])
    assert values["mAP"] == pytest.approx(1) and math.isnan(values["mAP_f"]) and list(per_class) == [20]
    assert math.isnan(lvis_ap(content, [], [20], image_ids=[])[0]["mAP"])


@needs_lvis
def test_ids_of_categories_may_be_numbers_and_text(tmp_path):
    content = LVISDataset(**write_lvis(str(tmp_path))).ground_truth()
    box = content["annotations"][0]
    row = dict(image_id=box["image_id"], category_id=box["category_id"], bbox=box["bbox"], score=1.0)
    known = [c["id"] for c in content["categories"]]
    expected = lvis_ap(content, [row], known)
    new = {known[0]: "x", **{c: c for c in known[1:]}}
    for entry in (*content["annotations"], row):
        entry["category_id"] = new[entry["category_id"]]
    for image in content["images"]:
        for key in ("neg_category_ids", "not_exhaustive_category_ids"):
            image[key] = [new[c] for c in image[key]]
    content["categories"] = [{**c, "id": new[c["id"]]} for c in content["categories"]]
    values, per_class = lvis_ap(content, [row], list(new.values()))
    assert str(values) == str(expected[0]) and str(list(per_class.values())) == str(list(expected[1].values()))


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "lvis", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install --no-deps lvis"):
        lvis_package()


@needs_lvis
def test_other_datasets_know_no_frequencies(tmp_path):
    from jsra.data.coco import COCODataset

    dataset = COCODataset(**write_coco(str(tmp_path)), use_anno_cats=True, filter_empty_gt=False)
    with pytest.raises(ConfigError, match="LVISBoxAP: COCODataset.* use an LVISDataset"):
        build_evaluators([dict(type="LVISBoxAP")])[0].check(dataset)
