import jittor as jt
import numpy as np
import pytest

from jsra.ops.depthwise_conv2d import depthwise_conv2d
from jsra.ops.reference.depthwise_conv2d import depthwise_conv2d as reference
from tests.ops.tester import Case, OperatorTester


class TestDepthwiseConv2d(OperatorTester):
    op = staticmethod(depthwise_conv2d)
    reference = staticmethod(reference)
    vectors = "depthwise_conv2d.npz"

    def cases(self, rng):
        def case(name, shape, kernel, bias=True, **settings):
            x, weight = rng.standard_normal(shape), rng.standard_normal((shape[-1], 1, *kernel))
            inputs = (x, weight, rng.standard_normal(shape[-1]) if bias else None)
            return Case(name, inputs, settings, grad=(0, 1, 2) if bias else (0, 1))

        return [
            case("3 x 3", (2, 5, 6, 7), (3, 3), padding=1),
            case("more channels than a block", (1, 3, 4, 70), (3, 3), padding=1),
            case("stride 2, no bias", (1, 6, 5, 3), (3, 3), bias=False, stride=2, padding=1),
            case("a window reaches beyond both edges", (1, 2, 2, 2), (5, 5), padding=2),
            case("3 x 1, no padding", (1, 4, 3, 2), (3, 1)),
            case("no images", (0, 4, 3, 2), (3, 3), padding=1),
        ]


def test_identity_kernel_passes_the_map(rng):
    x = rng.standard_normal((1, 3, 4, 2)).astype(np.float32)
    weight = np.zeros((2, 1, 3, 3), np.float32)
    weight[:, :, 1, 1] = 1
    np.testing.assert_array_equal(depthwise_conv2d(jt.array(x), jt.array(weight), padding=1).numpy(), x)


def test_bad_input():
    x = jt.zeros((1, 3, 3, 2))
    with pytest.raises(ValueError, match=r"weight: expected shape \[2, 1, kh, kw\], got \[3, 1, 3, 3\]"):
        depthwise_conv2d(x, jt.zeros((3, 1, 3, 3)))
    with pytest.raises(ValueError, match="smaller than the kernel"):
        depthwise_conv2d(x, jt.zeros((2, 1, 5, 5)))
