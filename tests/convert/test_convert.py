"""Names, class order and box layout between jsra, mmdet and torchvision."""

import numpy as np
import pytest

from jsra.cli import convert as command
from jsra.convert.check import foreign_backbone, incomplete_parts
from jsra.convert.convert import COCO_IDS, from_jsra, to_jsra
from jsra.convert.names import FAMILIES, family_of, from_ours, to_ours
from jsra.convert.torch_file import WeightsError
from jsra.registry import registered

OURS = (
    "backbone.conv1.weight", "backbone.layer3.5.bn2.running_var", "backbone.layer1.0.downsample.0.weight",
    "neck.lateral_convs.2.bias", "neck.fpn_convs.3.weight", "rpn.convs.0.bias", "rpn.cls.weight", "rpn.box.bias",
    "roi_head.box.head.fcs.0.weight", "roi_head.box.head.fcs.1.bias", "roi_head.box.head.cls.bias",
    "roi_head.box.head.box.weight", "roi_head.mask.head.convs.3.weight", "roi_head.mask.head.upsample.bias",
    "roi_head.mask.head.logits.weight",
)  # fmt: skip
CASCADE = (
    "roi_head.box.stages.0.head.fcs.1.weight", "roi_head.box.stages.2.head.cls.bias", "roi_head.box.stages.1.head.box.weight",
    "roi_head.box.stages.1.extractor.roi_layer.0.weight", "roi_head.mask.stages.2.head.convs.1.bias",
    "roi_head.mask.stages.0.head.upsample.weight", "roi_head.mask.stages.1.head.logits.bias",
)  # fmt: skip
FLOWNET = ("motion.conv1.bias", "motion.predict_flow.weight")
LITE = ("backbone.stem_conv.weight", "backbone.stem_bn.bias", "backbone.blocks.3.depthwise_conv.weight")

SWIN = (
    "backbone.patch_embed.proj.weight", "backbone.layers.0.blocks.0.attn.relative_position_bias_table",
    "backbone.layers.2.downsample.reduction.weight",
)  # fmt: skip

SWINS = ("swin", "timm_swin", "mmpretrain_swin")
PVT = (
    "backbone.patch_embed1.proj.weight", "backbone.patch_embed3.norm.bias", "backbone.block1.0.attn.q.weight",
    "backbone.block4.1.mlp.conv_bias", "backbone.block2.0.mlp.fc1.weight", "backbone.norm4.weight",
)  # fmt: skip

INTERNIMAGE = (
    "backbone.patch_embed.norm1.weight", "backbone.levels.0.blocks.0.dcn.input_proj.weight",
    "backbone.levels.3.blocks.1.dcn.conv_bias", "backbone.levels.2.blocks.17.norm2.bias", "backbone.levels.1.blocks.0.gamma1",
    "backbone.levels.0.downsample.norm.weight", "backbone.levels.3.norm.bias", "backbone.levels.1.blocks.3.dcn.norm.weight",
)  # fmt: skip

DEIT = (
    "backbone.pos_embed", "backbone.patch_embed.proj.bias", "backbone.blocks.0.attn.qkv.weight",
    "backbone.blocks.11.norm2.bias",
)  # fmt: skip

DYHEAD = (
    "neck.neck.lateral_convs.0.weight", "neck.neck.fpn_convs.3.bias", "neck.blocks.5.high.weight",
    "neck.blocks.0.mid.norm.bias", "neck.blocks.1.low.bias", "neck.blocks.0.offset.weight", "neck.blocks.2.scale.bias",
    "neck.blocks.4.task.conv2.weight",
    "rpn.cls.weight", "roi_head.box.head.fcs.0.weight", "roi_head.box.head.box.bias",
)  # fmt: skip


def test_the_command_knows_every_family():
    assert set(command.FAMILIES) == {"jsra", *FAMILIES}


