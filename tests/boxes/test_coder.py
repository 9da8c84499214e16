import jittor as jt
import numpy as np
import pytest

from jsra.boxes.coder import DeltaXYWHBBoxCoder


def test_by_hand():
    """Reference 10 x 20 at (0, 0), centre (5, 10); target 20 x 20 at (5, 0), centre (15, 10)."""
    coder = DeltaXYWHBBoxCoder(stds=(0.1, 0.1, 0.2, 0.2))
    reference, target = np.float32([[0, 0, 10, 20]]), np.float32([[5, 0, 25, 20]])
    deltas = coder.encode(reference, target)
    np.testing.assert_allclose(deltas, [[10.0, 0.0, np.log(2) / 0.2, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(coder.decode(reference, deltas), target, atol=1e-4)
    np.testing.assert_allclose(coder.decode(reference, deltas, (15, 22)), [[5, 0, 22, 15]], atol=1e-4)


def test_there_and_back(rng):
    first = rng.uniform(0, 100, (50, 2))
    boxes = np.concatenate([first, first + rng.uniform(5, 80, (50, 2))], axis=1).astype(np.float32)
    targets = (boxes + rng.normal(0, 1.5, boxes.shape)).astype(np.float32)
    coder = DeltaXYWHBBoxCoder(means=(0.1, -0.2, 0.3, 0), stds=(0.5, 0.1, 0.2, 1))
    np.testing.assert_allclose(coder.decode(boxes, coder.encode(boxes, targets)), targets, atol=1e-3)


def test_sides_grow_by_at_most_the_clip():
    decoded = DeltaXYWHBBoxCoder().decode(np.float32([[0, 0, 2, 2]]), np.float32([[0, 0, 100, -100]]))
    width, height = decoded[0, 2] - decoded[0, 0], decoded[0, 3] - decoded[0, 1]
    np.testing.assert_allclose([width, height], [2 * 1000 / 16, 2 * 16 / 1000], rtol=1e-4)


def test_empty_sides_stay_finite():
    point = np.float32([[3, 3, 3, 3]])
    assert np.isfinite(DeltaXYWHBBoxCoder().encode(point, np.float32([[0, 0, 4, 0]]))).all()


def test_vars_as_arrays_with_gradient(rng):
    boxes, deltas = np.float32([[0, 0, 10, 20], [4, 4, 9, 8]]), rng.normal(0, 0.3, (2, 4)).astype(np.float32)
    coder = DeltaXYWHBBoxCoder()
    variable = jt.array(deltas)
    decoded = coder.decode(jt.array(boxes), variable, (18, 12))
    np.testing.assert_allclose(decoded.numpy(), coder.decode(boxes, deltas, (18, 12)), atol=1e-4)
    free = coder.decode(jt.array(boxes), variable)
    gradient = jt.grad(free.sum(), variable).numpy()
    np.testing.assert_allclose(gradient, [[20, 40, 0, 0], [10, 8, 0, 0]], atol=1e-4)  # both x move by pw, both y by ph
    encoded = coder.encode(jt.array(boxes), jt.array(boxes + 1)).numpy()
    np.testing.assert_allclose(encoded, coder.encode(boxes, boxes + 1), atol=1e-6)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="4 positive stds"):
        DeltaXYWHBBoxCoder(stds=(1, 1, 0, 1))
