import jittor as jt
import numpy as np
import pytest

from jsra.necks.fpn import FPN
from jsra.ops.upsample import upsample_nearest


def plain(**kwargs):
    """An FPN of one channel whose laterals multiply by 1 and 10 and whose 3x3 convolutions pass their input on."""
    fpn = FPN([1, 1], out_channels=1, **kwargs)
    for conv, factor in zip(fpn.lateral_convs, (1.0, 10.0)):
        conv.weight.assign(jt.full((1, 1, 1, 1), factor))
    centre = np.zeros((1, 1, 3, 3), np.float32)
    centre[0, 0, 1, 1] = 1
    for conv in fpn.fpn_convs:
        conv.weight.assign(jt.array(centre))
    return fpn


FINE = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
COARSE = np.float32([[[[1, 2], [3, 4]]]])
# Each coarse value, times 10, on its 2 x 2 cells.
MERGED = FINE + 10 * COARSE.repeat(2, axis=2).repeat(2, axis=3)


def test_top_down_and_pooled_level():
    p2, p3, p4 = (p.numpy() for p in plain(num_outs=3)([jt.array(FINE), jt.array(COARSE)]))
    np.testing.assert_array_equal(p2, MERGED)
    np.testing.assert_array_equal(p3, 10 * COARSE)
    np.testing.assert_array_equal(p4, [[[[10]]]])  # every second position, from the first


@pytest.mark.parametrize("extra, value", [("on_input", 1), ("on_lateral", 10), ("on_output", 10)])
def test_convolved_levels(extra, value):
    """A 3x3 stride-2 convolution that passes its centre reads position 0."""
    p = plain(num_outs=4, extra=extra)([jt.array(FINE), jt.array(COARSE)])
    assert p[2].numpy().item() == value and p[3].numpy().item() == value


def test_start_level_leaves_the_finest_out():
    fpn = plain(num_outs=1, start_level=1)
    assert len(fpn.lateral_convs) == 1
    np.testing.assert_array_equal(fpn([jt.array(FINE), jt.array(COARSE)])[0].numpy(), COARSE)


def test_the_finest_alone():
    """The coarser map still takes part; it has no convolution of its own."""
    fpn = plain(num_outs=1)
    assert len(fpn.lateral_convs) == 2 and len(fpn.fpn_convs) == 1
    (p2,) = fpn([jt.array(FINE), jt.array(COARSE)])
    np.testing.assert_array_equal(p2.numpy(), MERGED)


def test_upsampling_to_odd_sizes():
    """Position i of 5 reads floor(i * 3 / 5): 0 0 1 1 2; of 4 rows from 2: 0 0 1 1."""
    x = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    out = upsample_nearest(jt.array(x), (4, 5)).numpy()
    np.testing.assert_array_equal(out[0, 0], x[0, 0][[0, 0, 1, 1]][:, [0, 0, 1, 1, 2]])


def test_refusals():
    with pytest.raises(ValueError, match="extra must be one of pool, on_input"):
        FPN([1], extra="pooled")
    with pytest.raises(ValueError, match="2 maps from level 0 on, but num_outs is 0"):
        FPN([1, 1], num_outs=0)
    with pytest.raises(ValueError, match="built for 2 maps, got 1"):
        plain(num_outs=2)([jt.array(FINE)])