@pytest.mark.parametrize("family", FAMILIES)
def test_names_there_and_back(family):
    names = {**dict(efficientnet_lite=LITE, flownet=FLOWNET), **dict.fromkeys(SWINS, SWIN)}
    names = {**names, **dict.fromkeys(("pvt", "timm_pvt"), PVT), "internimage": INTERNIMAGE, "deit": DEIT}
    names["dynamic_head"], names["mmdet"] = DYHEAD, OURS + CASCADE + DYHEAD
    names = names.get(family, OURS + CASCADE)
    for name in names:
        theirs = from_ours(name, family)
        parts = {"backbone": ("backbone.",), "jdet": ("backbone.", "neck.", "rpn.")}.get(family, ("",))
        if not name.startswith(parts) or family == "torchvision" and name in CASCADE:
            assert theirs is None
        else:
            assert to_ours(theirs, family) == name
    if family != "jdet":  # what is taken over from JDet has mmdet's names
        assert family_of(from_ours(n, family) for n in names if from_ours(n, family)) == family
    assert family_of(OURS) == "jsra"


def test_older_names_of_torchvision():
    assert to_ours("backbone.fpn.inner_blocks.1.weight", "torchvision") == "neck.lateral_convs.1.weight"
    assert to_ours("backbone.fpn.layer_blocks.0.bias", "torchvision") == "neck.fpn_convs.0.bias"
    assert to_ours("rpn.head.conv.weight", "torchvision") == "rpn.convs.0.weight"
    assert to_ours("roi_heads.mask_head.mask_fcn4.bias", "torchvision") == "roi_head.mask.head.convs.3.bias"


def test_mmdet_names_of_a_cascade():
    """As in mmdet's cascade-mask-rcnn_r50_fpn."""
    theirs = [from_ours(name, "mmdet") for name in CASCADE]
    assert theirs == [
        "roi_head.bbox_head.0.shared_fcs.1.weight", "roi_head.bbox_head.2.fc_cls.bias", "roi_head.bbox_head.1.fc_reg.weight",
        "roi_head.bbox_roi_extractor.1.roi_layer.0.weight", "roi_head.mask_head.2.convs.1.conv.bias",
        "roi_head.mask_head.0.upsample.weight", "roi_head.mask_head.1.conv_logits.bias",
    ]  # fmt: skip


def test_names_of_dyhead():
    """As in mmdet's neck of two parts, and in microsoft/DynamicHead's models on detectron2, where 2 is the finest level."""
    names = ("neck.neck.lateral_convs.0.weight", "neck.blocks.5.high.weight", "neck.blocks.4.task.conv2.weight")
    assert [from_ours(name, "mmdet") for name in names] == [
        "neck.0.lateral_convs.0.conv.weight", "neck.1.dyhead_blocks.5.spatial_conv_high.conv.weight",
        "neck.1.dyhead_blocks.4.task_attn_module.conv2.conv.weight",
    ]  # fmt: skip
    assert [from_ours(name, "dynamic_head") for name in names] == [
        "backbone.backbone.fpn_lateral2.weight", "backbone.dyhead_tower.5.DyConv.0.conv.weight",
        "backbone.dyhead_tower.4.relu.fc.2.weight",
    ]  # fmt: skip
    weights = {name: np.ones((3, 2, 1, 1), np.float32) for name in names}
    theirs = from_jsra(weights, "dynamic_head").arrays
    assert theirs["backbone.dyhead_tower.4.relu.fc.2.weight"].shape == (3, 2)
    back = to_jsra({**theirs, "backbone.backbone.bottom_up.stem.conv1.weight": np.zeros(1)})
    assert back.family == "dynamic_head" and back.unexpected == ["backbone.backbone.bottom_up.stem.conv1.weight"]
    assert {name: array.shape for name, array in back.arrays.items()} == dict.fromkeys(names, (3, 2, 1, 1))


