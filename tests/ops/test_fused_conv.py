import jittor as jt
import numpy as np
import pytest

from jsra.backbones.norm import BatchNorm2d
from jsra.ops import conv
from jsra.ops import fused_conv as module
from jsra.ops.conv import Conv2d
from jsra.ops.fused_conv import conv_norm_relu, fused_conv
from jsra.ops.kernel import backend
from jsra.ops.reference.fused_conv import fused_conv as reference

SIZE = (9, 23)
# channels, outputs, kernel, settings
FORMS = {
    "1 x 1": (20, 9, 1, {}),
    "1 x 1, stride 2": (20, 9, 1, dict(stride=2)),
    "1 x 1, padded": (20, 9, 1, dict(padding=1)),
    "Winograd": (20, 40, 3, dict(padding=1)),
    "Winograd, not padded": (17, 16, 3, {}),
    "Winograd, padded by 2": (17, 16, 3, dict(padding=(2, 1))),
    "3 x 3 of few positions": (20, 40, 3, dict(padding=1)),
    "3 x 3 of few channels": (3, 20, 3, dict(padding=1)),
    "3 x 3, stride 2": (20, 17, 3, dict(stride=2, padding=1)),
    "3 x 3, dilated": (20, 17, 3, dict(padding=2, dilation=2)),
    "3 x 3, stride 3": (20, 17, 3, dict(stride=(3, 1), padding=1)),
    "7 x 7": (3, 16, 7, dict(stride=2, padding=3)),
    "5 x 2": (4, 6, (5, 2), dict(padding=(4, 0), dilation=(1, 3))),
}


def skip_without_onednn():
    if jt.flags.use_cuda or getattr(jt.compile_extern, "mkl_ops", None) is None:
        pytest.skip("the kernel needs the CPU and oneDNN")


@pytest.fixture(autouse=True)
def cpu_with_onednn():
    skip_without_onednn()


def arrays(rng, channels, outputs, kernel, batch=2, size=SIZE):
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    shapes = (batch, channels, *size), (outputs, channels, *kernel), (outputs,)
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def distance(got, expected):
    """Relative to the largest expected value."""
    assert got.shape == expected.shape
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("form", FORMS)
def test_values(rng, form, monkeypatch):
    channels, outputs, kernel, settings = FORMS[form]
    if form.startswith("Winograd"):
        monkeypatch.setattr(module, "_WINOGRAD_MIN_POSITIONS", 1)
    x, weight, bias = arrays(rng, channels, outputs, kernel)
    plain = reference(x, weight, bias, **settings)
    other = np.ascontiguousarray(weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])
    assert distance(fused_conv(*map(jt.array, (x, other, bias)), turned=True, **settings).numpy(), plain) < 3e-6
    assert distance(fused_conv(*map(jt.array, (x, weight, bias)), **settings).numpy(), plain) < 3e-6
    for shape in (plain.shape, (*plain.shape[:2], (plain.shape[2] + 1) // 2, plain.shape[3] - 1)):
        added = rng.standard_normal(shape).astype(np.float32)
        scale = rng.uniform(-1, 1, outputs).astype(np.float32)
        got = fused_conv(*map(jt.array, (x, weight, bias, scale, added)), relu=True, **settings).numpy()
        assert distance(got, reference(x, weight, bias, scale, added, relu=True, **settings)) < 3e-6
        assert got.min() == 0.0
        got = fused_conv(*map(jt.array, (x, other, bias, scale, added)), relu=True, turned=True, **settings).numpy()
        assert distance(got, reference(x, other, bias, scale, added, relu=True, turned=True, **settings)) < 3e-6


def test_many_blocks_give_what_one_gives(rng):
    """A map of several blocks of positions and of tiles, the last of them smaller."""
    for channels, kernel, padding in ((24, 1, 0), (24, 3, 1)):
        x, weight, bias = arrays(rng, channels, 16, kernel, batch=1, size=(61, 130))
        got = fused_conv(*map(jt.array, (x, weight, bias)), padding=padding).numpy()
        assert distance(got, reference(x, weight, bias, padding=padding)) < 3e-6


def test_one_position_and_wrong_arguments(rng):
    x, weight, bias = map(jt.array, arrays(rng, 16, 16, 3, size=(1, 1)))
    expected = reference(x.numpy(), weight.numpy(), bias.numpy(), padding=1)
    assert distance(fused_conv(x, weight, bias, padding=1).numpy(), expected) < 3e-6
    with pytest.raises(ValueError, match="smaller than the kernel"):
        fused_conv(x, weight, bias)
    with pytest.raises(ValueError, match="needs 16"):
        fused_conv(x[:, :8], weight, bias, padding=1)
    with pytest.raises(ValueError, match="added"):
        fused_conv(x, weight, bias, added=x[:, :8], padding=1)


def counted(monkeypatch):
    """A list that grows by one with each convolution that is fused with what follows it: not with those of conv2d."""
    calls, run = [], module.run

    def alone(*args, **settings):
        before = list(calls)
        out = fused_conv(*args, **settings)
        calls[:] = before
        return out

    monkeypatch.setattr(module, "run", lambda *a, **k: calls.append(a) or run(*a, **k))
    monkeypatch.setattr(conv, "fused_conv", alone)
    return calls


def random_norm(rng, channels):
    norm = BatchNorm2d(channels)
    for var in norm.state_dict().values():
        var.update(jt.array(rng.uniform(0.5, 1.5, var.shape).astype(np.float32)))
    return norm


def test_a_norm_is_folded_and_weights_are_always_the_models(rng, monkeypatch):
    conv, norm = Conv2d(16, 16, 3, padding=1), random_norm(rng, 16)
    x = jt.array(arrays(rng, 16, 16, 3)[0])
    conv.eval(), norm.eval()
    for _ in range(2):
        expected = np.maximum(norm(conv(x)).numpy(), 0)
        calls = counted(monkeypatch)
        with jt.no_grad():
            got = conv_norm_relu(x, conv, norm, relu=True).numpy()
        assert len(calls) == 1
        assert distance(got, expected) < 3e-6
        conv.weight.update(conv.weight * 2.0)
        norm.running_mean.update(norm.running_mean + 1.0)


def test_training_gradients_hooks_and_groups_take_the_modules(rng, monkeypatch):
    calls = counted(monkeypatch)
    x = jt.array(arrays(rng, 16, 16, 3)[0])

    def run(conv, norm, training=False, grad=False, hook=False):
        for part in (conv, norm):
            part.train() if training else part.eval()
        if hook:
            norm.register_forward_hook(lambda *_: None)
        if grad:
            return conv_norm_relu(x, conv, norm).numpy()
        with jt.no_grad():
            return conv_norm_relu(x, conv, norm).numpy()

    def parts(groups=1):
        return Conv2d(16, 16, 3, padding=1, groups=groups), random_norm(rng, 16)

    run(*parts(), training=True)
    run(*parts(), grad=True)
    run(*parts(), hook=True)
    run(*parts(groups=2))
    with backend("host_cuda"):
        run(*parts())
    assert calls == []
    run(*parts())
    assert len(calls) == 1
