import csv
import io
import json

import pytest

from jsra.paper import measure
from jsra.paper.report import FORMATS, plot, render
from jsra.paper.rows import table
from jsra.registry import ConfigError


@pytest.fixture
def report():
    """Two rows, the second over two seeds; numbers that are checked by hand below."""
    rows = [
        {
            "name": "RoI Align", "published": {"AP": 37.5, "params_M": 41.8}, "note": "", "state": "trained",
            "measured": {"AP": 36.0, "params_M": 41.753}, "std": {"AP": 1.0}, "values": {"AP": [35.0, 37.0]},
            "difference": {"AP": -1.5, "params_M": -0.047}, "seeds": [0, 1],
        },
        {
            "name": "SRA", "published": {"AP": 39.2}, "note": "assumed", "state": "seed 1 not trained",
            "measured": {"AP": 40.0}, "std": {}, "values": {"AP": [40.0]}, "difference": {"AP": 0.8}, "seeds": [0],
        },
    ]  # fmt: skip
    return {
        "table": "1", "title": "a title", "preset": "paper", "cost_only": False, "columns": ["AP", "params_M"], "rows": rows,
        **measure.gains(rows),
    }  # fmt: skip


def test_text(report):
    lines = render(report).splitlines()
    assert lines[0] == "Table 1, paper: a title"
    assert lines[1].split() == ["row", "AP", "params_M", "state"]
    assert "36.0 ±1.0 (37.5, -1.5)" in lines[2] and "41.8 (41.8, -0.0)" in lines[2]
    assert lines[3].startswith("SRA*") and "40.0 (39.2, +0.8)" in lines[3] and "seed 1 not trained" in lines[3]
    assert "SRA - RoI Align, AP: +5.00 (1 seeds)" in lines
    assert lines[-1] == "* SRA: assumed"


def test_markdown(report):
    lines = render(report, "markdown").splitlines()
    assert lines[2] == "| row | AP | params_M | state |"
    assert lines[4] == "| RoI Align | 36.0 ±1.0 (37.5, -1.5) | 41.8 (41.8, -0.0) | trained |"


def test_csv(report):
    rows = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert [(r["row"], r["column"], r["measured"], r["seeds"]) for r in rows] == [
        ("RoI Align", "AP", "36.0", "2"), ("RoI Align", "params_M", "41.753", ""), ("SRA", "AP", "40.0", "1"),
    ]  # fmt: skip


def test_json(report):
    assert json.loads(render(report, "json")) == report


def test_unknown_format(report):
    with pytest.raises(ConfigError, match="json"):
        render(report, "xml")
    assert len(FORMATS) == 4


def test_plot(report, tmp_path):
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    path = plot(report, str(tmp_path / "table.png"))
    with open(path, "rb") as f:
        assert f.read(4) == b"\x89PNG"


def test_gains_have_the_error_of_a_difference_of_means():
    rows = [
        {"name": "RoI Align", "seeds": [0, 1], "values": {"AP": [10.0, 12.0]}},
        {"name": "SRA", "seeds": [0, 1], "values": {"AP": [13.0, 17.0]}},
    ]
    found = measure.gains(rows)
    assert found["against"] == "RoI Align"
    # s1 = sqrt(2), s2 = sqrt(8), n = 2: sqrt((2 + 8) / 2)
    gain = {
        "name": "SRA", "against": "RoI Align", "column": "AP", "mean": 4.0, "error": pytest.approx(5**0.5), "seeds": 2,
        "paired": False,
    }  # fmt: skip
    assert found["gains"] == [gain]


def test_gains_are_over_the_seeds_that_both_rows_have():
    """Half-trained: over all seeds the means are 20 and 15, a gain of -5; seed 0, which both have, gives +1."""
    rows = [
        {"name": "RoI Align", "seeds": [0, 1], "values": {"AP": [14.0, 26.0], "AP_transformed": [None, 3.0]}},
        {"name": "SRA", "seeds": [0], "values": {"AP": [15.0], "AP_transformed": [4.0]}},
    ]
    expected = {"name": "SRA", "against": "RoI Align", "column": "AP", "mean": 1.0, "error": None, "seeds": 1}
    assert measure.gains(rows)["gains"] == [{**expected, "paired": False}]


def test_differences_on_the_same_boxes_are_told_apart(report):
    """1 and 0 of 2 objects right, in one image each."""
    per_image = {"RoI Align": {0: {"a": [2, 0, 1.0]}}, "SRA": {0: {"a": [2, 1, 0.5]}, 1: {"a": [2, 2, 0.0]}}}
    report.update(measure.gains(report["rows"], per_image))
    same = {"name": "SRA", "against": "RoI Align", "error": 0.0, "seeds": 1, "paired": True}
    assert [g for g in report["gains"] if g["paired"]] == [
        {**same, "column": "accuracy", "mean": 50.0}, {**same, "column": "log_loss", "mean": -0.25},
    ]  # fmt: skip
    assert any(line.startswith("± of accuracy and log_loss: standard error") for line in render(report).splitlines())


def test_columns_of_a_table_of_boxes_and_masks():
    measured = {"AP": 40.0, "APS": 20.0, "mask_AP": 35.0, "AP_pose": 30.0, "AP_transformed": 30.0}
    expected = {"box_AP": 40.0, "box_APS": 20.0, "mask_AP": 35.0, "AP_pose": 30.0, "AP_transformed": 30.0}
    assert measure._printed(table("agg1"), measured) == expected
    assert measure._printed(table("agg2"), measured) == measured


def test_gains_of_two_data_sets_are_each_over_their_own_row():
    rows = [
        {"name": f"{extractor}, {data}", "seeds": [0], "values": {column: [value]}}
        for extractor, data, column, value in (
            ("RoI Align", "VID", "vid_AP", 40.0), ("RoI Align", "VOC", "voc_AP50", 80.0), ("SRA", "VID", "vid_AP", 41.0),
            ("SRA", "VOC", "voc_AP50", 83.0),
        )
    ]  # fmt: skip
    found = [(gain["name"], gain["against"], gain["mean"]) for gain in measure.gains(rows)["gains"]]
    assert found == [("SRA, VID", "RoI Align, VID", 1.0), ("SRA, VOC", "RoI Align, VOC", 3.0)]
