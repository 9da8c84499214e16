import json
import sys

import numpy as np
import pytest

from jsra.bench import model
from jsra.cli import main
from jsra.registry import ConfigError

# A peer that knows the weights by torchvision's names and answers with one detection.
PEER = """
import numpy as np
from jsra.bench.peer import serve

class Program:
    name, family = "stand-in 1.0", "torchvision"

    def load(self, arrays, call, settings):
        assert arrays["images"].shape == (2, 3, 64, 96) and arrays["boxes"].shape == (2, 12, 4)
        assert arrays["backbone.body.layer1.0.conv1.weight"].ndim == 4

    def inference(self):
        pass

    def result(self):
        return np.float32([[0, 0, 10, 10, 0.5, 1]])

serve([Program])
"""


@pytest.fixture
def small(monkeypatch):
    """ResNet-18 of BCCD at 64 x 96 instead of ResNet-50 at 800 x 1216."""
    monkeypatch.setitem(
        model.DETECTORS, "faster_rcnn",
        {
            "RoI Align": ("bccd/faster_rcnn_r18_fpn_roi_align_bccd.py", ("torchvision",), None),
            "SRA": ("bccd/faster_rcnn_r18_fpn_sra_bccd.py", (), "RoI Align"),
        },
    )  # fmt: skip
    monkeypatch.setattr(model, "SIZE", (64, 96))
    monkeypatch.setattr(model, "WARM_UP", 1)


def test_the_command_measures_both_works_and_writes_json(small, tmp_path, monkeypatch, capsys):
    script, path = tmp_path / "peer.py", tmp_path / "bench.json"
    script.write_text(PEER)
    monkeypatch.setattr(model, "PEER_SCRIPT", str(script))
    assert main(["bench", "model", "--peer", sys.executable, "--repeat", "2", "--batch", "2", "--json", str(path)]) == 0
    results = json.loads(path.read_text())["results"]
    assert [(r["work"], r["program"], r["versus"], len(r["seconds"])) for r in results] == [
        ("inference", "RoI Align", None, 2),
        ("inference", "stand-in 1.0", "RoI Align", 2),
        ("inference", "SRA", "RoI Align", 2),
        ("training", "RoI Align", None, 2),
        ("training", "SRA", "RoI Align", 2),
    ]
    assert all(min(r["seconds"]) > 0 and r["peak"] > 0 for r in results)
    assert results[1]["differs"][1] == 1 and results[1]["pool"] is None
    printed = capsys.readouterr().out
    assert "ours (RoI Align) takes x" in printed and "of RoI Align's time x" in printed


def test_a_detector_with_masks_trains_and_pastes(small, monkeypatch):
    """On a mini config with masks, without peers."""
    config = "mini/puppets_mask_r18_fpn_roi_align.py"
    monkeypatch.setitem(model.DETECTORS, "mask_rcnn", {"RoI Align": (config, (), None)})
    results = model.bench(only=["training", "pasting"], repeat=1, detector="mask_rcnn", report=str)
    assert [r["work"] for r in results] == ["training", "pasting"]
    assert all(r["seconds"][0] > 0 for r in results)


def test_objects_are_ellipses_in_their_boxes():
    """6 x 4 pixels at (1, 1): the corners are outside, the middles of the sides inside."""
    (found,) = model.ellipses(np.float32([[1, 1, 7, 5]]), (6, 9))
    assert found.shape == (6, 9) and found[:, :1].sum() + found[:1].sum() + found[:, 7:].sum() + found[5:].sum() == 0
    assert found[1:5, 1:7].tolist() == [[0, 1, 1, 1, 1, 0], [1] * 6, [1] * 6, [0, 1, 1, 1, 1, 0]]


def test_differences_are_between_nearest_boxes_of_one_label():
    ours = np.float32([[0, 0, 10, 10, 0.9, 1], [50, 50, 60, 60, 0.5, 2]])
    theirs = np.float32([[50, 50, 60, 60.25, 0.25, 2], [0, 0.5, 10, 10, 0.9, 1], [0, 0, 10, 10, 0.1, 2]])
    assert model.differences(ours, theirs) == (2, 3, 0.5, 0.25)
    assert model.differences(ours[:0], theirs) == (0, 3, None, None)


def test_a_peer_is_compared_with_its_model():
    results = [
        dict(work="inference", program="RoI Align", versus=None, seconds=[1.0, 3.0, 2.0], cpu=[4.0], peak=100.0, pool=60.0),
        dict(work="inference", program="p", versus="RoI Align", seconds=[4.0], cpu=[5.0], peak=5.0, pool=None),
        dict(work="inference", program="SRA", versus="RoI Align", seconds=[2.1], cpu=[5.0], peak=110.0, pool=70.0),
    ]
    pasting = dict(work="pasting", program="p", versus=None, seconds=[0.01234], cpu=[0.02], peak=1.0, pool=None)
    assert list(model.lines([pasting])) == ["| pasting | p | 0.0123 (0.0123) | 0.0200 | 1 |  |"]
    first, second, third = model.lines(results)
    assert first == "| inference | RoI Align | 2.00 (1.00) | 4.00 | 100, 60 of them Jittor's |  |"
    assert second == "| inference | p | 4.00 (4.00) | 5.00 | 5 | ours (RoI Align) takes x 0.50 (0.80) |"
    assert third.endswith("| of RoI Align's time x 1.05 (1.25), of its memory x 1.10 |")


def test_wrong_arguments_say_what_there_is(small, bare):
    with pytest.raises(ConfigError, match="did you mean 'training'"):
        model.bench(only=["trainin"])
    with pytest.raises(ConfigError, match="did you mean 'mask_rcnn'"):
        model.bench(detector="mask_rcn")
    with pytest.raises(ConfigError, match="has neither torchvision nor mmdet"):
        model.bench([bare])
