"""Settings that a run refuses before it begins."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from jsra.config import load_config
from jsra.data.dataset import DetectionDataset, Record
from jsra.engine import checkpoint
from jsra.engine.build import build_run
from jsra.engine.interrupt import Interruptions
from jsra.engine.train import train
from jsra.registry import ConfigError, register
from tests.toy_detector import ToyDetector, write_config


@pytest.mark.parametrize(
    "change, words",
    [
        ("max_epoch=0", "max_epoch: expected a whole number of at least 1, got 0"),
        ("max_epoch=1.5", "max_epoch: expected a whole number"),
        ("eval_interval=-1", "eval_interval: expected a whole number of at least 0"),
        ("checkpoint_interval=true", "checkpoint_interval: expected a whole number"),
        ("log_interval=0", "log_interval: .* at least 1"),
        ("+scale_lr_base_batch=0", "scale_lr_base_batch: .* at least 1"),
        ("optimizer.lr=-1", "optimizer.lr must be a number of at least 0, it is -1"),
        ("optimizer.lr=.nan", "optimizer.lr must be a number of at least 0"),
        ("+optimizer.weight_decay=-1", "SGD: weight_decay must be at least 0 and finite, it is -1"),
        ("+optimizer.weight_decay=.inf", "optimizer.weight_decay: expected a number, got inf"),
        ("optimizer.momentum=1", "SGD: momentum must be at least 0 and below 1, it is 1"),
        ("optimizer.momentum=-0.9", "SGD: momentum must be at least 0 and below 1"),
        ("optimizer={type: AdamW, lr: 1, betas: [0.9, 1.0]}", r"AdamW: betas\[1\] must be at least 0 and below 1"),
        ("optimizer={type: AdamW, lr: 1, eps: 0}", "AdamW: eps must be above 0"),
        ("optimizer={type: SGD, lr: 1, grad_clip: {}}", r"grad_clip must be dict\(max_norm=...\)"),
        ("optimizer={type: SGD, lr: 1, momentun: 0.9}", "takes no 'momentun'; did you mean 'momentum'"),
        ("+scheduler.gamma=0", "StepLR: gamma must be above 0 and finite"),
        ("+scheduler.gamma=-0.1", "scheduler.gamma: expected a number of at least 0, got -0.1"),
        ("+scheduler.gamma=.nan", "scheduler.gamma: expected a number, got nan"),
        ("+scheduler.min_lr_ratio=2", "min_lr_ratio from 0 to 1"),
        ("+best_metric=bbox_mAP50", "best_metric: the evaluators give no 'bbox_mAP50'; did you mean 'bbox_mAP_50'"),
        ("dataset=null", "the config has no 'dataset'"),
        ("dataset.train=null", "the config has no 'train' in dataset"),
        ("+seed=abc", "seed: expected a whole number of at least 0, got 'abc'"),
        ("+seed=2147483648", "seed: expected a whole number of at most 2147483647, got 2147483648"),
        ("optimizer=SGD", r"optimizer: expected an optimizer \(a dict with its type\), got 'SGD'"),
        ("+feature_cache=true", "feature_cache: expected a dictionary of settings, got True"),
        ("+evaluator=true", "evaluator: expected a list of evaluators"),
        ("+evaluator=[{type: COCOBoxAP, backend: x}]", r"evaluator\[0\]: COCOBoxAP: unknown backend 'x'; known: auto"),
        ("+pretrained_weights=5", "pretrained_weights: expected a file or a list of files, got 5"),
        ("+pretrained_weights=[5]", "pretrained_weights: expected a file or a list of files"),
        ("+amp=yes please", "amp: expected True, False or a dictionary"),
        ("+optimizer.grad_clip={max_norm: -1}", "grad_clip.max_norm must be a number above 0, it is -1"),
        ("+optimizer.grad_clip={max_norm: true}", "grad_clip.max_norm must be a number above 0, it is True"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, change, words):
    with pytest.raises(ConfigError, match=words):
        build_run(load_config(write_config(tmp_path), [change]))


@pytest.mark.parametrize("given", [-1, 1.5, float("nan"), "3", True])
def test_a_seed_from_python_is_checked(tmp_path, given):
    """-1 ended with a traceback of NumPy, and 1.5 was 1."""
    with pytest.raises(ConfigError, match="seed: expected a whole number of at least 0, got"):
        build_run(load_config(write_config(tmp_path)), seed=given)


def test_masks_that_the_data_lacks_are_said_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(ToyDetector, "needs", ("masks",), raising=False)
    path = write_config(tmp_path)
    with pytest.raises(ConfigError, match=r"on masks, and dataset.train \(COCODataset\) gives none: set dataset.train"):
        build_run(load_config(path))
    assert not (tmp_path / "work" / "log.jsonl").exists()
    build_run(load_config(path, ["+dataset.train.with_masks=true"])).close()


def test_data_without_any_mask_cannot_train_masks(tmp_path, monkeypatch):
    """One object with a mask is enough; a user's transform may make masks that the file does not have."""
    monkeypatch.setattr(ToyDetector, "needs", ("masks",), raising=False)
    path, annotations = write_config(tmp_path), tmp_path / "data" / "annotations.json"
    content = json.loads(annotations.read_text())
    settings = ["+dataset.train.with_masks=true"]
    for segmentation, first in (([], []), (None, None), ([], [[1, 1, 9, 1, 9, 9]])):
        for number, annotation in enumerate(content["annotations"]):
            annotation["segmentation"] = segmentation if number else first
        annotations.write_text(json.dumps(content))
        if first:
            build_run(load_config(path, settings)).close()
        else:
            with pytest.raises(ConfigError, match="on masks, and no object of COCODataset.* has a segm.* is a FasterRCNN"):
                build_run(load_config(path, settings))
            assert not (tmp_path / "work" / "log.jsonl").exists()


