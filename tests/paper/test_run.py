"""The table runner, end to end on a few small images: trains, continues, reads existing results, refuses changed settings."""

import json
import os
import shutil

import numpy as np
import pytest

from jsra import resources, settings
from jsra.data.image import DataError
from jsra.engine.provenance import command
from jsra.paper import invariance, measure, studies
from jsra.paper.rows import table
from jsra.paper.run import RESULT, SETTINGS, OtherSettings, Run
from jsra.registry import ConfigError, get

SPLITS = ("fixed", "rotation", "reflection", "perspective", "pose", "scale")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    from jsra.data.puppets.generate import generate
    from jsra.data.puppets.scene import FIXED

    folder = str(tmp_path_factory.mktemp("puppets"))
    return generate(folder, train=4, test=2, size=64, workers=1, splits=FIXED, progress=False)


@pytest.fixture(scope="module")
def overrides(data):
    """One epoch of two steps."""
    changes = ["max_epoch=1", "dataset.train.batch_size=2", "scheduler.milestones=[1]"]
    places = {
        "train": "train_fixed",
        "val": "test_fixed",
        "test": "test_fixed",
        **{f"test_{s}": f"test_{s}" for s in SPLITS},
    }
    for name, split in places.items():
        changes += [f"dataset.{name}.root={data}/{split}", f"dataset.{name}.anno_file={data}/annotations/{split}.json"]
    return changes


@pytest.fixture(scope="module")
def trained(overrides, tmp_path_factory):
    """The table of one row, and where it lies."""
    root = str(tmp_path_factory.mktemp("runs"))
    said = []
    found = measure.report(table(1), "mini", ["SRA"], 1, train=True, root=root, overrides=overrides, say=said.append)
    assert said and "SRA, seed 0: training" in said[0]
    return found, root


def test_a_row_is_trained_and_evaluated_on_every_split(trained):
    found, _ = trained
    (row,) = found["rows"]
    assert row["state"] == "trained" and row["seeds"] == [0]
    assert {"AP", "AP50", "AP_transformed", "params_M", "gflops"} <= set(row["measured"])
    transformed = [f"AP_{s}" for s in SPLITS if s != "fixed"]
    assert row["measured"]["AP_transformed"] == pytest.approx(np.mean([row["measured"][c] for c in transformed]))
    assert "AP_fixed" not in row["measured"]  # that is val
    # A mini model is not the paper's: nothing to hold against its columns.
    assert row["published"]["AP"] == 39.2 and row["difference"] == {}


def test_what_is_there_is_read(trained, overrides):
    found, root = trained
    again = measure.report(table(1), "mini", ["SRA"], 1, train=True, root=root, overrides=overrides, say=pytest.fail)
    assert again == found


def test_without_training_nothing_is_measured_but_the_cost(tmp_path, overrides):
    found = measure.report(table(1), "mini", ["SRA"], 2, root=str(tmp_path), overrides=overrides)
    (row,) = found["rows"]
    assert row["state"] == "all seeds not trained"
    assert set(row["measured"]) == {"params_M", "gflops", "executed_gflops", "avg_samples"}


def test_a_run_cut_off_before_its_result_goes_on(trained, overrides):
    found, root = trained
    run = Run(table(1).select(["SRA"])[0].config("mini"), 0, root, overrides)
    path = os.path.join(run.work_dir, RESULT)
    with open(path, encoding="utf8") as f:
        before = json.load(f)
    os.remove(path)
    assert run.state() == "at iteration 2"
    after = run.complete()
    assert after["measured"] == before["measured"] and after["seconds"]["from_iteration"] == 2


def test_a_result_carries_its_settings(trained, overrides):
    """With what the config does not write: defaults of the constructors, and the versions of the code."""
    _, root = trained
    result = Run(table(1).select(["SRA"])[0].config("mini"), 0, root, overrides).result()
    layer = _layer(result["settings"])
    assert layer["type"] == "SemanticRoIAlign" and layer["max_area"] == 64 and layer["code"] >= 1
    assert result["settings"]["evaluator"] == [{"type": "COCOBoxAP", "backend": "auto", "code": 1}]


