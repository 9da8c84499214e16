import errno
import os
import re
from pathlib import Path

import jittor as jt
import numpy as np
import pytest
from safetensors.numpy import save_file

from jsra.config import load_config
from jsra.convert.load import load_weights
from jsra.engine import checkpoint
from jsra.engine.build import build_run
from jsra.engine.checkpoint import CheckpointError
from jsra.engine.optimizer import SGD
from jsra.engine.train import train
from jsra.registry import ConfigError
from tests.engine.toy import everything, make_run
from tests.toy_detector import write_config


def test_files_and_names(tmp_path, seed):
    run = make_run(tmp_path, seed)
    run.iteration = 7
    path = run.save()
    checkpoint.update_state(path, score=0.25)
    assert path == str(tmp_path / "checkpoints" / "iter_00000007")
    assert sorted(os.listdir(path)) == ["model.safetensors", "optimizer.safetensors", "state.json"]
    weights = checkpoint.read_arrays(os.path.join(path, "model.safetensors"))
    assert set(weights) == set(run.model.state_dict()) and "norm.running_mean" in weights
    state = checkpoint.read_state(path)
    assert state["score"] == 0.25 and state["iteration"] == 7 and state["seed"] == seed and state["commit"]
    assert checkpoint.weights_file(tmp_path) == os.path.join(path, "model.safetensors") == checkpoint.weights_file(path)


def test_states_that_people_edit(tmp_path, seed):
    """A score that is none, and a config that is none, are as if they were not there."""
    run = make_run(tmp_path, seed)
    for run.iteration, score in ((1, 0.5), (2, "best")):
        path = run.save()
        checkpoint.update_state(path, score=score, config="x")
    assert checkpoint.best(str(tmp_path)).endswith("iter_00000001")
    run.resume(path)
    assert run.iteration == 2


def test_the_best_one_before_the_first_evaluation_by_another_metric(tmp_path, seed):
    """A run goes on with another evaluator: the best checkpoint of the former one is kept until there is a better one."""
    run, work = make_run(tmp_path, seed), str(tmp_path)
    for run.iteration, score in ((1, 0.5), (2, 0.4)):
        checkpoint.update_state(run.save(), score=score, metrics={"bbox_mAP": score})
    checkpoint.prune(work, 1, "voc_AP50")
    assert checkpoint.saved(work) == [checkpoint.path_of(work, n) for n in (1, 2)]
    checkpoint.update_state(checkpoint.path_of(work, 2), metrics={"voc_AP50": 0.1})
    assert checkpoint.best(work, "voc_AP50") == checkpoint.path_of(work, 2)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "state.json is damaged .not valid JSON"),
        ('{"iteration": 4,', "state.json is damaged .not valid JSON"),
        ("[]", "state.json is damaged .no dictionary"),
        ("{}", "no whole number of at least 0 as iteration, n_step: start a new run"),
        ('{"iteration": 0, "n_step": 4}', "no whole number of at least 0 as seed, batch_size, epoch_length: start a new run"),
        ('{"iteration": 4, "n_step": 4}', "state.json is of iteration 4, its folder of 0: files of two checkpoints"),
        ('{"iteration": -4, "n_step": 4}', "no whole number of at least 0 as iteration"),
        ('{"iteration": "4", "n_step": 4}', "no whole number of at least 0 as iteration"),
    ],
)
def test_a_state_that_is_damaged(tmp_path, text, words):
    run = make_run(tmp_path)
    path = run.save()
    with open(os.path.join(path, "state.json"), "w") as f:
        f.write(text)
    with pytest.raises(CheckpointError, match=words):
        run.resume(path)


@pytest.mark.parametrize("classes", [5, "cat", {"0": "cat"}])
def test_classes_that_are_no_list(tmp_path, classes):
    checkpoint.update_state(make_run(tmp_path).save(), classes=classes)
    with pytest.raises(CheckpointError, match="state.json is damaged: classes is .*, not a list of names"):
        checkpoint.classes_of(tmp_path)


