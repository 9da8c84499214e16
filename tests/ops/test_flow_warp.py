import jittor as jt
import numpy as np
import pytest

from jsra.ops import flow_warp, kernel
from jsra.ops.reference.flow_warp import flow_warp as reference
from tests.ops.tester import Case, OperatorTester


class TestFlowWarp(OperatorTester):
    op = staticmethod(flow_warp)
    reference = staticmethod(reference)
    vectors = "flow_warp.npz"

    def cases(self, rng):
        features = rng.standard_normal((2, 19, 5, 7))
        flow = rng.uniform(-3, 3, (2, 2, 5, 7))
        bad = flow.copy()
        bad[0, 0, 1, 1], bad[1, 1, 2, 3], bad[1, 0, 4, 6] = np.nan, np.inf, -np.inf
        return [
            Case("random", (features, flow), grad=(0, 1)),
            Case("not finite here and there", (features, bad), grad=(0,)),
            Case("far outside", (features, 1e9 * flow), grad=(0,)),
            Case("a map of one cell", (features[:, :, :1, :1], flow[:, :, :1, :1]), grad=(0,)),
            Case("no image", (features[:0], flow[:0]), grad=()),
        ]


@pytest.mark.parametrize("backend", ["native", "host_cuda"])
def test_by_hand(backend):
    """A row 0 10 20 30: from half a cell to the right it reads 5 15 25 and, at the border, 30."""
    row = jt.array(np.float32([[[[0, 10, 20, 30]]]]))
    flow = np.zeros((1, 2, 1, 4), np.float32)
    flow[0, 0] = 0.5
    with kernel.backend(backend):
        assert flow_warp(row, jt.array(flow)).numpy().ravel().tolist() == [5, 15, 25, 30]
        flow[0, 0] = -1
        flow[0, 1] = 7  # the one row is the border in y
        assert flow_warp(row, jt.array(flow)).numpy().ravel().tolist() == [0, 0, 10, 20]


def test_gradients_where_the_flow_is_not_finite():
    """No gradient comes back from such a cell, neither to the features nor to the flow."""
    features, flow = jt.array(np.ones((1, 1, 2, 2), np.float32)), np.zeros((1, 2, 2, 2), np.float32)
    flow[0, 0, 0, 0] = np.nan
    flow = jt.array(flow)
    to_features, to_flow = jt.grad(flow_warp(features, flow).sum(), [features, flow])
    jt.sync([to_features, to_flow])
    assert to_features.numpy().ravel().tolist() == [0, 1, 1, 1]
    assert to_flow.numpy()[0, :, 0, 0].tolist() == [0, 0]


def test_bad_arguments():
    features = jt.zeros((1, 3, 4, 5))
    with pytest.raises(ValueError, match=r"flow: expected shape \[1, 2, 4, 5\], got \[1, 2, 5, 4\]"):
        flow_warp(features, jt.zeros((1, 2, 5, 4)))
    with pytest.raises(ValueError, match="input: expected 4 dimensions"):
        flow_warp(features[0], jt.zeros((1, 2, 4, 5)))
