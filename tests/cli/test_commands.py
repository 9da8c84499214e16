"""The commands from training to pictures, on a detector of twelve weights."""
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jsra.cli import main
from jsra.config import load_config
from jsra.engine import checkpoint, log
from tests.toy_detector import write_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained run: (folder, config path)."""
    folder = tmp_path_factory.mktemp("run")
    config = write_config(folder)
    assert main(["train", config, "--seed", "3"]) == 0
    return folder, config


def test_train_leaves_a_log_and_checkpoints(trained):
    folder, _ = trained
    records = log.read(str(folder / "work"))
    assert [r["iteration"] for r in records["train"]] == list(range(1, 21))
    assert records["train"][-1]["loss"] < records["train"][0]["loss"]
    assert records["val"][0]["bbox_mAP_50"] > 0.9
    assert records["run"][0]["seed"] == 3 and records["run"][0]["config"]["optimizer"]["lr"] == 1.0
    assert [checkpoint.read_state(p)["iteration"] for p in checkpoint.saved(str(folder / "work"))] == [8, 16, 20]
    assert checkpoint.read_state(checkpoint.best(str(folder / "work")))["iteration"] == 20
    assert checkpoint.classes_of(folder / "work") == ["red", "green"]


def test_train_shows_what_it_trains_on(trained):
    folder, _ = trained
    sheet = np.asarray(Image.open(folder / "work" / "train_batch0.jpg"))
    assert sheet.shape == (100, 2 * 120, 3)  # two pictures of a batch
    from_red = np.abs(sheet.astype(int) - (220, 30, 30)).sum(2) < 60
    from_green = np.abs(sheet.astype(int) - (30, 200, 30)).sum(2) < 60
    assert from_red.sum() + from_green.sum() > 2 * 30 * 30  # the normalisation is undone
    assert (folder / "work" / "curves.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["train_batch1.jpg", "curves.png"])
def test_pictures_of_the_data_are_not_overwritten_by_those_of_a_run(tmp_path, capsys, name):
    config = write_config(tmp_path)
    images, annotations = tmp_path / "data" / "images", tmp_path / "data" / "annotations.json"
    Image.open(images / "0.png").save(images / name)
    before = (images / name).read_bytes()
    annotations.write_text(annotations.read_text().replace("0.png", name))
    assert main(["train", config, "--work-dir", str(images)]) == 2
    assert f"work_dir: {images} has the input {name}, and a result of this name would replace" in capsys.readouterr().err
    assert (images / name).read_bytes() == before


def test_config_prints_values_and_their_origin(trained, capsys):
    folder, config = trained
    changes = ["--set", "optimizer.lr=0.5", "--set", "+best_metric='1e-4'"]
    assert main(["config", config, *changes, "--defaults"]) == 0
    printed = capsys.readouterr().out
    lines = {line.split("#")[0].strip(): line.split("# ")[1] for line in printed.splitlines() if "#" in line}
    assert lines["lr: 0.5"] == "--set"
    assert os.path.abspath(lines["type: ToyDetector"]) == os.path.abspath(config)
    assert lines["nesterov: false"] == "default of SGD" and lines["filter_min_size: 1"].endswith(os.path.basename(config))
    path = folder / "printed.yaml"
    path.write_text(printed)
    again = load_config(path)
    assert again["optimizer"]["lr"] == 0.5 and again["best_metric"] == "1e-4"  # text stays text


def test_a_printed_config_keeps_long_values(trained, capsys, tmp_path):
    """A comment after a value that is so long that it reaches the column of comments must not become a part of the value."""
    for length in range(50, 90):
        assert main(["config", trained[1], "--set", f"work_dir={'x' * length}"]) == 0
        (tmp_path / "printed.yaml").write_text(capsys.readouterr().out)
        assert load_config(tmp_path / "printed.yaml")["work_dir"] == "x" * length


def test_an_earlier_run_is_not_overwritten(trained, capsys):
    assert main(["train", trained[1]]) == 2
    assert "already has a run" in capsys.readouterr().err


def test_resumed_training_equals_the_uninterrupted(trained, tmp_path, capsys):
    config = write_config(tmp_path)
    half = tmp_path / "half"
    assert main(["train", config, "--seed", "3", "--work-dir", str(half), "--set", "max_epoch=2"]) == 0
    assert main(["train", config, "--seed", "3", "--work-dir", str(half), "--resume"]) == 0
    assert "resumed from" in capsys.readouterr().err
    a = checkpoint.read_arrays(checkpoint.weights_file(trained[0] / "work"))
    b = checkpoint.read_arrays(checkpoint.weights_file(half))
    for name, array in a.items():
        np.testing.assert_array_equal(b[name], array, err_msg=name)


def test_rate_is_scaled_to_the_batch_and_printed(tmp_path, capsys):
    config = write_config(tmp_path, scale_lr_base_batch=16)
    assert main(["train", config, "--set", "max_epoch=1"]) == 0
    printed = capsys.readouterr().err
    assert "batch 2, lr 1 for batch 16 x 2/16 = 0.125" in printed
    assert "trains on 8 images with 8 objects (0 small, 8 medium, 0 large), 0 ignored regions" in printed
    assert "objects of each class: red 4, green 4" in printed


def test_test(trained, tmp_path, capsys):
    folder, config = trained
    assert main(["test", config, str(folder / "work"), "--out", str(tmp_path)]) == 0
    assert "green" in capsys.readouterr().out
    content = json.load(open(tmp_path / "metrics.json"))
    assert content["metrics"]["bbox_mAP_50"] > 0.9 and content["commit"] and content["split"] == "test"
    rows = json.load(open(tmp_path / "detections" / "test.bbox.json"))
    assert {"image_id", "category_id", "bbox", "score"} == set(rows[0])


def test_test_says_what_is_left_out(trained, tmp_path, capsys):
    folder, config = trained
    content = json.load(open(folder / "data" / "annotations.json"))
    content["annotations"].append(dict(id=99, image_id=0, category_id=1, bbox=[5, 5, 0, 9]))
    (tmp_path / "a.json").write_text(json.dumps(content))
    arguments = ["--set", f"dataset.test.anno_file={tmp_path}/a.json", "--out", str(tmp_path)]
    assert main(["test", config, str(folder / "work"), *arguments]) == 0
    assert "dataset.test: 1 of 9 objects are" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["file", "file/deep"])
def test_a_folder_that_cannot_be_made_is_said_before_the_model_runs(trained, tmp_path, monkeypatch, capsys, place):
    """The detections of hours were lost."""
    folder, config = trained
    (tmp_path / "file").write_text("")
    out = str(tmp_path / place)
    monkeypatch.setattr("jsra.evaluation.evaluator.detect", lambda *_, **__: pytest.fail("the model ran"))
    assert main(["test", config, str(folder / "work"), "--out", out]) == 2
    assert f"--out: {tmp_path / 'file'} is a file: name a folder" in capsys.readouterr().err


def test_results_in_a_file_are_refused(trained, tmp_path, capsys):
    folder, config = trained
    (tmp_path / "file").write_text("")
    for command in (["analyze", str(folder / "work"), "--out"], ["data", "puppets"]):
        assert main([*command, str(tmp_path / "file")]) == 2
        assert f"{command[-1].replace('puppets', 'DIR')}: {tmp_path}/file is a file: name a folder" in capsys.readouterr().err


def test_paths_and_numbers_from_python(trained, tmp_path, capsys):
    """main takes what a script has, not only texts."""
    folder, config = trained
    assert main(["infer", Path(config), folder / "work", folder / "data" / "images" / "0.png", "--out", tmp_path / "found",
                 "--threshold", 0.5]) == 0  # fmt: skip
    assert (tmp_path / "found" / "0.jpg").is_file()


def test_test_without_annotations_writes_the_submission_only(trained, tmp_path, capsys):
    folder, config = trained
    path = folder / "data" / "info.json"
    content = json.load(open(folder / "data" / "annotations.json"))
    path.write_text(json.dumps({k: content[k] for k in ("images", "categories")}))
    arguments = ["--set", f"dataset.test.anno_file={path}", "--set", "+dataset.test.filter_empty_gt=False"]
    assert main(["test", config, str(folder / "work"), "--out", str(tmp_path), *arguments]) == 0
    captured = capsys.readouterr()
    assert "submission file" in captured.out and "dataset.test: no image has an annotated object" in captured.err
    assert len(json.load(open(tmp_path / "detections" / "test.bbox.json"))) == 8
    assert not (tmp_path / "metrics.json").exists()


def test_infer(trained, tmp_path):
    folder, config = trained
    pictures = [str(folder / "data" / "images" / f"{i}.png") for i in (0, 1)]
    assert main(["infer", config, str(folder / "work"), *pictures, "--out", str(tmp_path), "--threshold", "0.3"]) == 0
    found = json.load(open(tmp_path / "detections.json"))
    assert [found[p]["names"] for p in pictures] == [["red"], ["green"]]
    truth = json.load(open(folder / "data" / "annotations.json"))["annotations"][0]["bbox"]
    np.testing.assert_allclose(found[pictures[0]]["boxes"][0], [truth[0], truth[1], truth[0] + truth[2], truth[1] + truth[3]])
    with Image.open(tmp_path / "0.jpg") as picture:
        assert picture.size == (120, 100)


def test_a_training_without_validation_says_so(tmp_path, capsys):
    config = write_config(tmp_path)
    assert main(["train", config, "--no-pictures", "--set", "dataset.val=null", "--set", "max_epoch=1"]) == 0
    assert "no dataset.val: nothing is evaluated" in capsys.readouterr().err
    assert main(["train", config, "--no-pictures", "--set", "max_epoch=1", "--work-dir", str(tmp_path / "b")]) == 0
    assert "nothing is evaluated" not in capsys.readouterr().err


def test_infer_names_files_of_kinds_that_are_not_read(trained, tmp_path, capsys):
    folder, config = trained
    pictures = tmp_path / "in"
    pictures.mkdir()
    (pictures / "one.png").write_bytes((folder / "data" / "images" / "0.png").read_bytes())
    command = ["infer", config, str(folder / "work"), str(pictures), "--out", str(tmp_path / "found")]
    assert main(command) == 0 and "not used" not in capsys.readouterr().err
    (pictures / "two.HEIC").write_bytes(b"x")
    assert main(command) == 0
    assert f"1 file not used, of kinds that are not read (.heic), such as {pictures}/two.HEIC" in capsys.readouterr().err


def test_plot(trained, tmp_path):
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'jsra[dev]'")
    assert main(["plot", str(trained[0] / "work"), "--out", str(tmp_path / "c.png")]) == 0
    assert os.path.getsize(tmp_path / "c.png") > 5000


def test_a_missing_matplotlib_is_reported_before_anything_is_computed(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    place = str(tmp_path / "figure.png")
    for command in (
        ["table", "1", "--plot", place],
        ["plot", "no_run", "--out", place],
        ["diversity", "no.py", "no.pkl", "--plot", place],
        ["figure", "align", "--out", place],
    ):
        assert main(command) == 2
        assert capsys.readouterr().err.endswith("figures need matplotlib: pip install matplotlib (or 'jsra[dev]')\n")


def test_masks_of_a_model_without_any(trained, capsys):
    folder, config = trained
    picture = str(folder / "data" / "images" / "0.png")
    assert main(["masks", config, str(folder / "work"), picture, "--boxes", "0,0,50,50"]) == 2
    assert "SemanticRoIAlign" in capsys.readouterr().err
    assert main(["masks", config, str(folder / "work"), picture, "--boxes", "50,0,0,50"]) == 2
    assert "x0 < x1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "absent.py"], "there is no such config file"),
        (["train", "{config}", "--set", "optimizer.lrr=1"], "did you mean 'lr'"),
        (["train", "{config}", "--work-dir", "{tmp}/w", "--set", "dataset.train.anno_file=data/none.json"], "JSRA_DATA"),
        (["train", "{config}", "--work-dir", "{tmp}/w", "--set", "optimizer.lr=fast"], "must be a number"),
        (["train", "{config}", "--work-dir", ""], "work-dir: the text is empty"),
        (["train", "{config}", "--work-dir", "$HOME/w"], "are not replaced: write the path itself"),
        (["infer", "{config}", "", "a.jpg"], "weights: the text is empty"),
        (["infer", "{config}", "w", "a.jpg", ""], "inputs: the text is empty"),
        (["train", "{config}", "--work-dir", "{tmp}/w", "--resume", "{tmp}/none"], "there is no such checkpoint"),
        (["test", "{config}", "absent.safetensors"], "these weights do not exist"),
        (["test", "{config}", "{config}", "--split", "holdout"], "no 'holdout'"),
        (["infer", "{config}", "{work}", "absent.jpg"], "no such picture"),
        (["plot", "{tmp}"], "no training log"),
    ],
)
def test_errors_say_what_to_do(trained, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.delenv("JSRA_DATA", raising=False)
    folder, config = trained
    arguments = [a.format(config=config, tmp=tmp_path, work=folder / "work") for a in arguments]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["infer", "c", "w", "x", "--threshold", "50"], "'50': a score is a number from 0 to 1"),
        (["infer", "c", "w", "x", "--threshold", "nan"], "a score is a number from 0 to 1"),
        (["analyze", "x", "--threshold", "-1"], "a score is a number from 0 to 1"),
        (["analyze", "x", "--worst", "-1"], "'-1': expected a whole number of at least 0"),
        (["data", "browse", "c", "--count", "0"], "'0': expected a whole number of at least 1"),
        (["data", "browse", "c", "--seed", "-1"], "expected a whole number of at least 0"),
        (["data", "puppets", "x", "--size", "big"], "'big': expected a whole number of at least 1"),
        (["masks", "c", "w", "x", "--turned", "nan"], "'nan': expected a number"),
        (["invariance", "c", "--max-angle", "-30"], "'-30': an angle is a number from 0 to 360"),
        (["invariance", "c", "--max-angle", "1e308"], "'1e308': an angle is a number from 0 to 360"),
        (["figure", "--angles", "inf"], "'inf': expected a number"),
        (["train", "c", "--seed", "1.5"], "'1.5': expected a whole number of at least 0"),
    ],
)
def test_numbers_of_options(capsys, arguments, message):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_a_figure_that_no_program_draws(capsys):
    assert main(["figure", "align", "--out", "x"]) == 2
    assert "--out x has no ending: give a file name that ends in .png" in capsys.readouterr().err


def test_a_split_of_puppets_that_there_is_not(tmp_path, capsys):
    assert main(["data", "puppets", str(tmp_path), "--splits", "x"]) == 2
    assert "unknown split 'x'" in capsys.readouterr().err


def test_wrong_weights_name_the_keys(trained, tmp_path, capsys):
    from safetensors.numpy import save_file

    path = str(tmp_path / "other.safetensors")
    save_file({"backbone.conv1.weight": np.zeros((2, 2), np.float32)}, path)
    assert main(["test", trained[1], path]) == 2
    assert "fc.weight" in capsys.readouterr().err


def test_a_run_begins_with_the_weights_of_a_work_dir(trained, tmp_path, capsys):
    config = write_config(tmp_path)
    more = ["--set", "max_epoch=1", "--set", f"+pretrained_weights={trained[0] / 'work'}", "--no-pictures"]
    assert main(["train", config, *more]) == 0
    first = log.read(str(tmp_path / "work"))["train"][0]["loss"]
    assert first < 0.05 and "2 weights matched" in capsys.readouterr().err  # as at the end of the other run


@pytest.mark.parametrize("command", ["train", "test"])
def test_a_missing_picture_is_found_before_anything_is_computed(trained, tmp_path, capsys, command):
    config = write_config(tmp_path)
    (tmp_path / "data" / "images" / "7.png").unlink()
    weights = [str(trained[0] / "work")] if command == "test" else []
    assert main([command, config, *weights]) == 2
    printed = capsys.readouterr()
    assert "7.png (image id 7) is missing; correct the dataset's root or the annotations" in printed.err
    assert "loss" not in printed.out + printed.err and not (tmp_path / "work" / "checkpoints").exists()


def test_a_run_that_fails_before_its_first_iteration_closes_its_log(tmp_path, monkeypatch):
    """Otherwise TensorBoard's writer tries again when the process ends, which on a full disk prints a traceback."""
    logs, made = [], log.Log.__init__

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jsra.visualize.training.write_picture", full)
    monkeypatch.setattr(log.Log, "__init__", lambda self, *a, **k: (logs.append(self), made(self, *a, **k))[1])
    assert main(["train", write_config(tmp_path)]) == 2
    assert len(logs) == 1 and logs[0]._file.closed and logs[0]._board is None


