"""`jsra demo` at a size of seconds: the table, the pictures, and that a second run trains nothing again."""

import json

import numpy as np
import pytest
from PIL import Image

from jsra import demo
from jsra.config import Config, override
from jsra.data.image import read_image


def test_demo_ends_with_a_table_and_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "IMAGES", dict(train=8, test=2))
    said = []
    table = demo.demo(str(tmp_path), epochs=1, pictures=1, say=said.append)
    rows = {line.split("  ")[0]: line for line in table.splitlines() if line.startswith(("RoI Align ", "SRA "))}
    assert "4.9 (41.8)" in rows["RoI Align"] and "5.1 (42.0)" in rows["SRA"]
    assert sum("training" in line and "seed0" in line for line in said) == 2

    side = read_image(str(tmp_path / "puppets/test_fixed/000001.jpg")).shape
    detections = np.asarray(Image.open(tmp_path / "detections.png"))
    assert detections.shape == (2 * side[0], 2 * side[1], 3)  # both models, upright and rotated

    # The same figures in both splits: the demo's masks are of these boxes.
    boxes = [demo._boxes_of_the_first_image(str(tmp_path), split) for split in demo.SPLITS[1:]]
    assert boxes[0].shape == boxes[1].shape and not np.array_equal(*boxes)
    content = json.loads((tmp_path / "puppets/annotations/test_rotation.json").read_text())
    x, y, width, height = content["annotations"][0]["bbox"]
    np.testing.assert_allclose(boxes[1][0], [x, y, x + width, y + height])
    masks = np.asarray(Image.open(tmp_path / "masks.png"))
    for sheet in np.array_split(masks, 2):
        assert (sheet != 255).mean() > 0.3

    said.clear()
    assert demo.demo(str(tmp_path), epochs=1, pictures=1, say=said.append) == table
    assert not any("seed0" in line for line in said)


@pytest.mark.parametrize("folder", ["a #1", "a: b", "a'b\"c", "12", "\u00fc\U0001f600"])
def test_folders_with_letters_that_mean_something_in_yaml(folder):
    config = Config(dataset={split: {"root": "", "anno_file": ""} for split in ("train", "val")})
    for text in demo.overrides(folder, 2):
        if text.startswith(("dataset.train.", "dataset.val.")):
            override(config, text)
    assert config.dataset.train.root == f"{folder}/train_fixed"
    assert config.dataset.val.anno_file == f"{folder}/annotations/test_fixed.json"