def test_mmdets_pvt():
    """Its joint layer holds queries, keys and values, in this order; its MLPs are convolutions."""
    place = "backbone.layers.2.1.0."
    theirs = {
        "bbox_head.retina_cls.weight": np.zeros(1),
        f"{place}attn.attn.in_proj_weight": np.repeat([0, 1, 2], 4)[:, None] * np.ones((1, 4)),
        f"{place}attn.attn.in_proj_bias": np.repeat([0.0, 1, 2], 4),
        f"{place}attn.attn.out_proj.bias": np.ones(4),
        f"{place}ffn.layers.0.weight": np.ones((8, 4, 1, 1)),
        f"{place}ffn.layers.1.weight": np.ones((8, 1, 3, 3)),
        f"{place}attn.norm.weight": np.ones(4),
        "backbone.layers.2.0.projection.weight": np.ones((4, 2, 3, 3)),
        "backbone.layers.2.2.bias": np.ones(4),
    }
    ours = to_jsra(theirs)
    block = "backbone.block3.0."
    assert ours.family == "mmdet" and not ours.unexpected
    assert {name: array.shape for name, array in ours.arrays.items() if name.startswith("backbone.")} == {
        f"{block}attn.q.weight": (4, 4), f"{block}attn.kv.weight": (8, 4), f"{block}attn.q.bias": (4,),
        f"{block}attn.kv.bias": (8,), f"{block}attn.proj.bias": (4,), f"{block}mlp.fc1.weight": (8, 4),
        f"{block}mlp.conv_weight": (8, 1, 3, 3), f"{block}attn.norm.weight": (4,),
        "backbone.patch_embed3.proj.weight": (4, 2, 3, 3), "backbone.norm3.bias": (4,),
    }  # fmt: skip
    np.testing.assert_array_equal(ours.arrays[f"{block}attn.kv.bias"], [1] * 4 + [2] * 4)
    assert not ours.arrays[f"{block}attn.q.weight"].any()
    back = from_jsra(ours.arrays, "mmdet").arrays  # the names of the authors' detectors
    assert f"{block}mlp.dwconv.dwconv.weight" in back and f"{block}attn.q.bias" in back


def class_layers(classes, features=2):
    """Row i of the class scores holds i; rows of box c hold c + 0, .1, .2, .3; row c - 1 of the masks holds c."""
    scores = np.repeat(np.arange(classes + 1, dtype=np.float32)[:, None], features, 1)
    boxes = np.repeat((np.arange(1, classes + 1)[:, None] + np.arange(4) * 0.1).reshape(-1, 1), features, 1)
    return {
        "roi_head.box.head.cls.weight": scores,
        "roi_head.box.head.box.weight": boxes.astype(np.float32),
        "roi_head.mask.head.logits.weight": scores[1:, :, None, None],
    }


def test_mmdet_has_the_background_last():
    ours = class_layers(3)
    theirs = from_jsra(ours, "mmdet")
    np.testing.assert_array_equal(theirs.arrays["roi_head.bbox_head.fc_cls.weight"][:, 0], [1, 2, 3, 0])
    np.testing.assert_array_equal(
        theirs.arrays["roi_head.bbox_head.fc_reg.weight"], ours["roi_head.box.head.box.weight"]
    )
    assert list(theirs.reshaped) == ["roi_head.bbox_head.fc_cls.weight"]
    back = to_jsra(theirs.arrays)
    assert back.family == "mmdet"
    for name, array in ours.items():
        np.testing.assert_array_equal(back.arrays[name], array)


def test_torchvision_has_boxes_of_the_background():
    ours = class_layers(3)
    theirs = from_jsra(ours, "torchvision")
    np.testing.assert_array_equal(theirs.arrays["roi_heads.box_predictor.cls_score.weight"][:, 0], [0, 1, 2, 3])
    boxes = theirs.arrays["roi_heads.box_predictor.bbox_pred.weight"][:, 0]
    np.testing.assert_allclose(boxes, [0, 0, 0, 0, 1, 1.1, 1.2, 1.3, 2, 2.1, 2.2, 2.3, 3, 3.1, 3.2, 3.3], rtol=1e-6)
    masks = theirs.arrays["roi_heads.mask_predictor.mask_fcn_logits.weight"]
    np.testing.assert_array_equal(masks[:, 0, 0, 0], [0, 1, 2, 3])
    back = to_jsra(theirs.arrays)
    for name, array in ours.items():
        np.testing.assert_array_equal(back.arrays[name], array)


def test_the_classes_of_each_stage_of_a_cascade():
    ours = {
        "roi_head.box.stages.1.head.cls.weight": class_layers(3)["roi_head.box.head.cls.weight"],
        "roi_head.box.stages.1.head.box.weight": np.ones((4, 2), np.float32),
    }
    theirs = from_jsra(ours, "mmdet").arrays
    np.testing.assert_array_equal(theirs["roi_head.bbox_head.1.fc_cls.weight"][:, 0], [1, 2, 3, 0])
    back = to_jsra(theirs).arrays
    for name, array in ours.items():
        np.testing.assert_array_equal(back[name], array)