def _layer(node):
    """The settings of the RoI layer, wherever they are."""
    if isinstance(node, dict):
        found = node.get("roi_layer") or next((f for f in map(_layer, node.values()) if f), None)
        return found
    return next((f for f in map(_layer, node) if f), None) if isinstance(node, list) else None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "{}", '{"measured": [1]}', '{"measured": {"AP": "12"}}', '{"measured": {"AP": NaN}}',
        '{"measured": {"AP": true}}',
    ],
)  # fmt: skip
def test_a_damaged_result_is_named(overrides, tmp_path, text):
    run = Run(table(1).select(["SRA"])[0].config("mini"), 0, str(tmp_path), overrides)
    os.makedirs(run.work_dir)
    with open(os.path.join(run.work_dir, RESULT), "w", encoding="utf8") as f:
        f.write(text)
    with pytest.raises((ConfigError, DataError), match="seed0.result.json: "):
        run.state()


def test_a_result_of_other_settings_is_refused(trained, overrides, monkeypatch):
    _, root = trained
    path = table(1).select(["SRA"])[0].config("mini")
    changed = Run(path, 0, root, [*overrides, "optimizer.lr=0.1"])
    assert changed.state() == "other settings"
    with pytest.raises(OtherSettings, match=r"was trained with other settings: optimizer\.lr was 0.0005, now 0.1; del"):
        changed.complete()
    # An evaluation of another kind, mixed precision, other initial weights: each gives another result.
    for change in ("evaluator.0.type=VOCBoxAP", "+amp=true"):
        assert Run(path, 0, root, [*overrides, change]).state() == "other settings", change
    monkeypatch.setattr(get("SemanticRoIAlign"), "version", 99, raising=False)
    assert Run(path, 0, root, overrides).state() == "other settings"


def test_a_result_of_other_settings_is_shown_only_on_request_and_says_so(trained, overrides):
    found, root = trained
    changed = [*overrides, "optimizer.lr=0.1"]
    (row,) = measure.report(table(6), "mini", ["SRA"], 1, root=root, overrides=changed)["rows"]
    assert row["state"] == "seed 0 other settings" and not row["measured"] and row["seeds"] == []
    (row,) = measure.report(table(6), "mini", ["SRA"], 1, root=root, overrides=changed, other=True)["rows"]
    assert row["state"] == "seed 0 other settings"
    assert row["measured"]["AP"] == found["rows"][0]["measured"]["AP"]
    with pytest.raises(OtherSettings):
        measure.report(table(6), "mini", ["SRA"], 1, train=True, root=root, overrides=changed, say=pytest.fail)


def test_a_training_of_other_settings_is_not_continued(trained, overrides, tmp_path):
    """Cut off before its result, then the config is changed: the checkpoint is not this config's beginning."""
    _, root = trained
    first = Run(table(1).select(["SRA"])[0].config("mini"), 0, root, overrides)
    shutil.copytree(first.work_dir, tmp_path / "puppets_r18_fpn_sra" / "seed0")
    os.remove(tmp_path / "puppets_r18_fpn_sra" / "seed0" / RESULT)
    assert Run(first.path, 0, tmp_path, overrides).state() == "at iteration 2"
    changed = Run(first.path, 0, tmp_path, [*overrides, "optimizer.lr=0.1"])
    assert changed.state() == "other settings"
    with pytest.raises(OtherSettings, match=r"was begun with other settings: optimizer\.lr"):
        changed.complete()
    os.remove(tmp_path / "puppets_r18_fpn_sra" / "seed0" / SETTINGS)
    with pytest.raises(OtherSettings, match="does not record with which settings it was begun"):
        Run(first.path, 0, tmp_path, overrides).complete()


def test_a_result_of_another_seed_is_refused(trained, overrides, tmp_path):
    _, root = trained
    first = Run(table(1).select(["SRA"])[0].config("mini"), 0, root, overrides)
    shutil.copytree(first.work_dir, tmp_path / "puppets_r18_fpn_sra" / "seed1")
    with pytest.raises(OtherSettings, match="was trained with seed 0"):
        Run(first.path, 1, tmp_path, overrides).result()


def test_committed_results_are_of_other_settings_and_can_be_read():
    root = os.path.join(os.path.dirname(resources.folder("jdet_configs")), "docs", "results", "mini")
    for key, column, value in ((6, "AP", 74.0), (11, "rotation", 0.36)):
        (row,) = measure.report(table(key), "mini", ["RoI Align"], 4, root=root)["rows"]
        assert row["state"] == "all seeds other settings" and not row["measured"]
        (row,) = measure.report(table(key), "mini", ["RoI Align"], 4, root=root, other=True)["rows"]
        assert row["state"] == "all seeds other settings" and row["seeds"] == [0, 1, 2, 3]
        assert row["measured"][column] == pytest.approx(value, abs=0.05)


