"""The preset 'real' on a handful of its photographs: two rows trained for one epoch on cached features, and compared."""

import os

import numpy as np
import pytest
from PIL import Image

from jsra import resources
from jsra.cli import main
from jsra.config import load_config
from jsra.data.coco import COCODataset
from jsra.data.paths import data_path
from jsra.paper import measure
from jsra.paper.rows import configs, table
from jsra.paper.run import Run
from jsra.registry import ConfigError, build
from tests.backbones.test_efficientnet_lite import weights_path
from tests.conftest import shared

LISTS = {split: f"package:jsra/paper/real_{split}.txt" for split in ("train", "val")}


def ids_of(path):
    with open(data_path(path), encoding="utf8") as file:
        return [int(word) for word in file.read().split()]


@pytest.fixture(scope="module")
def overrides(tmp_path_factory):
    """One epoch of two steps, and where the data are."""
    shared("data", "coco_people")
    weights_path()
    folder = tmp_path_factory.mktemp("real")
    changes = ["max_epoch=1", "scheduler.milestones=[1]", "dataset.train.batch_size=2"]
    changes.append(f"feature_cache.folder={folder}/features")
    for split, count in (("train", 4), ("val", 3)):
        path = folder / f"{split}.txt"
        path.write_text("\n".join(map(str, ids_of(LISTS[split])[:count])))
        changes.append(f"dataset.{split}.image_ids={path}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSRA_DATA", shared("data"))
        yield changes


@pytest.fixture(scope="module")
def found(overrides, tmp_path_factory):
    root = str(tmp_path_factory.mktemp("runs"))
    said = []
    report = measure.report(
        table(1), "real", ["RoI Align", "SRA"], 1, train=True, root=root, overrides=overrides, say=said.append
    )
    assert len(said) == 2
    return report, root


def test_the_lists_are_those_of_the_data():
    listed = {split: ids_of(path) for split, path in LISTS.items()}
    assert len(set(listed["train"])) == 1436 and len(set(listed["val"])) == 358
    assert not set(listed["train"]) & set(listed["val"])
    root = shared("data", "coco_people")
    for split, ids in listed.items():
        annotations = os.path.join(root, f"instances_{split}.json")
        dataset = COCODataset(root, annotations, image_ids=LISTS[split], filter_empty_gt=False)
        assert sorted(dataset.img_ids) == sorted(ids)


def test_rows_are_trained_and_compared_on_the_same_boxes(found):
    report, root = found
    assert [row["state"] for row in report["rows"]] == ["trained", "trained"]
    for row in report["rows"]:
        assert {"AP", "AP50", "accuracy", "log_loss"} <= set(row["measured"]) and row["difference"] == {}
        assert 0 <= row["measured"]["accuracy"] <= 100 and row["measured"]["log_loss"] > 0
    paired = {gain["column"]: gain for gain in report["gains"] if gain["paired"]}
    assert report["against"] == "RoI Align" and set(paired) == {"accuracy", "log_loss"}
    for column, gain in paired.items():
        first, second = (row["measured"][column] for row in report["rows"])
        assert gain["mean"] == pytest.approx(second - first, abs=1e-9) and gain["error"] >= 0


def test_features_are_computed_once(found, overrides):
    """4 images and their mirror images, and 3 of val; both rows read the same."""
    folder = next(text.partition("=")[2] for text in overrides if text.startswith("feature_cache"))
    files = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
    assert len(files) == 2 * 4 + 3
    before = {path: os.stat(path).st_mtime_ns for path in files}
    report, root = found
    run = Run(table(1).select(["SRA"])[0].config("real"), 0, root, overrides)
    os.remove(os.path.join(run.work_dir, "result.json"))
    assert run.complete()["measured"]["AP"] == pytest.approx(report["rows"][1]["measured"]["AP"])
    assert {path: os.stat(path).st_mtime_ns for path in files} == before


def test_where_there_are_no_data(tmp_path, monkeypatch):
    monkeypatch.setenv("JSRA_DATA", str(tmp_path))
    config = load_config(next(iter(configs("real"))))
    with pytest.raises(FileNotFoundError, match="coco/annotations/instances_val2017.json"):
        build(config.dataset.train, "dataset.train", "dataset")


def test_lists_that_do_not_fit(tmp_path):
    root = shared("data", "coco_people")
    path = tmp_path / "ids.txt"
    for text, word in (("12120 5", "'5'"), ("a.jpg", "'a.jpg'"), ("12_120", "'12_120'")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=f"lists 1 images that .* does not have, such as {word}"):
            COCODataset(root, os.path.join(root, "instances_val.json"), image_ids=str(path))


def test_the_lists_are_in_the_package():
    assert all(os.path.isfile(data_path(path)) for path in LISTS.values())
    assert os.path.isdir(os.path.join(resources.folder("jdet_configs"), "real"))


def test_masks_on_a_photograph_mirrored_and_turned(found, tmp_path):
    """A picture of three views, each a row of the RoI and two masks; the views differ."""
    config = table(1).select(["SRA"])[0].config("real")
    image = shared("data", "coco_people", "images", "000000012120.jpg")
    weights, out = os.path.join(found[1], "coco_lite0_fpn_sra", "seed0"), str(tmp_path / "masks.png")
    options = ["--boxes", "20,30,120,150", "--masks", "0,5", "--mirrored", "--turned", "90", "--out", out]
    assert main(["masks", config, weights, image, *options]) == 0
    with Image.open(out) as picture:
        pixels = np.asarray(picture)
    alone = 220 + 18
    assert pixels.shape == (3 * (alone + 16), 3 * (220 + 6) - 6, 3)
    views = pixels.reshape(3, alone + 16, *pixels.shape[1:])[:, 40:]
    assert all(view.std() > 10 for view in views) and (views[0] != views[1]).any() and (views[0] != views[2]).any()
