"""AlignDet's two modules against a PyTorch transcription of the paper (make_aligndet.py), and wrong settings of the heads."""

import os

import jittor as jt
import numpy as np
import pytest

from jsra.boxes.anchors import AnchorGenerator
from jsra.boxes.coder import DeltaXYWHBBoxCoder
from jsra.boxes.matcher import MaxIoUAssigner
from jsra.boxes.structures import Targets
from jsra.detectors.aligndet import AlignDet
from jsra.detectors.retinanet import RetinaNet
from jsra.heads.aligned_head import AlignedHead
from jsra.heads.anchor_head import square_convs
from jsra.heads.retina_head import RetinaHead
from jsra.losses.focal import FocalLoss
from jsra.losses.l1 import SmoothL1Loss
from jsra.roi.align_conv import RoIConv
from tests.heads import aligndet_case as case


class Given(jt.nn.Module):
    """A backbone that gives the case's maps, whatever the images."""

    def __init__(self):
        super().__init__()
        self.maps = [jt.array(f) for f in case.features()]

    def execute(self, images):
        return self.maps


def parts(positive, negative):
    return dict(
        box_coder=DeltaXYWHBBoxCoder(),
        assigner=MaxIoUAssigner(positive, negative),
        loss_cls=FocalLoss(),
        loss_box=SmoothL1Loss(beta=case.BETA),
        num_classes=case.CLASSES,
    )


def aligned_head(**kwargs):
    settings = dict(align=RoIConv(case.CHANNELS, case.WIDTH, case.KERNEL), strides=case.STRIDES, **parts(0.7, 0.7))
    return AlignedHead(**{**settings, **kwargs})


@pytest.fixture
def model():
    anchors = AnchorGenerator(strides=case.STRIDES, scales=(case.SCALE,), ratios=(1.0,))
    dpm = RetinaHead(anchors, case.CHANNELS, case.CHANNELS, stacked_convs=1, **parts(0.4, 0.3))
    model = AlignDet(Given(), dpm, aligned_head())
    weights, state = case.weights(), model.state_dict()
    assert weights.keys() == {name for name in state if not name.startswith("backbone.")}
    for name, array in weights.items():
        state[name].update(jt.array(array))
    return model


def test_equal_to_the_transcription(model):
    """Refined anchors, outputs, the four losses, and the gradients to the maps and to every weight."""
    with np.load(os.path.join(os.path.dirname(__file__), "aligndet.npz")) as stored:
        expected = dict(stored)
    boxes, labels = case.truths()
    images = jt.zeros((1, 3, case.SIZES[0][0] * case.STRIDES[0], case.SIZES[0][1] * case.STRIDES[0]))
    model.train()
    losses = model(images, [dict(bboxes=boxes, labels=labels)])
    named = {**model.state_dict(), **dict(enumerate(model.backbone.maps))}
    wanted = [name for name in expected if name.startswith("grad/")]
    variables = [named[int(name[5:]) if name[5:].isdigit() else name[5:]] for name in wanted]
    gradients = jt.grad(sum(losses.values()), variables)
    jt.sync(gradients)
    for name, loss in losses.items():
        np.testing.assert_allclose(loss.item(), expected[name], rtol=1e-4, err_msg=name)
    for name, gradient in zip(wanted, gradients):
        atol = 1e-4 * np.abs(expected[name]).max()
        np.testing.assert_allclose(gradient.numpy(), expected[name], atol=atol, err_msg=name)

    feats = model.backbone.maps
    targets = Targets([dict(img_size=images.shape[:1:-1], ori_img_size=images.shape[:1:-1])], training=False)
    refined = model.dpm.decode(model.dpm.deltas(feats), model.dpm.anchors(feats), targets)
    np.testing.assert_allclose(refined.numpy()[0], expected["refined"], atol=1e-3)
    for name, maps in zip(("logits", "deltas"), model.adm.forward_levels(feats, refined)):
        rows = np.concatenate([m.numpy()[0].reshape(m.shape[1], -1).T for m in maps])
        np.testing.assert_allclose(rows, expected[name], atol=1e-4 * np.abs(expected[name]).max(), err_msg=name)


def test_the_finest_level_may_have_its_own_convolution():
    head = aligned_head(align_finest=RoIConv(case.CHANNELS, case.WIDTH, 1))
    for conv in (head.align, head.align_finest):
        conv.weight.update(jt.ones(conv.weight.shape))
    anchors = AnchorGenerator(strides=case.STRIDES, scales=(1.0,), ratios=(1.0,))  # within the maps, but at their border
    feats = [jt.ones((1, case.CHANNELS, *size)) for size in case.SIZES]
    seen = []
    head.tower = lambda convs, x: seen.append(x.numpy().max()) or x
    head.forward_levels(feats, anchors.grids(case.SIZES).unsqueeze(0))
    np.testing.assert_allclose(seen, [case.CHANNELS, case.CHANNELS * case.KERNEL**2], rtol=1e-6)


def test_refusals(model):
    with pytest.raises(ValueError, match="align gives 6 channels but align_finest 5"):
        aligned_head(align_finest=RoIConv(case.CHANNELS, 5, 1))
    with pytest.raises(ValueError, match="AlignedHead: 2 strides but 1 feature maps"):
        model.adm.forward_levels(model.backbone.maps[:1], jt.zeros((1, 48, 4)))
    with pytest.raises(ValueError, match=r"the head \(AlignedHead\) needs an anchor_generator"):
        RetinaNet(Given(), model.adm)
    with pytest.raises(ValueError, match="dpm must be a RetinaHead and adm an AlignedHead"):
        AlignDet(Given(), model.dpm, model.dpm)


def test_convolutions_keep_the_size_of_a_map():
    for kernel in (2, 4):
        with pytest.raises(ValueError, match=f"conv_kernel.* must be odd, it is {kernel}"):
            square_convs([3, 3], kernel)
    assert list(square_convs([3, 2], 5)[0](jt.zeros((1, 3, 6, 7))).shape) == [1, 2, 6, 7]
