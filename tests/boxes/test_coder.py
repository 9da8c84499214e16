"""The settings of the coder; the arithmetic is tested as operators (tests/ops/test_encode_boxes.py, test_decode_boxes.py)."""

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.coder import DeltaXYWHBBoxCoder


def var(*rows):
    return jt.array(np.float32([rows]))


def test_by_hand():
    """Reference 10 x 20 at (0, 0), centre (5, 10); target 20 x 20 at (5, 0), centre (15, 10)."""
    coder = DeltaXYWHBBoxCoder(stds=(0.1, 0.1, 0.2, 0.2))
    reference, target = var([0, 0, 10, 20]), var([5, 0, 25, 20])
    deltas = coder.encode(reference, target)
    np.testing.assert_allclose(deltas.numpy(), [[[10.0, 0.0, np.log(2) / 0.2, 0.0]]], rtol=1e-6)
    np.testing.assert_allclose(coder.decode(reference, deltas).numpy(), target.numpy(), atol=1e-4)
    sizes = jt.array(np.float32([[22, 15]]))
    np.testing.assert_allclose(coder.decode(reference, deltas, sizes).numpy(), [[[5, 0, 22, 15]]], atol=1e-4)
    free = DeltaXYWHBBoxCoder(stds=(0.1, 0.1, 0.2, 0.2), clip_border=False)
    np.testing.assert_allclose(free.decode(reference, deltas, sizes).numpy(), target.numpy(), atol=1e-4)


def test_sides_grow_by_at_most_the_clip():
    decoded = DeltaXYWHBBoxCoder(wh_ratio_clip=1 / 8).decode(var([0, 0, 2, 2]), var([0, 0, 100, -100])).numpy()[0, 0]
    np.testing.assert_allclose([decoded[2] - decoded[0], decoded[3] - decoded[1]], [2 * 8, 2 / 8], rtol=1e-4)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="4 positive stds"):
        DeltaXYWHBBoxCoder(stds=(1, 1, 0, 1))
