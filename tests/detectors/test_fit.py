"""Parts that do not fit together are refused when the run is built."""

import functools

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.config import load_config
from jsra.data.masks import InstanceMasks
from jsra.detectors.detector import Detector
from jsra.detectors.fit import check_fit, within
from jsra.registry import ConfigError, build
from jsra.resources import folder


def model(name, *overrides):
    config = load_config(f"{folder('jdet_configs')}/mini/{name}.py", overrides)
    return build(config["model"], "model", "detector")


MASK = np.ones((1, 64, 64), np.uint8)
FASTER, RETINA, MASKED = "puppets_r18_fpn_roi_align", "puppets_retinanet_r18_fpn", "puppets_mask_r18_fpn_roi_align"


FITTING = (FASTER, "puppets_r18_fpn_sra", "puppets_faster_rcnn_r18_c4", RETINA, "puppets_aligndet_r18_fpn_3x3")


@pytest.mark.parametrize("name", FITTING)
def test_what_fits(name):
    built = model(name)
    jt.sync_all()
    built.train()
    check_fit(built)
    assert built.is_training()


@pytest.mark.parametrize(
    "name, override, words",
    [
        (FASTER, "model.neck.in_channels=[64, 64, 128, 256]",
         r"^model.neck.lateral_convs.0: conv2d: input has 32 channels, the weight needs 64; correct this part of the config"),
        (FASTER, "model.neck.in_channels=[32, 64, 128]", "^model.neck: FPN: built for 3 maps, got 4; correct"),
        (FASTER, "model.backbone.out_indices=[2, 3]", "^model.neck: FPN: built for 4 maps, got 2"),
        (FASTER, "model.rpn.in_channels=32", "^model.rpn.*: conv2d: input has 64 channels, the weight needs 32"),
        (FASTER, "model.neck.num_outs=4", r"^model.rpn.anchor_generator.strides: 5 strides \[4, 8, 16, 32, 64\] for 4 maps"),
        (FASTER, "model.rpn.anchor_generator.strides=[8, 16, 32, 64, 128]",
         r"strides is \[8, 16, 32, 64, 128\], but the strides of the maps are 4, 8, 16, 32, 64: boxes would be at wrong"),
        (FASTER, "model.rpn.anchor_generator.strides=[2, 4, 8, 16, 32]", "the strides of the maps are 4, 8, 16, 32, 64"),
        (FASTER, "model.roi_head.box.extractor.featmap_strides=[8, 16, 32, 64]",
         r"^model.roi_head.box.extractor.featmap_strides is \[8, 16, 32, 64\], but the strides of the maps are 4, 8, 16, 32"),
        (FASTER, "model.roi_head.box.extractor.featmap_strides=[4, 8, 16, 32, 64, 128]", "6 strides for 5 maps"),
        (FASTER, "model.roi_head.box.extractor.out_channels=32",
         r"^model.roi_head.box.extractor.out_channels is 32, but the maps have \[64, 64, 64, 64\] channels"),
        (RETINA, "model.head.anchor_generator.strides=[4, 8, 16, 32, 64]", "^model.head.anchor_generator.strides is"),
        (RETINA, "model.head.in_channels=32", "^model.head.*: conv2d: input has"),
        (MASKED, "model.roi_head.branches.mask.extractor.roi_layer.output_size=[14, 10]",
         r"^model.roi_head.mask.extractor.roi_layer.output_size is \[14, 10\]: masks are squares, so give one number"),
    ],
)  # fmt: skip
def test_what_does_not_fit(name, override, words):
    with pytest.raises(ConfigError, match=words):
        check_fit(model(name, override))


class Own(nn.Module):
    def __init__(self, made):
        super().__init__()
        self.conv, self.made = nn.Conv(3, 8, 7, 4, 3), made

    def execute(self, images):
        return self.made(self.conv(images))


@pytest.mark.parametrize(
    "made, words",
    [
        (lambda x: None, r"^model.backbone \(Own\): must return a list of maps \[B, C, H, W\], finest first, not NoneType"),
        (lambda x: x, "not Var"),
        (lambda x: {0: x}, "not dict"),
        (lambda x: [x.mean((2, 3))], r"not shapes \[\[1, 8\]\]"),
        (lambda x: [x[:, :4]] * 4, "^model.neck.lateral_convs.0: conv2d: input has 4 channels"),
        (lambda x: [x] * 4, r"the strides of the maps are 4, 4, 4, 4"),
    ],
)
def test_an_own_backbone(made, words):
    built = model(FASTER, "model.neck.in_channels=[8, 8, 8, 8]", "model.neck.num_outs=4", "model.backbone.base_channels=8")
    built.backbone = Own(made)
    built.rpn.anchor_generator.strides = built.rpn.anchor_generator.strides[:4]
    with pytest.raises(ConfigError, match=words):
        check_fit(built)


