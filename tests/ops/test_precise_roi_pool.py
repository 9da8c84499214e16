import jittor as jt
import numpy as np

from jsra.ops.precise_roi_pool import precise_roi_pool
from jsra.ops.reference.precise_roi_pool import precise_roi_pool as reference
from tests.ops.rois import DEGENERATE, EMPTY, MISSING_LEVELS, random_rois
from tests.ops.tester import Case, OperatorTester


def split(op, join):
    """The operator with batch indices and boxes apart, since only the boxes can be moved."""

    def call(input, index, boxes, **settings):
        return op(input, join([index, boxes], 1), **settings)

    return call


class TestPreciseRoIPool(OperatorTester):
    op = staticmethod(split(precise_roi_pool, jt.concat))
    reference = staticmethod(split(reference, np.concatenate))

    def cases(self, rng):
        features, rois = rng.standard_normal((2, 3, 13, 17)), random_rois(rng, 6, 2, 60, 50)
        tiny = rois.copy()
        tiny[:, 3:] = tiny[:, 1:3] + rng.uniform(0.5, 2, (6, 2))
        levels = [rng.standard_normal((2, 8, 15, 16)), rng.standard_normal((2, 8, 8, 8))]
        settings = dict(output_size=(3, 2), spatial_scale=0.25)

        def case(name, input, rois, grad=(0, 2), **more):
            return Case(name, (input, rois[:, :1], rois[:, 1:]), dict(settings, **more), grad)

        return [
            case("plain", features, rois),
            case("larger than the map", features, np.array([[0.0, -50, -90, 200, 300]])),
            case("smaller than a cell", features, tiny),
            # Differences of a NaN or of an empty box say nothing: the boxes' gradient is tested below.
            case("degenerate", features, np.concatenate([DEGENERATE, EMPTY]), grad=(0,)),
            case("missing levels", levels, rois, spatial_scale=[0.25, 0.125], levels=jt.array(MISSING_LEVELS)),
            case("none", features, rois[:0], grad=(0,)),
            case("pyramid", levels, rois, spatial_scale=[0.25, 0.125], levels=jt.array([0, 1, 1, 0, 1, 0])),
        ]


def test_against_dense_numerical_integration(rng):
    """The midpoint rule on a fine mesh over each bin of the bilinear surface."""
    image, box, bins, steps = rng.standard_normal((9, 11)), np.array([1.3, -0.4, 9.1, 7.7]), 3, 400
    out = precise_roi_pool(
        jt.array(image[None, None].astype("float32")), jt.array([[0.0, *box]]), bins, spatial_scale=1.0
    ).numpy()[0, 0]

    def surface(points, size):
        return np.maximum(0, 1 - np.abs(points[:, None] - np.arange(size)))

    mesh = (np.arange(bins * steps) + 0.5) / (bins * steps)
    values = surface(box[1] + mesh * (box[3] - box[1]), 9) @ image @ surface(box[0] + mesh * (box[2] - box[0]), 11).T
    expected = values.reshape(bins, steps, bins, steps).mean(axis=(1, 3))
    assert np.abs(out - expected).max() < 1e-4


def test_by_hand():
    """One bin over [0, 1] x [0, 1] of a unit ramp in x: the mean of x over it is 1/2; over [1, 3] it is 2."""
    features = jt.array(np.tile(np.arange(5, dtype="float32"), (5, 1))[None, None])
    out = precise_roi_pool(features, jt.array([[0.0, 0, 0, 1, 1], [0, 1, 1, 3, 3]]), 1).numpy()
    assert np.allclose(out.ravel(), [0.5, 2.0])


def test_no_gradient_to_degenerate_boxes():
    rois = jt.array([[0.0, 3, 3, 3, 9], [0, np.nan, 1, 4, 4], [0, 5, 5, 2, 2], [-1, 1, 1, 6, 6], [0, 1, 1, 6, 6]])
    features = jt.array(np.arange(64, dtype="float32").reshape(1, 1, 8, 8))
    grad = jt.grad(precise_roi_pool(features, rois, 2).sum(), rois).numpy()
    assert (grad[:4] == 0).all() and (grad[4, 0] == 0) and (grad[4, 1:] != 0).all()
