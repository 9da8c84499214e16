"""SGD and AdamW against PyTorch's formulas written in NumPy, in float64."""
import weakref

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.engine.groups import ParameterGroups
from jsra.engine.optimizer import SGD, AdamW
from jsra.registry import ConfigError


class Net(nn.Module):
    """A used weight, an unused one, a frozen one and running statistics."""

    def __init__(self, rng):
        self.fc = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.unused = nn.Linear(2, 2)
        self.frozen = nn.Linear(2, 2)
        for p in self.frozen.parameters():
            p.stop_grad()
        for p in self.parameters():
            p.update(jt.array(rng.normal(size=p.shape).astype(np.float32)))
        self.norm.running_var.update(jt.ones(2))

    def execute(self, x):
        return (self.norm(self.fc(x)) ** 2).sum()


def gradients(net, x):
    """{name: float64 gradient} of the loss, from Jittor; the optimiser is what is checked here."""
    named = [(n, p) for n, p in net.named_parameters() if not p.is_stop_grad()]
    found = jt.grad(net(x), [p for _, p in named])
    return {n: g.numpy().astype(np.float64) for (n, _), g in zip(named, found)}


def clip(grads, max_norm):
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    return {n: g * min(max_norm / (norm + 1e-6), 1.0) for n, g in grads.items()}, norm


class NumpySGD:
    def __init__(self, momentum, nesterov):
        self.momentum, self.nesterov, self.v = momentum, nesterov, {}

    def step(self, name, p, g, lr, decay):
        g = g + decay * p
        v = self.v[name] = self.momentum * self.v[name] + g if name in self.v else g
        return p - lr * (g + self.momentum * v if self.nesterov else v)


class NumpyAdamW:
    def __init__(self):
        self.m, self.v, self.t = {}, {}, {}

    def step(self, name, p, g, lr, decay):
        p = p * (1 - lr * decay)
        t = self.t[name] = self.t.get(name, 0) + 1
        m = self.m[name] = 0.9 * self.m.get(name, 0) + 0.1 * g
        v = self.v[name] = 0.999 * self.v.get(name, 0) + 0.001 * g * g
        return p - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def sgd(**settings):
    return lambda groups: SGD(groups, lr=0.1, momentum=0.9, **settings)


# name: (optimiser, oracle, lr, weight decay, clipping norm)
CASES = {
    "sgd": (sgd(weight_decay=0.02), lambda: NumpySGD(0.9, False), 0.1, 0.02, None),
    "nesterov": (sgd(weight_decay=0.02, nesterov=True), lambda: NumpySGD(0.9, True), 0.1, 0.02, None),
    "clipped": (sgd(grad_clip=dict(max_norm=0.5)), lambda: NumpySGD(0.9, False), 0.1, 0.0, 0.5),
    "adamw": (lambda groups: AdamW(groups, lr=0.02, weight_decay=0.3), NumpyAdamW, 0.02, 0.3, None),
}


@pytest.mark.parametrize("case", CASES)
def test_steps_follow_the_formula(case, rng):
    make, oracle, lr, decay, max_norm = CASES[case]
    net = Net(rng)
    rules = ParameterGroups(no_decay=("norm", "bias"), rules=[dict(match="fc.weight", lr_mult=0.5, decay_mult=2.0)])
    optimizer, oracle = make(rules.groups(net)), oracle()
    frozen = {n: p.numpy() for n, p in net.named_parameters() if n.startswith("frozen")}
    expected = {n: p.numpy().astype(np.float64) for n, p in net.named_parameters() if not p.is_stop_grad()}
    for i, factor in enumerate([1.0, 1.0, 0.1, 0.1, 0.5]):
        x = jt.array(rng.normal(size=(5, 3)).astype(np.float32))
        grads = gradients(net, x)
        if max_norm:
            grads, norm = clip(grads, max_norm)
        optimizer.set_lr_factor(factor)
        optimizer.step(net(x))
        jt.sync_all()
        for name, g in grads.items():
            rate = lr * factor * (0.5 if name == "fc.weight" else 1.0)
            share = 0.0 if "norm" in name or "bias" in name else 2.0 if name == "fc.weight" else 1.0
            expected[name] = oracle.step(name, expected[name], g, rate, decay * share)
            np.testing.assert_allclose(
                dict(net.named_parameters())[name].numpy(), expected[name], rtol=2e-4, atol=2e-6, err_msg=f"{name}, step {i}"
            )
        if max_norm:
            np.testing.assert_allclose(optimizer.grad_norm.numpy(), [norm], rtol=1e-4)
    for name, value in frozen.items():
        np.testing.assert_array_equal(dict(net.named_parameters())[name].numpy(), value)


def test_state_goes_round(rng):
    net = Net(rng)
    a = AdamW(ParameterGroups().groups(net), lr=0.1)
    x = jt.array(rng.normal(size=(5, 3)).astype(np.float32))
    for _ in range(2):
        a.step(net(x))
    saved = {name: var.numpy() for name, var in a.state().items()}
    assert "exp_avg.fc.weight" in saved and "exp_avg_sq.norm.bias" in saved
    assert not any("running" in name or "frozen" in name for name in saved)
    assert np.abs(saved["exp_avg.fc.weight"]).max() > 0
    b = AdamW(ParameterGroups().groups(net), lr=0.1)
    b.load_state(saved, a.n_step)
    assert b.n_step == 2
    for name, var in b.state().items():
        np.testing.assert_array_equal(var.numpy(), saved[name])
    del saved["exp_avg.fc.weight"]
    with pytest.raises(ValueError, match="exp_avg.fc.weight"):
        b.load_state(saved, 2)


def test_all_frozen_is_an_error(rng):
    net = Net(rng)
    for p in net.parameters():
        p.stop_grad()
    with pytest.raises(ConfigError, match="the whole model is frozen"):
        SGD(ParameterGroups().groups(net), lr=0.1)


def test_nesterov_without_momentum_or_with_dampening_is_an_error(rng):
    for more in (dict(), dict(momentum=0.9, dampening=0.1)):
        with pytest.raises(ConfigError, match="nesterov needs a momentum above 0 and no dampening"):
            SGD(ParameterGroups().groups(Net(rng)), lr=0.1, nesterov=True, **more)


def test_clipping_by_another_norm_is_an_error(rng):
    with pytest.raises(ConfigError, match="norm_type"):
        SGD(ParameterGroups().groups(Net(rng)), lr=0.1, grad_clip=dict(max_norm=1, norm_type=1))


class Square(jt.Function):
    """Keeps its input for the gradient; `alive` tells which of its calls are still held."""

    alive = []

    def execute(self, x):
        self.saved = x
        self.alive.append(weakref.ref(self))
        return x * x

    def grad(self, gradient):
        return gradient * self.saved * 2


def test_what_the_forward_keeps_is_let_go_before_the_backward_runs():
    """Each call of a jt.Function, and so what it saved, before anything of the step is executed."""
    weight = jt.array([1.0, 2.0])
    optimizer = SGD([weight], lr=0.25)
    loss = Square.apply(Square.apply(weight)).sum()
    assert all(call() is not None for call in Square.alive) and len(Square.alive) == 2
    optimizer.step(loss)
    assert all(call() is None for call in Square.alive)
    np.testing.assert_allclose(weight.numpy(), [1 - 0.25 * 4, 2 - 0.25 * 4 * 8])
    assert loss.item() == 17
