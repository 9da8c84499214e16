import jittor as jt
import numpy as np

from jsra.boxes.sampler import RandomSampler
from jsra.boxes.structures import Matches
from jsra.runtime.seed import get_rng_state, set_rng_state, set_seed
from tests.boxes.batch import truth

GT = [[0, 0, 10, 10], [5, 5, 9, 9]]


def numbered(n):
    """Boxes that carry their index."""
    return jt.array(np.stack([np.arange(n), np.arange(n), np.arange(n) + 1, np.arange(n) + 1], axis=1).astype(np.float32))


def sample(sampler, matched, objects):
    matched = np.atleast_2d(np.int32(matched))
    matches = Matches(jt.array(matched), jt.array(matched / 10.0).float32())
    found = sampler.sample(numbered(matched.shape[1]), matches, objects)
    return type(found)(*(v.numpy() if isinstance(v, jt.Var) else v for v in found))


def test_counts_order_and_fields():
    matched = np.zeros((2, 100), np.int32)
    matched[0, 10:40], matched[0, 40:50], matched[0, 50:60] = 1, 2, -1
    matched[1, 7] = 1
    s = sample(RandomSampler(num=40, pos_fraction=0.5), matched, truth(GT, GT[:1], labels=[[3, 4], [5]]))
    assert s.num_pos.tolist() == [20, 1] and s.count.tolist() == [40, 40] and s.max_pos == 20
    assert ((s.index[0, :20] >= 10) & (s.index[0, :20] < 50)).all() and s.index[1, 0] == 7
    assert (matched[0, s.index[0, 20:]] == 0).all() and len(set(s.index[0])) == 40
    np.testing.assert_array_equal(s.gt_index[0], matched[0, s.index[0]] - 1)
    np.testing.assert_array_equal(s.labels[0], np.int32([0, 3, 4])[matched[0, s.index[0]]])
    np.testing.assert_array_equal(s.gt_boxes[1, :2], [GT[0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(s.boxes[0], numbered(100).numpy()[s.index[0]])
    np.testing.assert_allclose(s.iou[0, :20], matched[0, s.index[0, :20]] / 10)
    assert s.labels[1].tolist() == [5] + [0] * 39 and (s.weights == 1).all() and (s.is_gt == 0).all()


def test_few_positives_leave_room_for_negatives():
    matched = [1] * 3 + [0] * 97
    assert sample(RandomSampler(num=40, pos_fraction=0.5), matched, truth(GT)).count.tolist() == [40]
    s = sample(RandomSampler(num=40, pos_fraction=0.5, neg_pos_ub=2), matched, truth(GT))
    assert s.num_pos.tolist() == [3] and s.count.tolist() == [9]
    assert s.weights.tolist() == [[1] * 9 + [0] * 31] and (s.boxes[0, 9:] == 0).all() and (s.index[0, 9:] == -1).all()


def test_ground_truth_as_proposals():
    """Of the second image, without objects, the two rows for ground truths are none."""
    sampler = RandomSampler(num=8, pos_fraction=0.5, add_gt_as_proposals=True)
    s = sample(sampler, np.zeros((2, 4)), truth(GT, []))
    assert s.num_pos.tolist() == [2, 0] and s.count.tolist() == [6, 4]
    np.testing.assert_array_equal(s.boxes[0, :2], GT)
    assert s.gt_index.tolist() == [[0, 1] + [-1] * 6, [-1] * 8]
    assert s.is_gt.tolist() == [[1, 1] + [0] * 6, [0] * 8] and s.iou[0].tolist() == [1, 1] + [0] * 6
    assert s.index[1].tolist() == [2, 3, 4, 5, -1, -1, -1, -1]


def test_the_state_of_the_generator_can_be_kept():
    sampler, matched, objects = RandomSampler(num=10, pos_fraction=0.5), np.zeros(1000), truth(GT)
    set_seed(5)
    first = sample(sampler, matched, objects).index
    state = get_rng_state()
    second = sample(sampler, matched, objects).index
    assert (first != second).any()
    set_rng_state(state)
    np.testing.assert_array_equal(sample(sampler, matched, objects).index, second)
    set_seed(5)
    np.testing.assert_array_equal(sample(sampler, matched, objects).index, first)
