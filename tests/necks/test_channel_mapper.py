import jittor as jt
import numpy as np
import pytest

from jsra.necks.channel_mapper import ChannelMapper


def test_one_convolution_and_a_relu_for_each_map():
    neck = ChannelMapper([1, 2], out_channels=1, kernel_size=1)
    for conv, weights in zip(neck.convs, ([[2.0]], [[1.0, -3.0]])):
        conv.weight.update(jt.array(np.float32(weights).reshape(1, -1, 1, 1)))
    fine, coarse = np.float32([[[[1, -1]]]]), np.float32([[[[5]], [[1]]]])
    first, second = neck((jt.array(fine), jt.array(coarse)))
    assert first.numpy().tolist() == [[[[2, 0]]]] and second.numpy().tolist() == [[[[2]]]]
    with pytest.raises(ValueError, match="built for 2 maps, got 1"):
        neck((jt.array(fine),))
