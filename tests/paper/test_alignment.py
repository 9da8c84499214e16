"""Figure 4 of AlignDet: the boxes that the taps of convolutions cover, and their IoU with the refined anchors."""

import jittor as jt
import numpy as np
import pytest

from jsra.config import load_config
from jsra.paper import alignment, rows
from jsra.registry import build
from jsra.roi.align_conv import PlainConv, RoIConv
from tests.roi.test_align_conv import STRIDE, own_fields


@pytest.mark.parametrize("kernel", [3, 5])
def test_implicit_boxes(rng, kernel):
    """Of an ordinary convolution equation 3; of RoIConv the boxes themselves."""
    x, own = jt.zeros((1, 2, 4, 6)), own_fields(4, 6, kernel)
    found = alignment.implicit_boxes(PlainConv(2, 2, kernel), x, own, STRIDE)
    np.testing.assert_allclose(found, own.numpy()[0], atol=1e-4)
    corner = rng.uniform(0, 60, (1, 24, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(4, 90, (1, 24, 2))], axis=2).astype(np.float32)
    found = alignment.implicit_boxes(RoIConv(2, 2, kernel), x, jt.array(boxes), STRIDE)
    np.testing.assert_allclose(found, boxes[0], atol=1e-3)


def test_overlap_of_pairs():
    """2 x 2 of 4 x 4 and 4 x 4 shared: 4 / 28; the same; apart."""
    a = np.float64([[0, 0, 4, 4], [1, 1, 3, 3], [0, 0, 2, 2]])
    b = np.float64([[2, 2, 6, 6], [1, 1, 3, 3], [5, 5, 6, 6]])
    np.testing.assert_allclose(alignment.pair_iou(a, b), [4 / 28, 1, 0])


def test_roi_conv_is_aligned_and_a_convolution_is_not(monkeypatch, rng):
    class OnePicture:
        def __init__(self, config, split, limit):
            assert (config, split, limit) == ("config", "val", 3)

        def __iter__(self):
            yield np.zeros((96, 128, 3), np.uint8), None, None

        def after(self, image):
            return rng.standard_normal((1, 3, 96, 128)).astype(np.float32)

    monkeypatch.setattr(alignment, "Objects", OnePicture)
    means = {}
    for row in rows.table(alignment.TABLE).select(["Conv", "RoI Conv"]):
        model = build(load_config(row.config("mini"))["model"], "model").eval()
        found = alignment.ious(model, "config", "val", 3)
        assert len(found) <= 12 * 16 + 6 * 8 + 3 * 4 + 2 * 2 + 1
        means[row.name] = found.mean()
    assert means["RoI Conv"] > 0.999 and means["Conv"] < 0.9


def test_the_command(monkeypatch, tmp_path, capsys):
    """A line a method, and the picture; a method that is not trained is named."""
    from jsra.cli import main

    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'jsra[dev]'")
    out = tmp_path / "align.png"
    command = ["figure", "align", "--preset", "mini", "--root", str(tmp_path), "--out", str(out)]
    assert main(command) == 2
    printed = capsys.readouterr()
    assert "left out: RoI Conv, not trained (jsra table align4 --preset mini" in printed.out
    assert "none of the methods is trained: run jsra table align4 first" in printed.err
    monkeypatch.setattr("jsra.cli.figure.trained", lambda *_: {"Conv": (1, None), "RoI Conv": (2, None)})
    monkeypatch.setattr(alignment, "ious", lambda model, *_: np.array([0.25, 0.75]) if model == 1 else np.ones(4))
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["Conv", "0.500", "0.500"] for line in lines)
    assert any(line.split()[:4] == ["RoI", "Conv", "1.000", "1.000"] for line in lines)
    assert out.stat().st_size > 1000