def test_a_loss_that_is_not_finite_ends_with_a_message(tmp_path, capsys):
    config = write_config(tmp_path)
    assert main(["train", config, "--set", "optimizer.lr=1e38"]) == 2
    assert "not finite" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, said",
    [
        (["train", "--resume", "CONFIG"], "required: config; --resume also takes the words after it"),
        (["train", "CONFIG", "--set", "max_epoch=1", "seed=2"], "arguments: seed=2; --set takes one KEY=VALUE: write --set"),
        (["train", "CONFIG", "--set=max_epoch=1", "seed=2"], "arguments: seed=2; --set takes one KEY=VALUE"),
        (["train", "CONFIG", "--set", "max_epoch=1", "--lr=3"], "unrecognized arguments: --lr=3\n"),
        (["table", "--rows", "SRA", "1"], "--rows: of one table, and no N is given"),
        (["table", "--plot", "FILE.png", "--cost-only"], "--plot, --cost-only: of one table"),
        (["table", "--set", "a=1", "--format", "csv"], "--set, --format: of one table"),
        (["table", "1", "--no-train", "--root", "CONFIG"], "is a file: give the folder of the runs"),
        (["table", "--root", "CONFIG"], "is a file: give the folder of the runs"),
        (["figure", "align", "--root", "CONFIG"], "is a file: give the folder of the runs"),
        (["figure", "align", "--angles", "45"], "--angles is of `jsra figure sampling`, this is align"),
        (["figure", "--images", "5"], "--images is of `jsra figure align`, this is sampling"),
        (["diversity", "CONFIG", "WORK", "--history", "--plot", "FILE.png"], "--plot: a histogram is of one checkpoint"),
    ],
)
def test_words_that_would_be_ignored_are_refused(trained, tmp_path, capsys, words, said):
    folder, config = trained
    places = {"CONFIG": config, "WORK": str(folder / "work"), "FILE.png": str(tmp_path / "x.png")}
    try:
        code = main([places.get(word, word) for word in words])
    except SystemExit as stop:  # of argparse
        code = stop.code
    assert code == 2 and said in capsys.readouterr().err and not (tmp_path / "x.png").exists()


def test_analyze_says_that_its_test_is_old(tmp_path, capsys):
    config, work = write_config(tmp_path), str(tmp_path / "work")
    short = ["--set", "max_epoch=1", "--set", "eval_interval=1", "--no-pictures"]
    assert main(["train", config, *short]) == 0 and main(["test", config, work]) == 0
    assert main(["analyze", work, "--worst", "0"]) == 0
    assert "iteration" not in capsys.readouterr().err.split("done:")[1]
    assert main(["train", config, "--resume", "--set", "max_epoch=2", "--no-pictures"]) == 0
    assert main(["analyze", work, "--worst", "0"]) == 0
    said = capsys.readouterr().err
    assert f"warning: the test in {work}/test is of iteration 4, and {work} has one of iteration 8: run `jsra test`" in said
