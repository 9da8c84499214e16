import json
import os
import re

import pytest

from jsra.paper import rows
from jsra.registry import ConfigError
from tests.conftest import shared


def test_published_numbers_are_those_of_the_paper():
    with open(shared("paper", "tables.json"), encoding="utf8") as f:
        published = json.load(f)
    for key, content in published.items():
        found = rows.table(key)
        assert found.title == content["title"]
        if key == "7":
            numbers = [v for raw in content["rows"] for v in (raw["AP_roi_align"], raw["AP_sra"])]
            assert [row.published["AP"] for row in found.rows] == numbers
        elif key == "10":  # two data sets in one line of the paper
            numbers = {raw["method"]: {c: v for c, v in raw.items() if c != "method"} for raw in content["rows"]}
            assert [row.name for row in found.rows] == ["RoI Align, VID", "RoI Align, VOC", "SRA, VID", "SRA, VOC"]
            for first, second in (found.rows[:2], found.rows[2:]):
                assert {**first.published, **second.published} == numbers[first.settings["method"]]
                assert set(second.published) == {"voc_AP50"}
        elif content["rows"]:
            assert len(found.rows) == len(content["rows"])
            for row, raw in zip(found.rows, content["rows"]):
                assert {**row.settings, **row.published} == raw


def test_published_numbers_of_the_aggregation_paper_are_those_of_its_text():
    """The numbers of a row stand in one line of the text, in the order of the columns; a gain may follow each."""
    with open(shared("seeds", "attention_feature_aggregation.txt"), encoding="utf8") as f:
        # The copy's errors that leave a number readable.
        lines = [line.replace("44,3", "44.3").replace("：", ".").replace("610", "61.0").replace("^369", "36.9") for line in f]
    for number in range(1, 7):
        table = rows.table(f"agg{number}")
        for row in table.rows:
            values = [str(row.published[c]) for c in table.columns if c in row.published]
            pattern = re.compile(r"(?<![\d.])" + r"(?![\d.]).*?(?<![\d.])".join(map(re.escape, values)) + r"(?![\d.])")
            assert any(pattern.search(line) for line in lines), f"{table.key}, {row.name}"
            illegible = len(values) < len(table.columns)
            assert illegible == ("illegible" in row.note), f"{table.key}, {row.name}"


def test_rows_of_the_aggregation_paper_have_configs():
    """But for those of other papers' detectors and of Swin."""
    named = [row for n in range(1, 6) for row in rows.table(f"agg{n}").rows if row.slug]
    assert len(named) == 25 and all(row.config() for row in named)
    mini = [row for row in named if "r50" in row.slug and not row.slug.endswith("lvis")]
    assert len(mini) == 18 and all(row.config("mini") for row in mini)


def test_every_row_of_tables_1_to_6_has_its_configs():
    for key in ("1", "2", "3", "4", "5", "6", "11", "12", "fig7"):
        for row in rows.table(key).rows:
            for preset in rows.PRESETS:
                if preset != "real" or key != "4":  # whose sizes are not run on photographs
                    assert row.config(preset), f"table {key}, {row.name}: no {preset} config"


def test_our_own_tables_are_run_on_photographs():
    for key in rows.OURS:
        assert all(row.config("real") for row in rows.table(key).rows)
    assert [row.name for row in rows.table("gamma").select(["sra"])] == ["gamma 50"]


def test_table_10_has_its_configs():
    """Both data sets by the paper's recipe, video in miniature too."""
    files = [os.path.basename(row.config()) for row in rows.table(10).rows]
    assert files == [
        "fgfa_r50_dc5_roi_align_vid.py", "faster_rcnn_r50_fpn_roi_align_voc0712.py",
        "fgfa_r50_dc5_sra_vid.py", "faster_rcnn_r50_fpn_sra_voc0712.py",
    ]  # fmt: skip
    assert [row.config("mini") is not None for row in rows.table(10).rows] == [True, False, True, False]


@pytest.mark.parametrize("key", [*(f"align{i}" for i in range(1, 8)), "lrf2", "lrf4", "lrf5"])
def test_every_row_of_the_other_papers_has_a_config_or_says_why_not(key):
    for row in rows.table(key).rows:
        if row.slug is None:
            assert row.absent == "published only" or (key, row.name) == ("align1", "Faster R-CNN, C4")
        else:
            assert row.config(), f"table {key}, {row.name}: no paper config"
            if key not in ("align7", "lrf5") and "R-101" not in row.name:
                assert row.config("mini"), f"table {key}, {row.name}: no mini config"


def test_rows_of_other_backbones_have_their_configs():
    built = [row for row in rows.table(9).rows if row.slug]
    assert len(built) == 2 * len(rows.MODERN_BACKBONES) and all(row.config() for row in built)
    tiny = [row for row in built if row.slug.startswith(("swin_t/", "pvt_v2_b0/", "internimage_t/", "vit_adapter_t/"))]
    tiny += [row for row in rows.table(8).rows if row.settings["method"] == "DyHead"]
    assert len(tiny) == 10 and all(row.config() for row in tiny) and all(row.config("mini") for row in tiny)


@pytest.mark.parametrize("key", [7, 8, 9])
def test_every_model_of_the_generalizability_tables_is_built(key):
    assert all(row.config() for row in rows.table(key).rows)


def test_rows_of_table_7_are_two_of_a_line():
    states = {row.name: row.slug for row in rows.table(7).rows}
    assert states["Mask R-CNN ViT-Adapter-T, SRA"] == "vit_adapter_t/sra"
    assert states["Faster R-CNN R-101, SRA"] == "r101_fpn/sra"
    assert os.path.basename(rows.table(7).select(["Faster R-CNN R-101, SRA"])[0].config()) == (
        "faster_rcnn_r101_fpn_sra_1x_coco.py"
    )


def test_select_by_name_or_slug():
    table = rows.table(1)
    assert [row.name for row in table.select(["sra", "RoI Align"])] == ["RoI Align", "SRA"]
    with pytest.raises(ConfigError, match="table 1 has no row 'RoI Algin'; did you mean 'RoI Align'"):
        table.select(["RoI Algin"])


def test_unknown_table():
    with pytest.raises(ConfigError, match="no table '13'"):
        rows.table(13)


def test_names_are_unique():
    for table in rows.tables().values():
        names = [row.name for row in table.rows]
        assert len(set(names)) == len(names)
