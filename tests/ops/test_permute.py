import jittor as jt
import numpy as np
import pytest

import jsra.ops.permute as module
from jsra.ops.permute import permute


@pytest.fixture(params=[False, True], ids=["jittor", "as on the gpu without cuTT"])
def on_gpu(request, monkeypatch):
    """The way that a GPU without cuTT takes, on the CPU: there both operators have a kernel."""
    if request.param:

        class Flags:
            use_cuda = 1

        class Jittor:
            flags, compile_extern, fuse_transpose = Flags, object(), staticmethod(jt.fuse_transpose)

        monkeypatch.setattr(module, "jt", Jittor)
    return request.param


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("count", [2, 0])
def test_values_and_gradient(rng, on_gpu, axes, count):
    x = rng.standard_normal((count, 3, 4)).astype(np.float32)
    weight = rng.standard_normal([x.shape[a] for a in axes]).astype(np.float32)
    variable = jt.array(x)
    out = permute(variable, *axes)
    gradient = jt.grad((out * jt.array(weight)).sum(), variable)
    np.testing.assert_array_equal(out.numpy(), x.transpose(axes))
    np.testing.assert_array_equal(gradient.numpy(), weight.transpose(np.argsort(axes)))