def test_restore_is_exact(tmp_path, seed):
    run = make_run(tmp_path, seed)
    before = everything(run)
    path = run.save()
    other = make_run(tmp_path, seed + 1)
    assert any((everything(other)[name] != before[name]).any() for name in before)
    checkpoint.restore(path, other.model, other.optimizer)
    for name, array in everything(other).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_crash_while_writing_leaves_the_last_one(tmp_path, monkeypatch):
    run = make_run(tmp_path)
    run.iteration = 1
    first = run.save()
    run.iteration = 2
    with monkeypatch.context() as m:
        m.setattr(checkpoint, "_write_arrays", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run.save()
    assert checkpoint.latest(str(tmp_path)) == first
    checkpoint.restore(first, run.model, run.optimizer)
    assert checkpoint.latest(str(tmp_path)) == first
    run.save()
    assert checkpoint.latest(str(tmp_path)).endswith("iter_00000002")
    assert checkpoint.prune(str(tmp_path), 1) is None and len(os.listdir(tmp_path / "checkpoints")) == 1


def test_full_disk(tmp_path, monkeypatch):
    run = make_run(tmp_path)
    first = run.save()
    run.iteration = 2

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(checkpoint, "_write", full)
        with pytest.raises(CheckpointError, match="not enough space.*iter_00000000.*Free some space"):
            run.save()
    assert os.listdir(tmp_path / "checkpoints") == [os.path.basename(first)]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    run = make_run(tmp_path)
    run.model.fc.weight.update(run.model.fc.weight * float("inf"))
    with pytest.raises(CheckpointError, match="fc.weight"):
        run.save()
    assert checkpoint.latest(str(tmp_path)) is None


def test_errors_name_what_differs(tmp_path):
    from jittor import nn

    run = make_run(tmp_path)
    path = run.save()
    run.model.extra = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match="extra.bias, extra.weight"):
        checkpoint.restore(path, run.model)
    other = make_run(tmp_path)
    other.model.fc = nn.Linear(4, 3)
    with pytest.raises(CheckpointError, match=r"fc.weight has shape \(2, 4\), the model's is \(3, 4\); give the config"):
        checkpoint.restore(path, other.model)
    with open(os.path.join(path, "model.safetensors"), "r+b") as f:
        f.truncate(20)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.restore(path, make_run(tmp_path).model)
    with pytest.raises(FileNotFoundError, match="not a checkpoint"):
        checkpoint.restore(str(tmp_path), run.model)
    with pytest.raises(FileNotFoundError, match="is a file; a checkpoint is a folder .* use pretrained_weights"):
        checkpoint.check(os.path.join(path, "model.safetensors"))
    with pytest.raises(FileNotFoundError, match="there is no such checkpoint; it is a folder"):
        checkpoint.check(str(tmp_path / "best"))
    for address in ("https://x/a.pth", "torchvision://resnet50"):
        with pytest.raises(FileNotFoundError, match="this is an address, and jsra downloads nothing"):
            checkpoint.weights_file(address)
    with pytest.raises(FileNotFoundError, match="these weights do not exist"):
        checkpoint.weights_file(tmp_path / "absent.pth")
    with pytest.raises(FileNotFoundError, match="has no checkpoint"):
        checkpoint.weights_file(tmp_path / "checkpoints")
    for wrong in (5, ""):
        with pytest.raises(ConfigError, match=f"weights: expected the path of .*, got {wrong!r}"):
            checkpoint.weights_file(wrong)


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int32])
def test_weights_of_another_type_are_refused(tmp_path, kind):
    """E.g. if somebody has converted the file to half precision: a resumed run would not be exact."""
    run = make_run(tmp_path)
    path = os.path.join(run.save(), "model.safetensors")
    before = everything(run)
    save_file({name: a.astype(kind) for name, a in checkpoint.read_arrays(path).items()}, path)
    with pytest.raises(CheckpointError, match=f"has type {np.dtype(kind)}, the model's is float32"):
        run.resume(os.path.dirname(path))
    assert all(np.array_equal(before[name], value) for name, value in everything(run).items())


