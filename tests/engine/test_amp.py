import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.cli import _expected
from jsra.engine import amp
from jsra.engine.optimizer import SGD, AdamW
from jsra.registry import ConfigError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)
        self.depthwise = nn.Conv2d(3, 3, 3, padding=1, groups=3)
        self.up = nn.ConvTranspose(3, 2, 2, stride=2)
        self.fc = nn.Linear(2, 4, bias=False)

    def execute(self, x):
        return self.fc(self.up(self.depthwise(self.conv(x))).mean(dims=[2, 3])).sqr().mean()


def gradients(net, x):
    parameters = [p for p in net.parameters()]
    grads = jt.grad(net(x), parameters)
    jt.sync(grads)
    return [g.numpy() for g in grads]


def test_no_gpu_is_a_clear_error():
    if jt.flags.use_cuda:
        pytest.skip("there is a GPU")
    net = Net()
    with pytest.raises(ConfigError, match="amp needs a GPU.*jsra doctor"):
        amp.enable(net, SGD(net.parameters(), 0.1))
    assert type(net.conv.execute).__name__ == "method", "the model is left as it was"


def test_wrong_settings(monkeypatch):
    net = Net()
    with pytest.raises(ConfigError, match="'float16' or 'bfloat16', got 'half'"):
        amp.enable(net, None, dtype="half")
    infinite = float("inf")
    for settings in (
        dict(scale=0.5), dict(scale=infinite), dict(scale="dynamic"), dict(growth=1.0), dict(growth=infinite),
        dict(backoff=1.0), dict(growth_interval=-1), dict(growth_interval=2.5),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="amp: expected"):
            amp.LossScaler(**settings)


def test_layers_are_the_same_function_and_keep_their_parameters(rng):
    """With float32, to which a cast is none: nothing may change. The cast is the next test's."""
    net, x = Net(), jt.array(rng.standard_normal((2, 2, 5, 6)).astype(np.float32))
    names = list(net.state_dict())
    before, before_grads = net(x).numpy(), gradients(net, x)
    amp.halve_layers(net, "float32")
    assert isinstance(net.conv.execute, amp._InHalf) and isinstance(net.fc.execute, amp._InHalf)
    assert not isinstance(net.depthwise.execute, amp._InHalf)
    np.testing.assert_allclose(net(x).numpy(), before, rtol=1e-5, atol=1e-6)
    for got, expected in zip(gradients(net, x), before_grads):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    assert list(net.state_dict()) == names and net.conv.bias is not None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_layer_computes_in_16_bits_and_adds_the_bias_in_32(monkeypatch, dtype, rng):
    """Input and weight arrive cast; the product of what they were rounded to comes back in float32."""
    plain, seen = nn.Linear.execute, []

    def spy(layer, x):  # the CPU has no 16-bit product: it multiplies the rounded numbers
        seen.append((str(x.dtype), str(layer.weight.dtype), layer.bias))
        layer.weight = layer.weight.float32()
        return plain(layer, x.float32())

    layer, x = nn.Linear(3, 2), jt.array(rng.standard_normal((4, 3)).astype(np.float32))
    exact = layer(x).numpy()
    rounded = x.cast(dtype).float32(), layer.weight.cast(dtype).float32()
    expected = rounded[0].numpy() @ rounded[1].numpy().T + layer.bias.numpy()
    monkeypatch.setattr(nn.Linear, "execute", spy)
    out = amp.halve_layers(layer, dtype)(x)
    assert seen == [(dtype, dtype, None)] and str(out.dtype) == "float32"
    assert np.abs(out.numpy() - expected).max() < 1e-5 < np.abs(out.numpy() - exact).max()


def test_a_layer_that_fails_keeps_its_weight():
    layer = amp.halve_layers(nn.Linear(2, 3), "float32")
    weight = layer.weight
    with pytest.raises((RuntimeError, AssertionError)):
        layer(jt.ones((4, 5)))
    assert layer.weight is weight and layer.bias is not None


def test_the_scale_follows_the_overflows():
    scaler = amp.LossScaler(scale=8, growth=2, backoff=0.5, growth_interval=3)
    scales = []
    for finite in (True, True, True, False, True, True, False, False, False, False, False, True, True, True):
        scaler.update(finite)
        scales.append(scaler.scale)
    # three good steps double; an overflow halves and starts the count again; never below 1
    assert scales == [8, 8, 16, 8, 8, 8, 4, 2, 1, 1, 1, 1, 1, 2]


def quadratic(p):
    return (p * p).sum()


@pytest.mark.parametrize(
    "rule, settings", [(SGD, dict(momentum=0.9, weight_decay=0.1)), (AdamW, dict(weight_decay=0.1))]
)
def test_scaled_steps_are_the_plain_ones(rule, settings, rng):
    """A power of two as the scale changes no bit of the gradients, clipping included."""
    start = rng.standard_normal(5).astype(np.float32)
    results = []
    for scaled in (False, True):
        p = jt.array(start)
        optimizer = rule([p], 0.1, grad_clip=dict(max_norm=0.5), **settings)
        if scaled:
            optimizer = amp.ScaledOptimizer(optimizer, amp.LossScaler(scale=1024, growth_interval=2))
        for _ in range(4):
            optimizer.step(quadratic(p))
        results.append(p.numpy())
    np.testing.assert_array_equal(*results)
    assert optimizer.scaler.scale == 4096, "it grew twice"


def test_an_overflow_leaves_everything_as_it_was():
    p = jt.array(np.float32([1, 2]))
    optimizer = amp.ScaledOptimizer(AdamW([p], 0.1), amp.LossScaler(scale=4))
    assert optimizer.step(quadratic(p)) is True
    before, state, steps = p.numpy(), {k: v.numpy() for k, v in optimizer.state().items()}, optimizer.n_step
    broken = jt.array(np.float32([np.inf, 1]))
    assert optimizer.step((p * broken).sum()) is False
    np.testing.assert_array_equal(p.numpy(), before)
    assert optimizer.n_step == steps and optimizer.scaler.scale == 2 and optimizer.overflows == 1
    for name, value in optimizer.state().items():
        if name != "loss_scaler":
            np.testing.assert_array_equal(value.numpy(), state[name])
    assert optimizer.step(quadratic(p)) is True and optimizer.overflows == 0


def test_endless_overflow_stops():
    p = jt.array(np.float32([1.0]))
    optimizer = amp.ScaledOptimizer(SGD([p], 0.1), amp.LossScaler())
    broken = jt.array(np.float32([np.nan]))
    with pytest.raises(FloatingPointError, match="50 times in a row.*loss scale 1;"):
        for _ in range(50):
            optimizer.step((p * broken).sum())
    assert FloatingPointError in _expected(), "the command prints its message, without a traceback"


def test_the_scale_is_saved_and_restored():
    p = jt.array(np.float32([1.0]))
    optimizer = amp.ScaledOptimizer(SGD([p], 0.1, momentum=0.9), amp.LossScaler(scale=16))
    optimizer.step(quadratic(p))
    saved = {name: value.numpy() for name, value in optimizer.state().items()}
    other = amp.ScaledOptimizer(SGD([jt.array(np.float32([1.0]))], 0.1, momentum=0.9), amp.LossScaler())
    other.load_state(saved, optimizer.n_step)
    assert (other.scaler.scale, other.scaler.good_steps, other.n_step) == (16, 1, 1)
    del saved["loss_scaler"]
    other.load_state(saved, 1)  # a checkpoint made without mixed precision