def test_null_is_the_default(tmp_path):
    run = build_run(load_config(write_config(tmp_path), ["+checkpoint_keep=null", "eval_interval=null", "log_interval=null"]))
    run.close()
    assert (run.keep, run.eval_interval, run.log_interval) == (3, 0, 20)


def test_the_log_counts_the_pictures_that_are_left_out(tmp_path, capsys):
    path = write_config(tmp_path)
    with Image.open(tmp_path / "data" / "images" / "0.png") as image:
        image.resize((120, 20)).save(tmp_path / "data" / "images" / "0.png")
    annotations = tmp_path / "data" / "annotations.json"
    content = json.loads(annotations.read_text())
    content["images"][0]["height"] = 20
    annotations.write_text(json.dumps(content))
    build_run(load_config(path, ["dataset.train.filter_min_size=32"])).close()
    said = capsys.readouterr().err
    assert "dataset.train: 1 of 8 images are left out: 0 without an object, 1 with a side below 32" in said
    assert "dataset.val: 7 of 8 images are in dataset.train too" in said


def test_a_checkpoint_is_named_in_other_ways(tmp_path, capsys):
    file = write_config(tmp_path)
    config = load_config(file)
    run = build_run(config)
    run.iteration = run.total
    path = run.save()
    run.close()
    (tmp_path / "work" / "state.json").write_text("of another program")
    capsys.readouterr()
    build_run(config, resume=True).close()  # as 'auto'
    assert f"iteration {run.total}: nothing is left to train (max_epoch, max_iter)" in capsys.readouterr().err
    for wrong in (5, ""):
        with pytest.raises(ConfigError, match=f"resume: expected None, 'auto' or the path of a checkpoint, got {wrong!r}"):
            build_run(config, resume=wrong)
    inside = load_config(file)
    inside["work_dir"] = path
    with pytest.raises(ConfigError, match=r"work_dir: .*iter_\d+ is a checkpoint: give the folder of its run"):
        build_run(inside, resume="auto")
    os.remove(os.path.join(path, "optimizer.safetensors"))
    with pytest.raises(checkpoint.CheckpointError, match="has no optimizer.safetensors and cannot be resumed: .*pretrained"):
        build_run(config, resume="auto")


@pytest.mark.parametrize("resume", [None, "auto"])
def test_a_file_with_the_name_of_the_checkpoints_folder(tmp_path, resume):
    """Found at the start, and not when the first checkpoint is written."""
    config = load_config(write_config(tmp_path))
    os.makedirs(config["work_dir"])
    open(os.path.join(config["work_dir"], "checkpoints"), "w").close()
    with pytest.raises(ConfigError, match="work_dir: .*checkpoints, for the checkpoints, is no folder: rename it"):
        build_run(config, resume=resume)


