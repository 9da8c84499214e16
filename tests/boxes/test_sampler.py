import numpy as np

from jsra.boxes.sampler import RandomSampler
from jsra.runtime.seed import get_rng_state, set_rng_state, set_seed

GT = np.float32([[0, 0, 10, 10], [5, 5, 9, 9]])


def numbered(n):
    """Boxes that carry their index."""
    return np.stack([np.arange(n), np.arange(n), np.arange(n) + 1, np.arange(n) + 1], axis=1).astype(np.float32)


def test_counts_and_order():
    matched = np.zeros(100, np.int32)
    matched[10:40] = 1
    matched[40:50] = 2
    matched[50:60] = -1
    s = RandomSampler(num=40, pos_fraction=0.5).sample(numbered(100), matched, GT)
    assert (s.num_pos, s.num_neg, s.avg_factor) == (20, 20, 40)
    assert ((s.index[:20] >= 10) & (s.index[:20] < 50)).all()
    assert (matched[s.index[20:]] == 0).all() and len(set(s.index)) == 40
    np.testing.assert_array_equal(s.gt_index, matched[s.index[:20]] - 1)
    np.testing.assert_array_equal(s.boxes, numbered(100)[s.index])


def test_few_positives_leave_room_for_negatives():
    matched = np.zeros(100, np.int32)
    matched[:3] = 1
    assert RandomSampler(num=40, pos_fraction=0.5).sample(numbered(100), matched, GT).num_neg == 37
    assert RandomSampler(num=40, pos_fraction=0.5, neg_pos_ub=2).sample(numbered(100), matched, GT).num_neg == 6


def test_ground_truth_as_proposals():
    s = RandomSampler(num=8, pos_fraction=0.5, add_gt_as_proposals=True).sample(numbered(4), np.zeros(4, np.int32), GT)
    assert s.num_pos == 2 and s.num_neg == 4
    np.testing.assert_array_equal(s.boxes[:2], GT)
    np.testing.assert_array_equal(s.gt_index, [0, 1])


def test_nothing_to_sample():
    empty = np.zeros((0, 4), np.float32)
    s = RandomSampler(num=8, pos_fraction=0.5, add_gt_as_proposals=True).sample(empty, np.zeros(0, np.int32), empty)
    assert s.boxes.shape == (0, 4) and s.num_pos == 0 and s.avg_factor == 2  # mmdet counts an absent kind as one


def test_the_state_of_the_generator_can_be_kept():
    sampler, matched = RandomSampler(num=10, pos_fraction=0.5), np.zeros(1000, np.int32)
    set_seed(5)
    first = sampler.sample(numbered(1000), matched, GT).index
    state = get_rng_state()
    second = sampler.sample(numbered(1000), matched, GT).index
    assert (first != second).any()
    set_rng_state(state)
    np.testing.assert_array_equal(sampler.sample(numbered(1000), matched, GT).index, second)
    set_seed(5)
    np.testing.assert_array_equal(sampler.sample(numbered(1000), matched, GT).index, first)