def test_the_folder_of_checkpoints_is_none(tmp_path):
    for iteration in (3, 12):
        (tmp_path / "checkpoints" / f"iter_{iteration:08d}").mkdir(parents=True)
        (tmp_path / "checkpoints" / f"iter_{iteration:08d}" / "state.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="give a work_dir or a folder .*; its last one is .*iter_00000012"):
        checkpoint.check(str(tmp_path / "checkpoints"))
    with pytest.raises(FileNotFoundError, match="has no checkpoint: .*; its last one is .*iter_00000012"):
        checkpoint.weights_file(str(tmp_path / "checkpoints"))
    with pytest.raises(FileNotFoundError, match=r"no state.json; give a work_dir or a folder checkpoints/iter_\.\.\. of it$"):
        checkpoint.check(str(tmp_path / "checkpoints" / ".."))


def test_keep_zero_keeps_all(tmp_path):
    run = make_run(tmp_path)
    for run.iteration in (1, 2, 3):
        run.save()
    checkpoint.prune(str(tmp_path), 0)
    assert len(checkpoint.saved(str(tmp_path))) == 3
    checkpoint.prune(str(tmp_path), 1)
    assert [os.path.basename(p) for p in checkpoint.saved(str(tmp_path))] == ["iter_00000003"]


class Head(jt.nn.Module):
    """The names of a detector whose box branch was roi_head.box_extractor and roi_head.box_head."""

    def __init__(self):
        super().__init__()
        self.roi_head = jt.nn.Module()
        self.roi_head.box = jt.nn.Module()
        self.roi_head.box.extractor, self.roi_head.box.head = jt.nn.Linear(2, 3), jt.nn.Linear(3, 1)


def test_the_cure_for_a_checkpoint_of_another_model_is_that_of_a_test_or_of_a_resume(tmp_path):
    run = make_run(tmp_path)
    path, words = run.save(), "is from another model: .* names differ, .*; give the config that the run began with"
    with pytest.raises(CheckpointError, match=f"{words}$"):
        checkpoint.restore(path, Head())
    with pytest.raises(CheckpointError, match=f"{words}, or start a new run from its weights"):
        checkpoint.restore(path, Head(), run.optimizer)


def test_a_checkpoint_under_earlier_names(tmp_path):
    """Weights and the optimiser's numbers find their place; so do weights that are loaded into a model."""

    def make():
        model = Head()
        names, params = zip(*model.named_parameters())
        return model, SGD([dict(params=list(params), names=list(names))], lr=0.1, momentum=0.9)

    def numbers(model, optimizer):
        return {name: var.numpy() for name, var in (*model.state_dict().items(), *optimizer.state().items())}

    model, optimizer = make()
    optimizer.step(sum((var * var).sum() for var in model.parameters()))
    expected = numbers(model, optimizer)
    path = checkpoint.save(str(tmp_path), model, optimizer, dict(iteration=1))
    for file in ("model.safetensors", "optimizer.safetensors"):
        arrays = checkpoint.read_arrays(os.path.join(path, file))
        earlier = {re.sub(r"roi_head\.box\.(\w+)", r"roi_head.box_\1", name): a for name, a in arrays.items()}
        assert any(".box_extractor." in name for name in earlier)
        save_file(earlier, os.path.join(path, file))
    model, optimizer = make()
    checkpoint.restore(path, model, optimizer)
    for name, array in numbers(model, optimizer).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    model, optimizer = make()
    assert len(load_weights(model, os.path.join(path, "model.safetensors"), strict=True).matched) == 4
    np.testing.assert_array_equal(model.roi_head.box.head.weight.numpy(), expected["roi_head.box.head.weight"])


def test_later_checkpoints_of_a_run_that_goes_back(tmp_path):
    """A run that goes on from an earlier checkpoint: the later ones are not its latest or best ones, and are not deleted."""
    work = str(tmp_path / "work")
    path = write_config(tmp_path)
    settings = [f"work_dir={work}", "checkpoint_interval=1", "eval_interval=1", "+checkpoint_keep=9"]
    run = build_run(load_config(path, settings))
    train(run)
    run.close()
    folder = os.path.join(work, "checkpoints")
    assert sorted(os.listdir(folder)) == [f"iter_{i:08d}" for i in (4, 8, 12, 16, 20)]
    back = checkpoint.path_of(work, 8)
    run = build_run(load_config(path, [*settings, "max_epoch=3", "optimizer.lr=0.01"]), resume=back)
    kept = [f"iter_{i:08d}.replaced" for i in (12, 16, 20)]
    assert sorted(os.listdir(folder)) == ["iter_00000004", "iter_00000008", *kept]
    assert checkpoint.latest(work) == back
    train(run)
    run.close()
    assert checkpoint.read_state(checkpoint.latest(work))["lr"] == 0.01
    checkpoint.prune(work, 1)
    assert set(kept) < set(os.listdir(folder))
    assert checkpoint.set_aside(work, 8) == [checkpoint.path_of(work, 12) + ".replaced2"]


def test_going_on_from_a_checkpoint_of_another_branch_or_folder(tmp_path):
    """The run's latest checkpoint is the one from which it goes on, also before it has saved: it may be killed."""
    path, works = write_config(tmp_path), [str(tmp_path / name) for name in ("one", "two")]
    settings = ["checkpoint_interval=1", "eval_interval=0", "+checkpoint_keep=9", "max_epoch=3"]

    def go(work, *changes, resume=None, steps=True):
        config = load_config(path, [*settings, *changes])
        config["work_dir"] = Path(work)  # a caller's path, set after reading
        run = build_run(config, resume=resume)
        if steps:
            train(run)
        run.close()
        return checkpoint.read_arrays(os.path.join(checkpoint.latest(work), "model.safetensors"))["fc.weight"]

    first = go(works[0])
    go(works[0], "optimizer.lr=0.3", resume=checkpoint.path_of(works[0], 4))
    aside = checkpoint.path_of(works[0], 12) + ".replaced"
    np.testing.assert_array_equal(go(works[0], resume=aside, steps=False), first)
    folder = os.path.join(works[0], "checkpoints")
    assert {"iter_00000012", "iter_00000012.replaced", "iter_00000012.replaced2"} < set(os.listdir(folder))
    go(works[1], "optimizer.lr=0.3", "max_epoch=2")
    np.testing.assert_array_equal(go(works[1], resume=checkpoint.path_of(works[0], 12), steps=False), first)
    assert checkpoint.saved(works[1]) == [checkpoint.path_of(works[1], 12)]


def test_a_damaged_state_of_another_checkpoint_does_not_end_a_run(tmp_path, seed):
    run = make_run(tmp_path, seed)
    for run.iteration, score in ((1, 0.9), (2, 0.5), (3, 0.4)):
        checkpoint.update_state(run.save(), score=score)
    (tmp_path / "checkpoints" / "iter_00000001" / "state.json").write_text('{"iteration": 1, "sco')
    assert checkpoint.best(str(tmp_path)) == checkpoint.path_of(str(tmp_path), 2)
    checkpoint.prune(str(tmp_path), 1)
    assert [os.path.basename(path)[-1] for path in checkpoint.saved(str(tmp_path))] == ["2", "3"]


def test_nothing_is_moved_before_there_is_a_copy(tmp_path, monkeypatch):
    """On a full disk the run still has its checkpoints; what a killed process left is no obstacle."""
    works = [str(tmp_path / name) for name in ("one", "two")]
    own, other = checkpoint.path_of(works[0], 3), checkpoint.path_of(works[1], 2)
    for path in (own, other, checkpoint.path_of(works[0], 2) + ".unfinished"):
        os.makedirs(path)
        with open(os.path.join(path, "state.json"), "w") as f:
            f.write("{}")
    os.makedirs(checkpoint.path_of(works[0], 2))  # deleted in part: no state

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(CheckpointError, match="cannot be copied to .*No space left"):
        patch.setattr("shutil.copytree", full)
        checkpoint.go_on_from(other, works[0], 2)
    assert checkpoint.latest(works[0]) == own
    assert checkpoint.go_on_from(other, works[0], 2) == [own + ".replaced"]
    assert checkpoint.saved(works[0]) == [checkpoint.path_of(works[0], 2)] and os.path.isdir(other)
