import jittor as jt
import numpy as np
import pytest

from jsra.ops import roi_align
from jsra.ops.conv import conv2d
from jsra.ops.linear import linear
from jsra.roi.align_conv import AnchorGuidedConv, LearnedOffsetConv, PlainConv, RoIConv, roi_conv_offset
from tests.ops.tester import derivatives, exact

STRIDE = 16
KERNELS = (3, 7, (3, 5))


def pair(kernel):
    return (kernel, kernel) if isinstance(kernel, int) else kernel


def own_fields(height, width, kernel):
    """The boxes [1, H * W, 4] that an ordinary convolution reads: AlignDet, equation 3."""
    rows, columns = pair(kernel)
    y, x = np.mgrid[:height, :width] - np.array([rows // 2, columns // 2]).reshape(2, 1, 1)
    boxes = np.stack([x, y, x + columns, y + rows], axis=-1).reshape(1, -1, 4) * STRIDE
    return jt.array(boxes.astype(np.float32))


def features(rng, *shape):
    return jt.array(rng.standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_own_field_of_a_convolution_is_that_convolution(rng, kernel):
    layer, x = RoIConv(6, 4, kernel), features(rng, 1, 6, 9, 11)
    layer.bias.update(features(rng, 4))
    expected = conv2d(x, layer.weight, layer.bias, padding=layer.padding).numpy()
    np.testing.assert_allclose(layer(x, own_fields(9, 11, kernel), STRIDE).numpy(), expected, atol=1e-5)
    plain = PlainConv(6, 4, kernel)
    plain.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(plain(x, own_fields(9, 11, kernel), STRIDE).numpy(), expected)


@pytest.mark.parametrize("kernel", KERNELS)
def test_roi_align_and_a_linear_layer(rng, kernel):
    """Of random boxes within the map, several a position: one sample a bin, then a product."""
    height, width, boxes_each, images = 10, 12, 2, 2
    layer, x = RoIConv(5, 3, kernel), features(rng, images, 5, height, width)
    layer.bias.update(features(rng, 3))
    corners = np.sort(rng.uniform(0.5, 1, (images, height * width * boxes_each, 2, 2)) * rng.uniform(0, 1), axis=2)
    corners = corners * [(width - 1) * STRIDE, (height - 1) * STRIDE] + STRIDE / 2
    boxes = corners.reshape(images, -1, 4).astype(np.float32)
    got = layer(x, jt.array(boxes), STRIDE).numpy()
    assert got.shape == (images * boxes_each, 3, height, width)
    index = np.repeat(np.arange(images), boxes.shape[1]).astype(np.float32)
    rois = jt.array(np.column_stack([index, boxes.reshape(-1, 4)]))
    pooled = roi_align(x, rois, pair(kernel), 1 / STRIDE, sampling_ratio=1, aligned=True)
    expected = linear(pooled.reshape(rois.shape[0], -1), layer.weight.reshape(3, -1), layer.bias).numpy()
    expected = expected.reshape(images, height, width, boxes_each, 3).transpose(0, 3, 4, 1, 2).reshape(got.shape)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_equation_4_by_hand():
    """Kernel 3, stride 16, the box (40, 24, 88, 120) at cell (X, Y) = (1, 2): sides of 3 and 6 cells.

    x: 2.5 - 1 + 1 + 0 = 2.5 for all columns; y: 1.5 - 2 + 1 + (6 / 3 - 1) (j + 0.5) = 1, 2, 3.
    """
    boxes = np.zeros((1, 12, 4), np.float32)
    boxes[0, 2 * 4 + 1] = 40, 24, 88, 120
    offset = roi_conv_offset(jt.array(boxes), (3, 4), STRIDE, (3, 3)).numpy()[0, :, 2, 1].reshape(3, 3, 2)
    np.testing.assert_allclose(offset[:, :, 1], 2.5)
    np.testing.assert_allclose(offset[:, :, 0], [[1, 1, 1], [2, 2, 2], [3, 3, 3]])


def test_gradients(rng):
    """To the features and the weights, against differences; none to the boxes."""
    layer = RoIConv(3, 2, 3)
    boxes = own_fields(4, 5, 3) + features(rng, 1, 20, 4) * 20
    x, weight = rng.standard_normal((1, 3, 4, 5)), rng.standard_normal((2, 3, 3, 3))
    out = rng.standard_normal((1, 2, 4, 5))
    layer.bias = exact(np.zeros(2))

    def loss(x, weight):
        layer.weight = exact(weight)
        variable = exact(x)
        return variable, (layer(variable, boxes.float64(), STRIDE) * exact(out)).sum()

    variable, value = loss(x, weight)
    value = value.float32()
    grads = jt.grad(value, [variable, layer.weight, boxes])
    jt.sync(grads)
    assert not grads[2].numpy().any()
    for i, (grad, source) in enumerate(zip(grads[:2], (x, weight))):
        direction = rng.standard_normal(source.shape)

        def moved(step, i=i, direction=direction):
            inputs = [x, weight]
            inputs[i] = inputs[i] + step * direction
            return float(loss(*inputs)[1].numpy()[0])

        analytic = float((grad.numpy() * direction).sum())
        assert any(abs(d - analytic) <= 1e-6 * max(1, abs(d)) for d in derivatives(moved)), analytic


@pytest.mark.parametrize("kind", [LearnedOffsetConv, AnchorGuidedConv])
def test_learned_offsets_begin_near_those_of_a_convolution(rng, kind):
    layer, x = kind(6, 4, 3), features(rng, 2, 6, 5, 5)
    layer.weight.update(features(rng, 4, 6, 3, 3))
    boxes = jt.array((rng.uniform(0, 40, (2, 25, 4)) + [0, 0, 50, 50]).astype(np.float32))
    got = layer(x, boxes, STRIDE).numpy()
    expected = conv2d(x, layer.weight, layer.bias, padding=1).numpy()
    distance = np.abs(got - expected).max()
    assert 0 < distance < 0.2 * np.abs(expected).max()
    grads = jt.grad((layer(x, boxes, STRIDE) ** 2).sum(), [layer.offsets.weight])
    assert np.abs(grads[0].numpy()).max() > 0


def test_anchor_guided_offsets_know_the_size_alone(rng):
    layer, x = AnchorGuidedConv(2, 3, 3).eval(), features(rng, 1, 2, 3, 3)
    boxes = jt.array((rng.uniform(0, 40, (1, 9, 4)) + [0, 0, 50, 50]).astype(np.float32))
    moved = layer.offset(x, boxes + 8.0, STRIDE).numpy()
    np.testing.assert_allclose(layer.offset(x, boxes, STRIDE).numpy(), moved, atol=1e-5)


def test_an_even_kernel_is_refused():
    with pytest.raises(ValueError, match="RoIConv: kernel_size must be odd, got 4"):
        RoIConv(2, 2, 4)


@pytest.mark.parametrize("kind", [PlainConv, LearnedOffsetConv, AnchorGuidedConv, RoIConv])
def test_maps_of_other_channels_are_refused(kind, rng):
    """With a multiple of the channels, the operator would compute a convolution in groups."""
    with pytest.raises(ValueError, match=f"{kind.__name__}: built for 3 channels, got 6: set in_channels"):
        kind(3, 2)(features(rng, 1, 6, 4, 4), jt.zeros((1, 16, 4)), 8)
