import jittor as jt
import numpy as np
import pytest

from jsra.ops import roi_align
from jsra.registry import ConfigError, build
from jsra.roi import FPNRoIExtractor, RoIAlign

CONFIG = dict(
    type="SingleRoIExtractor", roi_layer=dict(type="RoIAlign", output_size=3), out_channels=4, featmap_strides=[4, 8]
)


def rois(*sides):
    return np.array([[0, 1, 2, 1 + w, 2 + h] for w, h in sides], np.float32)


def test_each_roi_reads_its_level(rng):
    fine, coarse = jt.randn(1, 4, 60, 60), jt.randn(1, 4, 30, 30)
    boxes = rois((30, 40), (130, 120), (20, 20), (200, 90))
    out = build(CONFIG)([fine, coarse], jt.array(boxes)).numpy()
    assert out.shape == (4, 4, 3, 3)
    for k, features, scale in ((0, fine, 0.25), (1, coarse, 0.125), (2, fine, 0.25), (3, coarse, 0.125)):
        one = roi_align(features, jt.array(boxes[k : k + 1]), 3, scale, 0, True).numpy()
        np.testing.assert_allclose(out[k], one[0], atol=1e-5)


def test_layers_of_the_levels_own(rng):
    maps, boxes = [jt.randn(1, 4, 30, 30), jt.randn(1, 4, 15, 15)], jt.array(rois((30, 40), (120, 120), (20, 20)))
    shared = FPNRoIExtractor(RoIAlign(2), 4, (4, 8))
    separate = FPNRoIExtractor(RoIAlign(2), 4, (4, 8), per_level=True)
    assert len(separate.roi_layers) == 2 and separate.roi_layers[0] is not separate.roi_layers[1]
    np.testing.assert_allclose(separate(maps, boxes).numpy(), shared(maps, boxes).numpy(), atol=1e-6)
    assert list(separate(maps, boxes[:0]).shape) == [0, 4, 2, 2]


def test_no_rois_train():
    maps = [jt.randn(1, 4, 8, 8), jt.randn(1, 4, 4, 4)]
    out = build(CONFIG)(maps, jt.zeros((0, 5)))
    assert list(out.shape) == [0, 4, 3, 3]
    for grad in jt.grad(out.sum(), maps):
        assert np.abs(grad.numpy()).max() == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="feats: expected 2 maps"):
        build(CONFIG)([jt.randn(1, 4, 8, 8)], jt.zeros((0, 5)))
    with pytest.raises(ConfigError, match="strides"):
        build({**CONFIG, "strides": [4, 8]})


@pytest.mark.parametrize("returned", [None, np.zeros((2, 3, 7, 7)), jt.zeros((1, 3, 7, 7)), jt.zeros((1, 2, 3, 7, 7))])
def test_what_a_users_layer_returns(returned):
    class Own(RoIAlign):
        def execute(self, *_):
            return returned

    extractor = FPNRoIExtractor(Own(7), 3, (4,))
    with pytest.raises(ConfigError, match="Own: must return a Var .* for 2 RoIs, not"):
        extractor([jt.zeros((1, 3, 8, 8))], jt.array([[0.0, 0, 0, 9, 9], [0, 0, 0, 8, 8]]))
