import jittor as jt
import numpy as np
import pytest

from jsra.ops import conv, fused_conv
from jsra.ops.conv import conv2d
from jsra.ops.kernel import backend
from tests.ops.test_fused_conv import skip_without_onednn

# channels, outputs, kernel, settings
FORMS = {
    "1 x 1": (20, 9, 1, {}),
    "1 x 1, stride 2": (20, 9, 1, dict(stride=2)),
    "1 x 1, padded": (20, 9, 1, dict(padding=1)),
    "3 x 3": (17, 16, 3, dict(padding=1)),
    "3 x 3, not padded": (17, 16, 3, {}),
    "3 x 3, padded by 3": (17, 16, 3, dict(padding=3)),
    "3 x 3, stride 2": (6, 5, 3, dict(stride=2, padding=1)),
    "3 x 3, dilated": (6, 5, 3, dict(padding=2, dilation=2)),
    "3 x 3, groups": (6, 8, 3, dict(padding=1, groups=2)),
    "5 x 2": (4, 6, (5, 2), dict(padding=(4, 0), dilation=(1, 3))),
}


@pytest.mark.parametrize("positions", (1, 512), ids=("Winograd", "product"))
@pytest.mark.parametrize("form", FORMS)
def test_values_and_gradients(rng, form, positions, monkeypatch):
    """Against Jittor's own convolution and its gradients in float64."""
    monkeypatch.setattr(fused_conv, "_WINOGRAD_MIN_POSITIONS", positions)
    monkeypatch.setattr(fused_conv, "_WEIGHT_GRAD_MIN", dict(channels=1, positions=positions))
    channels, outputs, kernel, settings = FORMS[form]
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    shapes = (2, channels, 9, 13), (outputs, channels // settings.get("groups", 1), *kernel), (outputs,)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    results = []
    for dtype in (np.float32, np.float64):
        inputs = [jt.array(a.astype(dtype)) for a in arrays]
        out = conv2d(*inputs, **settings)
        factors = jt.array(np.cos(np.arange(out.numel())).reshape(out.shape).astype(dtype))
        results.append([v.numpy() for v in [out, *jt.grad((out * factors).sum(), inputs)]])
    for got, expected in zip(*results):
        assert got.shape == expected.shape
        assert np.abs(got - expected).max() < 5e-6 * np.abs(expected).max()


@pytest.mark.parametrize("kernel", (1, 3))
def test_what_is_not_finite_stays_so(rng, kernel, monkeypatch):
    """In the output and in the gradients: otherwise a training that has diverged would go on with numbers from nowhere."""
    monkeypatch.setattr(fused_conv, "_WINOGRAD_MIN_POSITIONS", 1)
    monkeypatch.setattr(fused_conv, "_WEIGHT_GRAD_MIN", dict(channels=1, positions=1))
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((1, 17, 9, 13), (16, 17, kernel, kernel), (1, 16, 9, 13))]
    for place in range(3):
        for value in (np.nan, np.inf, -np.inf):
            broken = [a.copy() for a in arrays]
            broken[place].reshape(-1)[700 % arrays[place].size] = value
            x, weight, factors = map(jt.array, broken)
            out = conv2d(x, weight, padding=kernel // 2)
            found = [v.numpy() for v in [out, *jt.grad((out * factors).sum(), [x, weight])]]
            bits = [(f.view(np.uint32) & 0x7F800000 == 0x7F800000).any() for f in found]
            assert bits == [place < 2, place > 0, place != 1], (place, value)
            assert all(np.abs(f[np.isfinite(f)]).max() < 1e6 for f in found if np.isfinite(f).any())


@pytest.mark.parametrize("size, padding", [((70, 41), 1), ((5, 2), 2), ((1, 1), 1)], ids=str)
def test_weight_gradient_of_several_blocks(rng, size, padding):
    """Of oneDNN too: several blocks of tiles, the last of them smaller, and less than a tile."""
    skip_without_onednn()
    x, weight = (rng.standard_normal(s).astype(np.float32) for s in ((3, 5, *size), (4, 5, 3, 3)))
    with jt.no_grad():
        dout = conv2d(jt.array(x), jt.array(weight), padding=padding)
        got = fused_conv.conv_weight_grad(jt.array(x), dout, (padding, padding)).numpy()
        settings = 3, 3, 1, 1, padding, padding, 1, 1, 1
        expected = jt.compile_extern.mkl_ops.mkl_conv_backward_w(jt.array(x), dout, *settings).numpy()
    assert np.abs(got - expected).max() < 5e-6 * np.abs(expected).max()


def test_which_convolutions_run_on_the_own_kernel(rng, monkeypatch):
    skip_without_onednn()
    calls = []
    monkeypatch.setattr(conv, "fused_conv", lambda *a, **k: calls.append(a) or fused_conv.fused_conv(*a, **k))

    def count(**settings):
        calls.clear()
        shapes = (1, 4, 6, 6), (4, 4 // settings.get("groups", 1), 3, 3)
        x, weight = (jt.array(rng.standard_normal(shape).astype(np.float32)) for shape in shapes)
        jt.sync(jt.grad(conv2d(x, weight, **settings).sum(), [x, weight]))
        return len(calls)

    assert count(padding=1) == 2  # the output and the gradient of the input
    assert count(padding=3) == 1  # no gradient of a padding beyond the kernel's reach
    assert count(stride=2) == 1
    assert count(groups=2) == 0
    with backend("host_cuda"):
        assert count() == 0