def test_resuming_with_other_settings_says_which(tmp_path, capsys):
    path = write_config(tmp_path)
    run = build_run(load_config(path))
    run.save()
    run.close()
    capsys.readouterr()
    build_run(load_config(path, ["max_epoch=9", "log_interval=3"]), resume="auto").close()
    assert "other settings" not in capsys.readouterr().err
    run = load_config(path)
    run["_helper"] = "of the file"
    build_run(run, resume="auto").close()
    assert "other settings" not in capsys.readouterr().err
    build_run(load_config(path, ["optimizer.lr=0.5"]), resume="auto").close()
    assert "was made with other settings: optimizer.lr was 1, now 0.5; this run" in capsys.readouterr().err


def test_pretrained_weights_at_a_resume_are_said_to_have_no_effect(tmp_path, capsys):
    """The line said that this run uses them."""
    path = write_config(tmp_path)
    run = build_run(load_config(path, ["+pretrained_weights=null"]))
    weights = os.path.join(run.save(), "model.safetensors")
    run.close()
    line = "are not loaded: a resumed run has the weights of its checkpoint. To begin"
    for change, words in ((weights, line), ("null", None)):
        capsys.readouterr()
        build_run(load_config(path, [f"+pretrained_weights={change}"]), resume="auto").close()
        said = capsys.readouterr().err
        assert "other settings" not in said and (words in said if words else "not loaded" not in said)


def test_resuming_with_other_data_is_said(tmp_path, capsys):
    """One image fewer: the number of batches is the same."""
    path = write_config(tmp_path)
    run = build_run(load_config(path))
    run.save()
    run.close()
    build_run(load_config(path), resume="auto").close()
    assert "other training data" not in capsys.readouterr().err
    annotations = tmp_path / "data" / "annotations.json"
    content = json.loads(annotations.read_text())
    fewer = {key: content[key][:7] for key in ("images", "annotations")}
    annotations.write_text(json.dumps({**content, **fewer}))
    build_run(load_config(path), resume="auto").close()
    assert "was made with other training data: images was 8, now 7; checksum" in capsys.readouterr().err


def test_a_checkpoint_of_another_batch_size_is_not_resumed(tmp_path):
    """Batch 2 -> 4: its iterations would be taken for twice as many images."""
    path = write_config(tmp_path)
    run = build_run(load_config(path))
    run.save()
    run.close()
    with pytest.raises(ConfigError, match="made with batch_size 2, this run has 4: .*Resume it with the batch size"):
        build_run(load_config(path, ["dataset.train.batch_size=4"]), resume="auto")
    build_run(load_config(path), resume="auto").close()


def test_the_log_says_what_the_schedule_does_not_reach(tmp_path, capsys):
    build_run(load_config(write_config(tmp_path), ["scheduler={type: StepLR, milestones: [80]}"])).close()
    assert "warning: scheduler.milestones [80] (epochs) are not reached" in capsys.readouterr().err


def test_a_logger_of_jdet_is_said_to_be_unused(tmp_path, capsys):
    build_run(load_config(write_config(tmp_path), ["+logger={type: RunLogger}"])).close()
    assert "logger: only JDet's runner uses it" in capsys.readouterr().err


def test_a_stream_of_the_users_with_write_and_flush_alone(tmp_path, monkeypatch):
    class Both:
        lines, flush = [], staticmethod(lambda: None)

        def write(self, text):
            self.lines.append(text)

    monkeypatch.setattr("sys.stderr", Both())
    build_run(load_config(write_config(tmp_path))).close()
    assert any("batches an epoch" in line for line in Both.lines)


def test_an_evaluation_that_was_stopped_changes_the_checkpoint_only_at_its_end(tmp_path, monkeypatch):
    """It was written again before the evaluation: a process killed while the old one was deleted left half of it."""
    config = load_config(write_config(tmp_path), ["max_epoch=1", "eval_interval=1"])
    run = build_run(config)
    run.iteration = run.total
    path = run.save()
    run.close()
    before = {name: (tmp_path / path / name).read_bytes() for name in os.listdir(path)}
    run = build_run(config, resume="auto")
    monkeypatch.setattr(run, "evaluate", lambda model: {"bbox_mAP": 0.5})
    monkeypatch.setattr(checkpoint, "_remove", lambda path: pytest.fail(f"{path} is deleted"))
    train(run)
    run.close()
    after = {name: (tmp_path / path / name).read_bytes() for name in os.listdir(path)}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"state.json"} and set(before) == set(after)
    assert checkpoint.read_state(path)["score"] == 0.5


