import re

import pytest

from jsra.engine.schedule import StepLR, rate_factor, scaled_lr
from jsra.registry import ConfigError


def test_one_x_schedule():
    s = StepLR(milestones=[8, 11], warmup="linear", warmup_iters=500, warmup_ratio=0.001)
    assert s.factor(0, 0) == pytest.approx(0.001)
    assert s.factor(250, 0) == pytest.approx(1 - 0.5 * 0.999)
    assert s.factor(500, 0) == 1.0
    assert s.factor(10**6, 7) == 1.0
    assert s.factor(10**6, 8) == pytest.approx(0.1)
    assert s.factor(10**6, 11) == pytest.approx(0.01)


def test_by_iteration_and_other_warmups():
    s = StepLR(milestones=[60, 80], by_epoch=False, warmup="constant", warmup_iters=10, warmup_ratio=0.25)
    assert [s.factor(i, 0) for i in (0, 9, 10, 59, 60, 80)] == pytest.approx([0.25, 0.25, 1, 1, 0.1, 0.01])
    e = StepLR(warmup="exp", warmup_iters=2, warmup_ratio=0.25)
    assert [e.factor(i, 0) for i in (0, 1, 2)] == pytest.approx([0.25, 0.5, 1])


def test_wrong_arguments():
    with pytest.raises(ConfigError, match="ascending"):
        StepLR(milestones=[11, 8])
    with pytest.raises(ConfigError, match="'linear'"):
        StepLR(warmup="lin")


@pytest.mark.parametrize("power, named", [(1, "Poly.factor(5, 0) gives -0.25"), (0.5, "gives (3"), (None, "gives None")])
def test_a_users_schedule_after_its_end(power, named):
    class Poly:
        def factor(self, iteration, epoch):
            return power and (1 - iteration / 4) ** power  # a fraction of a negative number is complex

    if power:
        assert rate_factor(Poly(), 3, 0) == 0.25**power
    with pytest.raises(ConfigError, match=re.escape(named) + ".*; the factor of the learning rate must be a number of at"):
        rate_factor(Poly(), 5, 0)


def test_rate_for_the_batch():
    assert scaled_lr(0.02, 2, 16) == pytest.approx(0.0025)
    assert scaled_lr(0.02, 2, None) == 0.02


def test_what_a_run_does_not_reach_is_said():
    s = StepLR(milestones=[8, 11], warmup="linear", warmup_iters=500, warmup_ratio=0.001)
    assert s.notes(12 * 100, 100) == []
    (late,) = s.notes(10 * 100, 100)
    assert late.startswith("warning: scheduler.milestones [11] (epochs) are not reached")
    late, short = s.notes(500, 100)
    assert "milestones [8, 11] (epochs)" in late
    assert short == (
        "warning: the warm-up takes 500 iterations (scheduler.warmup_iters), the run has 500: the full learning rate is "
        "never reached"
    )
    assert len(StepLR(milestones=[5], by_epoch=False).notes(5, 1)) == 1
    assert StepLR(milestones=[4], by_epoch=False).notes(5, 1) == []
