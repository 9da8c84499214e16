import numpy as np
import pytest

from jsra.paper.classification import differences


def test_differences_by_hand():
    """Two images of 1 and 3 objects, two seeds. Ours: 4 and 3 of 4 right; theirs: 2 and 2, and a log-loss of 1 more each."""
    ours = {0: {"a": [1, 1, 0.0], "b": [3, 3, 0.0]}, 1: {"a": [1, 1, 0.0], "b": [3, 2, 0.0]}}
    theirs = {0: {"b": [3, 2, 3.0], "a": [1, 0, 1.0]}, 1: {"b": [3, 2, 3.0], "a": [1, 0, 1.0]}}
    found = differences(ours, theirs)
    # By seed 50 and 25 points. Per image, averaged over seeds: 1 and 1/2 right more, where 37.5% of 1 and 3 are expected: the
    # rests are 0.625 and -0.625.
    images = 2 * 0.625**2 / 4**2 * 2 / 1
    seeds = np.var([0.5, 0.25], ddof=1) / 2
    assert found["accuracy"] == pytest.approx((37.5, 100 * np.sqrt(images + seeds)))
    assert found["log_loss"] == pytest.approx((-1.0, 0.0))


def test_errors_are_those_of_repeated_draws(rng):
    """Images and seeds drawn again and again: the differences scatter by about the standard error."""

    def draw():
        runs = ({}, {})
        difficulty = rng.normal(0, 0.3, 80)
        for run, shift in zip(runs, (0.05, 0.0)):
            for seed in range(4):
                level = shift + rng.normal(0, 0.03)
                loss = level + difficulty + rng.normal(0, 0.1, 80)
                run[seed] = {str(i): [2, 1, 2 * v] for i, v in enumerate(loss)}
        return differences(*runs)["log_loss"]

    means, errors = np.array([draw() for _ in range(200)]).T
    assert means.mean() == pytest.approx(0.05, abs=0.01)
    assert 0.8 < errors.mean() / means.std(ddof=1) < 1.3


def test_one_seed_has_the_error_of_its_images():
    ours, theirs = {3: {"a": [1, 1, 0.0], "b": [1, 1, 0.0]}}, {3: {"a": [1, 0, 0.0], "b": [1, 1, 0.0]}}
    mean, error = differences(ours, theirs)["accuracy"]
    assert mean == 50 and error == pytest.approx(100 * np.sqrt(2 * 0.5**2 / 2**2 * 2))