def test_a_checkpoint_that_is_deleted_in_part_is_none(tmp_path, monkeypatch):
    run = build_run(load_config(write_config(tmp_path)))
    path = run.save()
    run.close()

    def killed(folder, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint._remove(path)
    assert os.path.isdir(path) and checkpoint.latest(run.work_dir) is None


@pytest.mark.parametrize("file", [None, "all.h5"])
def test_a_users_data_set_of_pictures_that_are_no_files(tmp_path, capsys, file):
    """Its class takes no seed. Both splits are in one file, or in none: no image is said to be in both."""
    from jsra import registry

    @register("dataset")
    class Drawn(DetectionDataset):
        def __init__(self, first, transforms):
            super().__init__(["red", "green"], transforms, 2, 0, True, False, False, 7, False, 1)
            self.cat_ids = [1, 2]
            self.records = [Record(first + i, file, 120, 100, [[10, 10, 60, 60]], [i % 2 + 1]) for i in range(4)]
            self._filter(False, 1)

        def picture(self, index, epoch=0):
            pixels = np.full((100, 120, 3), 128, np.uint8)
            pixels[10:60, 10:60, index % 2] = 220
            return self.transformed(pixels, self.record(index), index, epoch)

    try:
        config = load_config(write_config(tmp_path), ["max_epoch=1"])
        transforms = config["dataset"]["train"]["transforms"]
        splits = {"train": 0, "val": 100}
        config["dataset"] = {s: dict(type="Drawn", first=i, transforms=transforms) for s, i in splits.items()}
        run = build_run(config, seed=3)
        metrics = train(run)
        run.close()
    finally:
        del registry._entries["Drawn"]
    assert (run.seed, run.loader.dataset.seed) == (3, 7)
    assert set(metrics) >= {"bbox_mAP"}
    assert "are in dataset.train too" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("max_epochs", 3, "there is no setting 'max_epochs'; did you mean 'max_epoch'"),
        ("optimiser", {"lr": 1}, "there is no setting 'optimiser'; did you mean 'optimizer'"),
        ("scheduler", {}, "scheduler: an empty dictionary"),
    ],
)
def test_a_config_that_was_changed_in_python_is_checked_again(tmp_path, key, value, words):
    """A key that nothing reads had no effect, without a line."""
    config = load_config(write_config(tmp_path))
    config[key] = value
    with pytest.raises(ConfigError, match=f"build_run: {words}"):
        build_run(config)


def test_empty_settings_of_python_are_all_defaults(tmp_path):
    config = load_config(write_config(tmp_path))
    config["ema"] = {}
    run = build_run(config)
    run.close()
    assert run.optimizer.averages


def test_the_best_checkpoint_by_a_metric_that_changed_at_a_resume(tmp_path):
    """AP 0.9 of the first one is no more than AP_50 0.6 of the second."""
    path = write_config(tmp_path)
    values = {4: (0.9, 0.3), 8: (0.2, 0.6), 12: (0.3, 0.5)}
    for iteration, metric in ((4, None), (8, "bbox_mAP_50"), (12, "bbox_mAP_50")):
        settings = ["max_epoch=3", "eval_interval=1", "+checkpoint_keep=1", f"+best_metric={metric}"]
        run = build_run(load_config(path, settings), resume="auto")
        run.iteration = iteration
        run.evaluate = lambda model, found=values[iteration]: dict(zip(("bbox_mAP", "bbox_mAP_50"), found))
        run.save_and_evaluate(Interruptions())
        run.close()
    assert [os.path.basename(path) for path in checkpoint.saved(run.work_dir)] == ["iter_00000008", "iter_00000012"]


def test_a_learning_rate_of_0_is_named(tmp_path, capsys):
    for lr, named in ((0, True), (0.1, False)):
        build_run(load_config(write_config(tmp_path / str(lr)), [f"optimizer.lr={lr}"])).close()
        assert ("warning: optimizer.lr is 0: no weight will change" in capsys.readouterr().err) == named