def test_a_fault_in_an_own_part_keeps_its_traceback():
    built = model(FASTER).eval()
    built.backbone = Own(lambda x: int("x"))
    with pytest.raises(ValueError, match="invalid literal") as caught:
        within(built, lambda: built(jt.zeros((1, 3, 64, 64))))
    assert not isinstance(caught.value, ConfigError)


class Tokens(nn.Module):
    """A backbone for images of 512 pixels; what it returns is for its own neck."""

    def __init__(self):
        super().__init__()
        self.position = jt.zeros((1, 8, 64, 64))

    def execute(self, images):
        return {"map": images[:, :1, ::8, ::8].repeat(1, 8, 1, 1) + self.position}


class Levels(nn.Module):
    def execute(self, found):
        return [found["map"], found["map"][:, :, ::2, ::2]]


class Routed(Detector):
    """It adds a channel to the images, and its head reads the coarser map alone."""

    def __init__(self, backbone, neck, strides):
        super().__init__(backbone, neck)
        self.anchor_generator = type("Anchors", (), {"strides": strides})()

    def features(self, images):
        return super().features(jt.concat([images, images[:, :1]], dim=1))

    def execute(self, images, targets=None):
        return self.features(images)[1:]


def test_own_parts_that_fit():
    """An own backbone that needs another size, what it gives to an own neck, and maps that an own detector chooses."""
    check_fit(Routed(Tokens(), Levels(), [(16, 16)]))
    sized = Tokens()
    sized.position = jt.zeros((1, 8, 32, 32))
    check_fit(Routed(sized, Levels(), [(16, 16)]))
    check_fit(Routed(sized, Levels(), [16, 32]))  # it may make the last one itself, from the one before
    with pytest.raises(ConfigError, match=r"strides is \[\(64, 64\)\], but the strides of the maps are 8, 16: boxes"):
        check_fit(Routed(sized, Levels(), [(64, 64)]))


def test_features_that_are_no_maps():
    built = Routed(Tokens(), Levels(), [16])
    built.backbone.position = jt.zeros((1, 8, 32, 32))
    for features, strides in ((lambda images: {"p3": images}, [16]), (lambda images: [images[0]], [16]), (None, 16)):
        built.anchor_generator.strides = strides
        made = {} if features is None else {"features": lambda self, images, given=features: given(images)}
        built.__class__ = type("Own", (Routed,), {**made, "forward_heads": lambda self, maps, rois: None})
        check_fit(built)


@pytest.mark.parametrize(
    "part, method, change",
    [
        ("roi_head", "execute", "model.roi_head.box.extractor.featmap_strides=[8, 16, 32]"),
        ("roi_head.box", "forward", "model.roi_head.box.extractor.featmap_strides=[8, 16, 32]"),
        ("rpn", "execute", "model.rpn.anchor_generator.strides=[8, 16, 32, 64]"),
    ],
)
def test_an_own_head_that_reads_other_maps(part, method, change):
    """Here it leaves out the finest one."""
    built = model(FASTER, change).eval()
    head = functools.reduce(getattr, part.split("."), built)

    def own(self, feats, *args):
        return getattr(type(head).__base__, method)(self, feats[1:], *args)

    with pytest.raises(ConfigError, match="strides"):
        check_fit(built)
    head.__class__ = type("Own", (type(head),), {method: own, "__module__": __name__})
    check_fit(built)
    with jt.no_grad():
        assert built(jt.zeros((1, 3, 64, 64)))[0]["boxes"].shape[1] == 4


def test_a_head_on_rois_in_the_first_iteration():
    built = model("puppets_mask_r18_fpn_roi_align", "model.roi_head.branches.mask.head.in_channels=32")
    check_fit(built)
    target = dict(img_id=1, bboxes=np.float32([[10, 10, 50, 50]]), labels=np.int32([1]), masks=InstanceMasks.of_bitmaps(MASK))
    images = jt.zeros((1, 3, 64, 64))
    with pytest.raises(ConfigError, match=r"^model.roi_head.mask.head.*: conv2d: input has 64 channels, the weight needs 32"):
        within(built, lambda: built(images, [target]))


def test_other_models_are_left_alone():
    check_fit(nn.Linear(2, 2))


def test_a_mask_rcnn_without_masks():
    with pytest.raises(ConfigError, match="MaskRCNN: model.roi_head has no branch for masks: add .*or use FasterRCNN"):
        model("puppets_mask_r18_fpn_roi_align", "model.roi_head.branches=null")