def test_coco80_takes_the_categories_out_of_91_rows():
    theirs = from_jsra(class_layers(90), "torchvision").arrays
    ours = to_jsra(theirs, classes="coco80").arrays
    assert len(COCO_IDS) == 80
    np.testing.assert_array_equal(ours["roi_head.box.head.cls.weight"][:, 0], [0, *COCO_IDS])
    np.testing.assert_allclose(ours["roi_head.box.head.box.weight"][::4, 0], COCO_IDS)
    np.testing.assert_array_equal(ours["roi_head.mask.head.logits.weight"][:, 0, 0, 0], COCO_IDS)
    # The 12th label is the stop sign, category 13: id 12, the street sign, has no annotations.
    assert ours["roi_head.box.head.cls.weight"][12, 0] == 13


@pytest.mark.parametrize("family", ["mmdet", "jsra"])
def test_coco80_on_heads_of_other_families(family):
    """91 rows by any names are reduced in both layers; a head of 80 classes has nothing to take out of."""
    arrays = to_jsra(from_jsra(class_layers(90), family).arrays, family, "coco80").arrays
    assert len(arrays["roi_head.box.head.cls.weight"]) == 81 and len(arrays["roi_head.box.head.box.weight"]) == 4 * 80
    assert len(arrays["roi_head.mask.head.logits.weight"]) == 80
    with pytest.raises(WeightsError, match=r"cls\.(weight|bias) has 81 rows.*without it"):
        to_jsra(from_jsra(class_layers(80), family).arrays, family, "coco80")


def test_counters_and_classifiers_are_ignored_and_the_unknown_is_named():
    x = np.zeros(1, np.float32)
    result = to_jsra({"conv1.weight": x, "bn1.num_batches_tracked": x, "fc.weight": x, "head.extra": x})
    assert result.family == "backbone" and list(result.arrays) == ["backbone.conv1.weight"]
    assert result.ignored == ["bn1.num_batches_tracked", "fc.weight"] and result.unexpected == ["head.extra"]


def test_two_names_of_one_weight_are_refused():
    """A file with torchvision's names of two of its versions."""
    x = np.zeros((1, 1, 1, 1), np.float32)
    arrays = {"backbone.fpn.inner_blocks.0.0.weight": x, "backbone.fpn.inner_blocks.0.weight": x + 1}
    with pytest.raises(WeightsError, match=r"inner_blocks.0.0.weight and .*inner_blocks.0.weight both give neck"):
        to_jsra(arrays)


def test_quantised_weights_and_names_of_detectron2_are_refused():
    with pytest.raises(WeightsError, match="conv1.weight has dtype int8.*quantised"):
        to_jsra({"conv1.weight": np.zeros((1, 1, 1, 1), np.int8)})
    with pytest.raises(WeightsError, match="backbone.bottom_up.stem.conv1.weight: these are names of detectron2"):
        to_jsra(dict.fromkeys(("backbone.bottom_up.stem.conv1.weight", "roi_heads.box_head.fc1.weight"), np.zeros(1)))
    alone = {"backbone.bottom_up.stem.conv1.weight": np.zeros(1)}  # a backbone that was made for it
    with pytest.raises(WeightsError, match="backbone.bottom_up.stem.conv1.weight: these are names of detectron2"):
        to_jsra(alone)
    assert to_jsra(alone, needed=tuple(alone)).arrays.keys() == to_jsra(alone, "jsra").arrays.keys() == alone.keys()
    more = {**alone, "proposal_generator.rpn_head.conv.weight": np.zeros(1)}  # a user's own detector does not need it
    assert to_jsra(more, needed=tuple(alone)).arrays.keys() == more.keys()


@pytest.mark.parametrize("prefix", ["model.", "_orig_mod.", "model._orig_mod."])
def test_what_programs_put_before_all_names(prefix):
    x = np.zeros(1, np.float32)
    found = to_jsra({f"{prefix}conv1.weight": x, f"{prefix}bn1.bias": x})
    assert found.family == "backbone" and list(found.arrays) == ["backbone.conv1.weight", "backbone.bn1.bias"]
    assert list(to_jsra({f"{prefix}stem.weight": x}).arrays) == [f"{prefix}stem.weight"]  # nothing known is left
    averaged = to_jsra({"n_averaged": np.int64([3]), f"{prefix}conv1.weight": x})  # PyTorch's AveragedModel
    assert averaged.family == "backbone" and list(averaged.arrays) == ["backbone.conv1.weight"]


