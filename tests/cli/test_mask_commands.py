"""A detector with masks through the commands: train, test, infer, browse; and from Python."""
import json
import os

import numpy as np
import pytest
from PIL import Image

from jsra import Detector, resources
from jsra.cli import main
from jsra.data.masks import area, to_bitmaps
from tests.distributed import case
from tests.distributed.test_masks import MASKS

CONFIG = os.path.join(resources.folder("jdet_configs"), "mini", "puppets_mask_r18_fpn_roi_align.py")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, the --set arguments) of a detector that was trained for four iterations and finds something everywhere."""
    folder = tmp_path_factory.mktemp("masks")
    settings = [s for s in case.overrides(folder / "data") if "roi_layer" not in s] + MASKS
    settings += [f"work_dir={folder}/run", "model.roi_head.box.test.max_per_img=5", "max_epoch=1"]
    changes = [part for setting in settings for part in ("--set", setting)]
    assert main(["train", CONFIG, *changes]) == 0
    return folder, changes


def test_test_prints_boxes_and_masks(run, tmp_path, capsys):
    folder, changes = run
    assert main(["test", CONFIG, str(folder / "run"), "--split", "val", "--out", str(tmp_path), *changes]) == 0
    out = capsys.readouterr().out
    assert "bbox (COCO" in out and "segm (COCO" in out
    written = os.listdir(tmp_path / "detections")
    (name,) = [name for name in written if name.endswith(".segm.json")]
    with open(tmp_path / "detections" / name) as f:
        found = json.load(f)
    assert len(found) == 8 * 5 and all(f["segmentation"]["size"] == [100, 120] for f in found)


def test_infer_draws_masks(run, tmp_path):
    folder, changes = run
    picture = str(folder / "data" / "images" / "0.png")
    infer = ["infer", CONFIG, str(folder / "run"), picture, "--threshold", "0", *changes]
    assert main([*infer, "--out", str(tmp_path)]) == 0
    with open(tmp_path / "detections.json") as f:
        (found,) = json.load(f).values()
    assert len(found["masks"]) == len(found["boxes"]) == 5
    overrides = [change for change in changes if change != "--set"]
    result = Detector(CONFIG, folder / "run", overrides)(picture)
    assert result["masks"] == found["masks"]
    inside = to_bitmaps(result["masks"], 120, 100)
    for mask, (x0, y0, x1, y1) in zip(inside, result["boxes"]):
        rows, columns = np.nonzero(mask)
        assert (rows >= np.floor(y0)).all() and (rows < y1).all() and (columns >= np.floor(x0)).all() and (columns < x1).all()
    assert max(area(mask) for mask in result["masks"]) > 0
    drawn, plain = (np.asarray(Image.open(path).convert("RGB"), int) for path in (tmp_path / "0.jpg", picture))
    changed = np.abs(drawn - plain).max(axis=2) > 20
    assert changed[inside.any(axis=0)].mean() > 0.9


def test_browse_draws_masks(run, tmp_path):
    folder, changes = run
    assert main(["data", "browse", CONFIG, "--out", str(tmp_path), "--count", "1", *changes]) == 0
    drawn = np.asarray(Image.open(tmp_path / "0.jpg").convert("RGB"), int)
    plain = np.asarray(Image.open(folder / "data" / "images" / "0.png"), int)
    y, x = (int(v.mean()) for v in np.nonzero(plain.std(axis=2) > 20))
    assert np.abs(drawn[y, x] - plain[y, x]).max() > 20  # the middle of the object, of which a box alone would show nothing
