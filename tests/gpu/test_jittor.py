"""Jittor's own operators that detectors use: on the GPU against the CPU."""

import jittor as jt
import numpy as np
import pytest

from tests.ops.tester import compare


def product(a, b):
    return [jt.matmul(a, b)]


def selections(a, _):
    return [jt.where(a > 0)[0], jt.argsort(a, dim=1)[1], jt.nn.softmax(a, dim=1), a.cumsum(0)]


def convolution(a, b, stride=1):
    image, kernel = a.reshape(2, 4, 50, 150), b.reshape(50, 4, 10, 10)
    y = jt.nn.conv2d(image, kernel, padding=1, stride=stride)
    return [y, *jt.grad((y * y).mean(), [image, kernel])]


def strided(a, b):
    return convolution(a, b, stride=2)


@pytest.mark.parametrize("function", [product, selections, convolution, strided], ids=lambda f: f.__name__)
def test_the_gpu_gives_what_the_cpu_gives(function, gpu, rng):
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((300, 200), (200, 100)))
    found = {}
    for use_cuda in (1, 0):
        jt.flags.use_cuda = use_cuda
        found[use_cuda] = [r.numpy() for r in function(jt.array(a), jt.array(b))]
    jt.flags.use_cuda = 1
    compare(found[1], found[0], 1e-4, function.__name__)