def test_wrong_requests():
    with pytest.raises(WeightsError, match="unknown naming scheme"):
        to_jsra({}, "mxnet")
    with pytest.raises(WeightsError, match="coco80"):
        to_jsra({}, "jsra", classes="voc")
    x = np.zeros(1, np.float32)
    with pytest.raises(WeightsError, match="are those of torchvision, not of mmdet"):
        to_jsra({"backbone.body.conv1.weight": x}, "mmdet")  # would give backbone.body.conv1
    assert to_jsra({"rpn_head.rpn_conv.weight": x}, "jdet").family == "jdet"  # mmdet has this name too
    swin = {"backbone.stages.1.blocks.0.attn.w_msa.qkv.bias": x}  # of a Swin alone, from either
    assert to_jsra(swin).family == "mmpretrain_swin" and to_jsra(swin, "mmdet").family == "mmdet"
    assert set(to_jsra(swin, "mmdet").arrays) == set(to_jsra(swin).arrays)


def test_incomplete_parts():
    complete = [
        "backbone.conv1.weight", "backbone.bn1.weight", "backbone.bn1.bias", "backbone.bn1.running_mean",
        "backbone.bn1.running_var", "backbone.layer1.0.conv1.weight", "backbone.layer1.1.conv1.weight",
        "neck.lateral_convs.0.weight", "neck.fpn_convs.0.weight", "rpn.cls.weight", "rpn.cls.bias", "rpn.box.weight",
        "roi_head.box.head.cls.weight", "roi_head.mask.head.convs.0.weight", "roi_head.mask.head.logits.weight",
    ]  # fmt: skip
    assert incomplete_parts(complete) == []
    assert incomplete_parts([n for n in complete if n.startswith("backbone.")]) == []
    for name, found in (
        ("backbone.bn1.running_var", "backbone.bn1.running_var"),
        ("rpn.cls.weight", "rpn.cls.weight"),
        ("rpn.box.weight", "rpn.box.*"),
        ("backbone.layer1.0.conv1.weight", "backbone.layer1.0.*"),
        ("backbone.conv1.weight", "backbone.conv1.*"),
        ("roi_head.mask.head.logits.weight", "roi_head.mask.head.logits.*"),
    ):
        assert found in incomplete_parts([n for n in complete if n != name]), name


def test_norms_without_statistics_and_another_stem_are_incomplete():
    names = ["backbone.conv1.weight", "backbone.bn1.weight", "backbone.bn1.bias", "backbone.layer1.0.bn2.weight"]
    names += ["backbone.layer1.0.downsample.1.bias", "backbone.layer1.0.downsample.0.weight", "backbone.layer1.0.bn2.bias"]
    missing = incomplete_parts(names)
    for norm in ("backbone.bn1", "backbone.layer1.0.bn2", "backbone.layer1.0.downsample.1"):
        assert f"{norm}.running_mean" in missing and f"{norm}.running_var" in missing
    stem = ["backbone.conv1.0.weight", "backbone.conv1.3.weight", "backbone.layer1.0.conv1.weight"]
    assert "backbone.conv1.weight" in incomplete_parts(stem)


@pytest.mark.parametrize("cls", registered("backbone").values(), ids=str)
def test_the_backbones_of_this_package_are_known(cls):
    module = cls(depth=50) if "ResNe" in cls.__name__ else cls()
    assert foreign_backbone([f"backbone.{name}" for name in module.state_dict()]) == []
    assert foreign_backbone(["backbone.0.0.weight", "backbone.stage2.0.x", "neck.0.weight"]) == [
        "backbone.0.0.weight", "backbone.stage2.0.x"
    ]  # fmt: skip


def test_layers_without_weights_are_not_missing():
    """Activations within a sequence, and the first stages in front of a head that has the last one of a ResNet."""
    names = ["head.offset_fc.0.weight", "head.offset_fc.2.weight", "head.stem.0.bn.weight", "head.layer4.0.conv1.weight"]
    assert incomplete_parts(["backbone.conv1.weight", "backbone.bn1.weight", *names]) == []
    assert incomplete_parts(["backbone.conv1.weight", "backbone.bn1.weight", "backbone.layer2.0.conv1.weight"]) == [
        "backbone.layer1.*"
    ]
    assert incomplete_parts(["aggregator.embed_convs.0.weight", "aggregator.embed_convs.2.weight"]) == [
        "aggregator.embed_convs.1.*"
    ]
