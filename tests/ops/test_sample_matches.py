import jittor as jt
import numpy as np
import pytest

from jsra.ops import sample_matches
from jsra.ops.reference.sample_matches import sample_keys
from jsra.ops.reference.sample_matches import sample_matches as reference
from tests.ops.tester import Case, OperatorTester


class TestSampleMatches(OperatorTester):
    op = staticmethod(sample_matches)
    reference = staticmethod(reference)
    tolerance = 0

    def cases(self, rng):
        matched = rng.integers(-1, 3, (3, 700)).astype(np.int32)
        matched[1] = np.where(rng.uniform(0, 1, 700) < 0.01, 1, 0)  # few positives
        matched[2] = -1
        keys = rng.integers(-(2**31), 2**31, matched.shape).astype(np.int32)
        ties = rng.integers(-1, 2, matched.shape).astype(np.int32)
        unsigned = rng.integers(0, 2**32, matched.shape).astype(np.uint32)
        return [
            Case("keys", (matched, keys, 64, 0.5), grad=()),
            Case("unsigned keys", (matched, unsigned, 64, 0.25), grad=()),
            Case("equal keys", (matched, ties, 50, 0.25), grad=()),
            Case("a seed", (matched, 12345678901, 64, 0.5), grad=()),
            Case("negatives bounded", (matched, 5, 64, 0.5), dict(neg_pos_ub=0.5), grad=()),
            Case("no negatives", (matched, 5, 64, 0.5), dict(neg_pos_ub=0), grad=()),
            Case("no positives wanted", (matched, keys, 8, 0.0), grad=()),
            Case("more than there are", (matched[:, :9], keys[:, :9], 20, 1.0), grad=()),
            Case("no boxes", (matched[:, :0], keys[:, :0], 4, 0.5), grad=()),
        ]


def test_by_hand():
    """Of the positives 1, 2, 5 those with keys 3 and 5; of the negatives 0, 3, 4 the two smallest keys, of which 7 twice."""
    matched, keys = jt.array(np.int32([[0, 4, 1, 0, 0, 2, -1]])), jt.array(np.int32([[7, 5, 9, 7, -2, 3, 0]]))
    index, num_pos, count = (v.numpy().tolist() for v in sample_matches(matched, keys, 4, 0.5))
    assert (index, num_pos, count) == ([[1, 5, 0, 4]], [2], [4])
    index, num_pos, count = (v.numpy().tolist() for v in sample_matches(matched, keys, 6, 0.4, neg_pos_ub=1))
    assert (index, num_pos, count) == ([[1, 5, 0, 4, -1, -1]], [2], [4])


def test_a_seed_draws_evenly():
    """1000 seeds: each of 40 boxes is one of the 10 drawn about 250 times (deviation 14); images differ."""
    matched = jt.array(np.zeros((2, 40), np.int32))
    drawn = np.stack([sample_matches(matched, seed, 10, 0.0)[0].numpy() for seed in range(1000)])
    counts = np.stack([np.bincount(drawn[:, b].reshape(-1), minlength=40) for b in range(2)])
    assert np.abs(counts - 250).max() < 75
    assert (drawn[:, 0] != drawn[:, 1]).any(axis=1).mean() > 0.99
    assert len(np.unique(sample_keys(3, 1, 1000))) == 1000


def test_bad_arguments():
    matched = jt.array(np.zeros((2, 5), np.int32))
    with pytest.raises(ValueError, match="num: expected an integer of at least 1"):
        sample_matches(matched, 1, 0, 0.5)
    with pytest.raises(ValueError, match="pos_fraction: expected 0 to 1"):
        sample_matches(matched, 1, 4, 50)
    with pytest.raises(ValueError, match=r"keys: expected the shape of matched, \[2, 5\]"):
        sample_matches(matched, matched[:, :3], 4, 0.5)
    with pytest.raises(ValueError, match="keys: expected a Var, or a seed"):
        sample_matches(matched, -1, 4, 0.5)
