"""Averages of the weights over time: the formula, the weights that are saved and evaluated, and resuming."""

import jittor as jt
import numpy as np
import pytest

from jsra.engine import checkpoint, ema
from jsra.engine.train import train
from jsra.registry import ConfigError
from jsra.settings import resolved
from tests.engine.toy import ToyLoader, everything, make_run


def averaging_run(work_dir, decay=0.6, **settings):
    run = make_run(work_dir, **settings)
    run.optimizer = ema.enable(run.optimizer, run.model, dict(decay=decay))
    return run


def test_the_average(tmp_path):
    run, expected = averaging_run(tmp_path), None
    first = run.model.fc.weight.numpy()
    weights = []

    def note(model):
        return {"value": float(model.fc.weight.numpy()[0, 0])}

    step = run.optimizer.optimizer.step
    run.optimizer.optimizer.step = lambda loss: (step(loss), weights.append(run.model.fc.weight.numpy()))[0]
    run.evaluate, run.eval_interval = note, 0
    run.start_log()
    train(run)
    expected = first.astype(np.float64)
    for n, weight in enumerate(weights, 1):
        decay = min(0.6, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * weight
    saved = checkpoint.read_arrays(checkpoint.weights_file(tmp_path))
    np.testing.assert_allclose(saved["fc.weight"], expected, atol=1e-6)
    assert abs(run.metrics["value"] - expected[0, 0]) < 1e-6  # what is evaluated is what is saved
    np.testing.assert_array_equal(run.model.fc.weight.numpy(), weights[-1])  # what is trained is not touched
    assert abs(saved["fc.weight"] - weights[-1]).max() > 1e-4


def test_a_resumed_run_goes_on_bit_for_bit(tmp_path):
    whole = averaging_run(tmp_path / "whole", epochs=2)
    whole.start_log()
    train(whole)
    begun = averaging_run(tmp_path / "parts", epochs=1)
    begun.scheduler = whole.scheduler
    begun.start_log()
    train(begun)
    resumed = averaging_run(tmp_path / "parts", epochs=2, loader=ToyLoader())
    resumed.resume(checkpoint.latest(str(tmp_path / "parts")))
    resumed.start_log()
    train(resumed)
    mine, expected = everything(resumed), everything(whole)
    assert any(name.startswith("trained.") for name in mine)
    for name, array in mine.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    for name, average in resumed.optimizer.averages.items():
        np.testing.assert_array_equal(average.numpy(), whole.optimizer.averages[name].numpy(), err_msg=name)


def test_a_checkpoint_without_averages_is_refused(tmp_path):
    path = make_run(tmp_path).save()
    with pytest.raises(checkpoint.CheckpointError, match="made without ema"):
        averaging_run(tmp_path).resume(path)
    path = averaging_run(tmp_path / "averaged").save()
    with pytest.raises(checkpoint.CheckpointError, match="made with ema; resume with the config"):
        make_run(tmp_path / "averaged").resume(path)


def test_a_step_that_is_left_out_is_not_averaged(tmp_path):
    run = averaging_run(tmp_path)
    before = {name: average.numpy() for name, average in run.optimizer.averages.items()}
    run.optimizer.optimizer.step = lambda loss: False
    assert run.optimizer.step(jt.array([1.0])) is False
    for name, average in run.optimizer.averages.items():
        np.testing.assert_array_equal(average.numpy(), before[name])


@pytest.mark.parametrize("settings", [dict(decay=1.0), dict(decay=2), dict(momentum=0.1), "yes"])
def test_wrong_settings(settings, tmp_path):
    run = make_run(tmp_path)
    with pytest.raises(ConfigError, match="ema"):
        ema.enable(run.optimizer, run.model, settings)


def test_the_identity_of_a_result():
    assert resolved({"ema": True}) == resolved({"ema": {"decay": 0.9998}}) != resolved({})