def test_invariance_of_what_does_not_change(trained, overrides):
    """A turn by nothing leaves the features alone; the other transformations do not."""
    _, root = trained
    run = Run(table(1).select(["SRA"])[0].config("mini"), 0, root, overrides)
    model = run.model()
    still = invariance.measure(model, run.config, limit=2, kinds=("rotation",), max_angle=0.0)
    assert still["rotation"] == pytest.approx(1.0, abs=1e-5)
    moved = invariance.measure(model, run.config, limit=2)
    assert all(-1 <= moved[kind] < 1 for kind in invariance.KINDS)


def test_studies_are_kept_beside_the_run(trained, overrides):
    _, root = trained
    run = Run(table("fig7").rows[0].config("mini"), 0, root, overrides)
    result = run.result()
    first = studies.stored(run, "diversity", result)
    assert 0 <= first["share_below_percent"] <= 100 and first["kl_parts"] >= 0 and first["objects"] > 0
    path = os.path.join(run.work_dir, "diversity.json")
    with open(path, encoding="utf8") as f:
        content = json.load(f)
    assert content["study"]["limit"] == 100 and content["fingerprint"] == run.fingerprint
    with open(path, "w", encoding="utf8") as f:
        json.dump({**content, "measured": {"kept": 1}}, f)
    assert studies.stored(run, "diversity", result) == {"kept": 1}
    # Made in another way, or from another result: measured again.
    for change in ({"study": {**content["study"], "limit": 5}}, {"fingerprint": "another"}):
        with open(path, "w", encoding="utf8") as f:
            json.dump({**content, "measured": {"kept": 1}, **change}, f)
        assert studies.stored(run, "diversity", result) == first


def test_figure_of_the_masks(trained, overrides):
    from jsra.paper import figures

    _, root = trained
    run = Run(table(1).select(["SRA"])[0].config("mini"), 0, root, overrides)
    picture = figures.draw({"SRA": run.model()}, run.config, angles=(90.0,), parts=2, side=60)
    assert picture.shape[0] == 3 * (60 + 16) and picture.dtype == np.uint8


def test_states_count_the_seeds(tmp_path):
    config = table(1).select(["SRA"])[0].config("mini")
    first, second, _ = [Run(config, seed, tmp_path) for seed in range(3)]
    for run, made_with in ((first, first.settings), (second, {})):
        os.makedirs(run.work_dir)
        with open(os.path.join(run.work_dir, RESULT), "w", encoding="utf8") as f:
            identity = {"fingerprint": settings.fingerprint(made_with), "settings": made_with, "seed": run.seed}
            json.dump({**identity, "measured": {}}, f)
    found = {(t.key, row.name): state for t, rows in measure.states("mini", 3, tmp_path) for row, state in rows}
    assert found["1", "SRA"] == "1 trained, 1 other settings, 1 not trained"
    assert found["1", "RoI Align"] == "not trained"


def test_a_wrong_override_is_refused_before_anything_is_built(monkeypatch, tmp_path):
    monkeypatch.setattr(measure, "_measure", lambda *_: pytest.fail("a row was begun"))
    with pytest.raises(ConfigError, match="there is no setting 'max_epochs'; did you mean 'max_epoch'"):
        measure.report(table(1), "mini", root=str(tmp_path), overrides=["max_epochs=1"])


@pytest.mark.parametrize("override, cure", [("work_dir=elsewhere", "give --root"), ("+seed=3", "give --seeds K")])
def test_what_a_run_has_of_its_own_cannot_be_set(tmp_path, override, cure):
    with pytest.raises(ConfigError, match=f"--set .*: of a table's run it is .*{cure}"):
        measure.report(table(1), "mini", root=str(tmp_path), overrides=[override])


def test_side_by_side(overrides, tmp_path):
    """Two seeds in processes of their own; the row is then read as if it had been trained here."""
    said = []
    found = measure.report(
        table(1), "mini", ["RoI Align"], 2, train=True, root=str(tmp_path), overrides=overrides, say=said.append, jobs=2
    )
    (row,) = found["rows"]
    assert row["seeds"] == [0, 1] and len(row["values"]["AP"]) == 2
    assert sum(line.endswith(": trained") for line in said) == 2
    for seed in (0, 1):
        with open(tmp_path / "puppets_r18_fpn_roi_align" / f"seed{seed}" / RESULT) as f:
            result = json.load(f)
        assert result["seed"] == seed and result["command"] == command()  # of the user, not of the process for one row
