import jittor as jt
import numpy as np
import pytest

from jsra.ops import masked_sum
from jsra.ops.reference.masked_sum import masked_sum as reference
from tests.ops.tester import Case, OperatorTester


class TestMaskedSum(OperatorTester):
    op = staticmethod(masked_sum)
    reference = staticmethod(reference)

    def cases(self, rng):
        def case(name, lengths, masks, channels, **settings):
            total = sum(lengths)
            offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
            logits, features = rng.standard_normal((total, masks)), rng.standard_normal((total, channels))
            return Case(name, (logits, features, offsets), settings, grad=(0, 1))

        return [
            case("plain", [5, 1, 12], 4, 6),
            case("vectors and tails", [20, 33], 49, 67, gamma=3.0),
            case("channels first", [20, 33], 49, 67, gamma=0.5, channels_first=True),
            case("whole vectors", [7, 9], 16, 32),
            case("RoIs without positions", [0, 3, 0, 2, 0], 3, 5),
            case("no positions at all", [0, 0], 3, 5, channels_first=True),
            case("no RoIs", [], 3, 5),
        ]


class TestMaskedSumWithMasks(TestMaskedSum):
    differentiable = (0, 1)

    def cases(self, rng):
        cases = super().cases(rng)
        for case in cases:
            case.settings["return_masks"] = True
        return cases


def test_by_hand():
    """Two positions with features 1 and 3. Logits 0 and ln 3: masks 1/4 and 3/4, sum 1/4 + 9/4 = 2.5."""
    logits = jt.array(np.log([[1.0], [3.0]]).astype(np.float32))
    features = jt.array(np.array([[1.0], [3.0]], np.float32))
    out, masks = masked_sum(logits, features, jt.array(np.array([0, 2], np.int32)), return_masks=True)
    np.testing.assert_allclose(masks.numpy()[:, 0], [0.25, 0.75], rtol=1e-5)
    np.testing.assert_allclose(out.numpy().ravel(), [2.5], rtol=1e-5)


def test_large_logits_do_not_overflow():
    logits = jt.array(np.array([[1e4], [1e4 - 1], [-1e4]], np.float32))
    features = jt.array(np.eye(3, dtype=np.float32))
    out = masked_sum(logits, features, jt.array(np.array([0, 3], np.int32)), gamma=50.0).numpy()
    np.testing.assert_allclose(out.ravel(), [1, 0, 0], atol=1e-6)


def test_bad_arguments():
    logits, features = jt.randn(6, 2), jt.randn(6, 3)
    with pytest.raises(ValueError, match="features: expected 6 rows"):
        masked_sum(logits, features[:5], jt.array(np.array([0, 6], np.int32)))
