"""What users do with a Run in Python: their own evaluation, and training further after an error or a signal."""

import jittor as jt
import numpy as np
import pytest

from jsra.engine import checkpoint, log
from jsra.engine.groups import ParameterGroups
from jsra.engine.optimizer import SGD
from jsra.engine.train import train
from jsra.registry import ConfigError
from tests.engine.toy import make_run


def start(run):
    run.start_log()
    return train(run)


@pytest.mark.parametrize(
    "given, words",
    [
        (None, "expected a dictionary {name: number}, got None"),
        (0.5, "expected a dictionary {name: number}, got 0.5"),
        ({}, "expected a dictionary {name: number}, got {}"),
        ({"AP": "high"}, "the evaluation gives 'high' as 'AP'; expected a number"),
        ({"AP": [0.1, 0.2]}, "the evaluation gives [0.1, 0.2] as 'AP'"),
    ],
)
def test_what_a_users_evaluation_gives_is_checked(tmp_path, given, words):
    run = make_run(tmp_path, epochs=1, evaluate=lambda model: given, eval_interval=4)
    with pytest.raises(ConfigError) as error:
        start(run)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "given", [np.float32(0.5), np.array(0.5), np.array([0.5]), jt.array(0.5)], ids=["float32", "array", "array of one", "Var"]
)
def test_a_mean_of_numpy_or_jittor_is_a_number(tmp_path, capsys, given):
    run = make_run(tmp_path, epochs=1, evaluate=lambda model: {"AP": given}, eval_interval=4)
    start(run)
    assert checkpoint.read_state(run.last_saved)["score"] == 0.5 and "4/4  AP 0.5000" in capsys.readouterr().err


def test_a_run_that_was_stopped_may_be_trained_further(tmp_path):
    """In a notebook: after an error of the user's evaluation, or a signal."""
    answers = iter([ValueError("mine"), {"AP": 0.1}, {"AP": 0.2}, {"AP": 0.3}])

    def evaluate(model):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    run = make_run(tmp_path, evaluate=evaluate, eval_interval=4)
    with pytest.raises(ValueError, match="mine"):
        start(run)
    assert train(run) == {"AP": 0.3} and run.iteration == 12
    found = log.read(str(tmp_path))
    assert [record["iteration"] for record in found["run"]] == [0, 4]
    run.close()
    with pytest.raises(ConfigError, match=r"this run was closed \(Run.close\): build it again, with resume='auto'"):
        train(run)


def test_weights_that_are_unfrozen_after_the_optimiser_was_built_are_said(tmp_path, capsys):
    run = make_run(tmp_path / "a", epochs=1)
    run.model.fc.weight.stop_grad()
    frozen = run.model.fc.weight.numpy().copy()
    start(run)
    assert "optimiser does not have" not in capsys.readouterr().err
    assert (run.model.fc.weight.numpy() == frozen).all()
    run = make_run(tmp_path / "b", epochs=1)
    run.model.conv.weight.stop_grad()
    run.optimizer = SGD(ParameterGroups().groups(run.model), lr=0.05)
    run.model.conv.weight.start_grad()
    start(run)
    assert "the optimiser does not have 1 weights that are not frozen (conv.weight, ...)" in capsys.readouterr().err
