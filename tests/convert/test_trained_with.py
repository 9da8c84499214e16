"""Settings that weights were trained with, and that no name or shape of theirs shows."""

import json

import numpy as np
import pytest

from jsra.cli import main
from jsra.config import load_config
from jsra.convert import torch_file
from jsra.convert.files import write_weights
from jsra.convert.mmdet_config import other_settings, read_model
from jsra.convert.origin import origin
from jsra.convert.trained_with import file_notes, run_notes
from jsra.defaults import completed
from jsra.inference import Detector
from tests.convert.test_origin import put_under, write_checkpoint
from tests.toy_detector import write_config

MODEL = "jsra:_base_/models/faster_rcnn_r50_fpn.py"
RETINANET = "jsra:_base_/models/retinanet_r50_fpn.py"
TEXT = """model = dict(
    rpn_head=dict(
        anchor_generator=dict(type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0], target_stds=[1.0, 1.0, 1.0, 1.0])),
    roi_head=dict(bbox_head=dict(bbox_coder=dict(target_means=[0., 0., 0., 0.], target_stds=[0.1, 0.1, 0.2, 0.2]))))
"""
OCTAVES = "{'anchor_generator': {'octave_base_scale': 4, 'scales_per_octave': 3, 'ratios': [0.5, 1.0, 2.0]}}"


@pytest.fixture
def settings(tmp_path):
    """(base, overrides) -> a config with this model."""

    def load(*overrides, base=MODEL):
        path = tmp_path / "config.py"
        path.write_text(
            f"_base_ = {base!r}\n_n = dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])\n"
            "dataset = dict(train=dict(type='COCODataset', transforms=[_n]), val=dict(type='COCODataset', transforms=[_n]))\n"
        )
        return load_config(str(path), overrides)

    return load


@pytest.mark.parametrize(
    "override, said",
    [
        ("model.rpn.anchor_generator.scales=[4]", "model.rpn.anchor_generator.scales.0 was 8, now it is 4"),
        ("model.rpn.anchor_generator.ratios=[1.0]", "model.rpn.anchor_generator.ratios was [0.5, 1, 2], now it is [1]"),
        ("model.roi_head.box.head.box_coder.stds=[0.2,0.2,0.2,0.2]", "head.box_coder.stds.0 was 0.1, now it is 0.2"),
        ("model.roi_head.box.extractor.roi_layer.aligned=false", "roi_layer.aligned was true, now it is false"),
        ("model.roi_head.box.extractor.roi_layer.type=RoIPool", 'roi_layer.type was "RoIAlign", now it is "RoIPool"'),
        ("+model.backbone.norm_eps=0.1", "model.backbone.norm_eps was 1e-05, now it is 0.1"),
        ("dataset.val.transforms.0.mean=[0,0,0]", "Normalize.mean.0 was 123.675, now it is 0"),
        ("+dataset.val.transforms.0.to_bgr=true", "Normalize.to_bgr was false, now it is true"),
        ("dataset.val.transforms=[]", "now it is null"),
        ("model.roi_head.box.test.score_thr=0.5", None),
        ("model.rpn.test_proposals.max_per_img=10", None),
        ("model.backbone.frozen_stages=3", None),
        ("model.roi_head.box.head.loss_cls.loss_weight=2.0", None),
        ("model.roi_head.box.sampler.num=8", None),
        ("model.roi_head.box.head.num_classes=80", None),  # the same, written down
    ],
)
def test_a_run_with_other_settings(settings, override, said):
    saved = json.loads(json.dumps(settings().to_dict()))
    notes = run_notes("run/checkpoints/iter_00000001", saved, settings(override))
    assert len(notes) == (said is not None)
    assert said is None or (said in notes[0] and "run/checkpoints/iter_00000001 was trained with other settings" in notes[0])
    for damaged in ({}, {"model": 3, "dataset": [1]}, {"dataset": {"train": "x"}}):
        assert all("Normalize was null" in note for note in run_notes("run", damaged, settings()))
    assert run_notes("run", None, settings()) == run_notes("run", saved, settings()) == []


@pytest.mark.parametrize(
    "text, base, said",
    [
        (TEXT, MODEL, None),
        (TEXT.replace("scales=[8]", "scales=[4]"), MODEL, "its config has anchor_generator scales [4.0]. The weights fit"),
        (TEXT.replace("2.0], strides", "3.0], strides"), MODEL, "anchor_generator ratios [0.5, 1.0, 3.0]"),
        (TEXT.replace("0.1, 0.1, 0.2", "0.2, 0.2, 0.2"), MODEL, "target_stds [0.2, 0.2, 0.2, 0.2]"),
        (OCTAVES, RETINANET, None),
        (OCTAVES.replace("scale': 4", "scale': 8"), RETINANET, "scales [8.0, 10.0794, 12.6992]"),
        ("anchor_generator=dict(scales=8, ratios=1.0, octave_base_scale=[4], scales_per_octave=3)", MODEL, None),
        ("", MODEL, None),
    ],
)
def test_mmdets_config_has_other_settings(tmp_path, settings, text, base, said):
    path = write_checkpoint(tmp_path / "a.pth", dict(config=text, mmdet_version="2.25.0"))
    notes = file_notes(path, settings(base=base))
    assert len(notes) == (said is not None) and (said is None or said in notes[0])


FULL = """model = dict(
    backbone=dict(type='ResNet', depth=50, norm_cfg=dict(type='BN', requires_grad=True)),
    neck=dict(type='FPN', num_outs=5),
    rpn_head=dict(
        anchor_generator=dict(type='AnchorGenerator', scales=[8], ratios=[0.5, 1.0, 2.0], strides=[4, 8, 16, 32, 64]),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0], target_stds=[1.0, 1.0, 1.0, 1.0])),
    roi_head=dict(
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor', roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
            featmap_strides=[4, 8, 16, 32]),
        bbox_head=dict(
            num_classes=80, bbox_coder=dict(target_means=[0., 0., 0., 0.], target_stds=[0.1, 0.1, 0.2, 0.2]))))
"""


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("", "", None),
        ("sampling_ratio=0", "sampling_ratio=0, aligned=True, pool_mode='avg'", None),
        ("depth=50", "depth=50, strides=(1, 2, 2, 2), frozen_stages=2, with_cp=True", None),
        ("'BN'", "'SyncBN', eps=1e-05", None),
        ("[4, 8, 16, 32, 64])", "[(4, 4), (8, 8), (16, 16), (32, 32), (64, 64)], base_sizes=[4, 8, 16, 32, 64])", None),
        ("num_outs=5", "num_outs=5, add_extra_convs=False, upsample_cfg=dict(mode='nearest'), act_cfg=None", None),
        ("'RoIAlign'", "'RoIPool'", 'bbox_roi_extractor.roi_layer.type is "RoIPool", ours "RoIAlign"'),
        ("sampling_ratio=0", "sampling_ratio=2", "roi_layer.sampling_ratio is 2, ours 0"),
        ("sampling_ratio=0", "aligned=False", "roi_layer.aligned is false, ours true"),
        ("sampling_ratio=0", "pool_mode='max'", 'roi_layer.pool_mode is "max", ours "avg"'),
        ("'SingleRoI", "'GenericRoI", 'bbox_roi_extractor.type is "GenericRoIExtractor", which ours does not have'),
        ("strides=[4, 8, 16, 32])", "strides=[4, 8, 16, 32], finest_scale=28)", "finest_scale is 28, ours 56"),
        ("num_classes=80", "cls_predictor_cfg=dict(type='NormedLinear')", 'cls_predictor_cfg.type is "NormedLinear", which'),
        ("bbox_coder=dict(target", "bbox_coder=dict(type='LegacyDeltaXYWHBBoxCoder', target", "LegacyDelta"),
        ("[0., 0., 0., 0.]", "[0.1, 0., 0., 0.]", "bbox_head.bbox_coder.target_means is [0.1, 0, 0, 0], ours [0, 0, 0, 0]"),
        ("'AnchorGenerator',", "'AnchorGenerator', center_offset=0.5,", "center_offset is 0.5, ours 0"),
        ("[4, 8, 16, 32, 64]", "[8, 16, 32, 64, 128]", "anchor_generator.strides is [8, 16, 32, 64, 128], ours [4, 8"),
        ("[4, 8, 16, 32, 64]", "[4, 8, 16, 32, 64], base_sizes=[8, 8, 8, 8, 8]", "base_sizes is [8, 8, 8, 8, 8], ours [4, 8"),
        ("depth=50", "depth=50, dilations=(1, 1, 1, 2)", "backbone.dilations is [1, 1, 1, 2], ours [1, 1, 1, 1]"),
        ("depth=50", "depth=50, conv_cfg=dict(type='ConvWS')", 'backbone.conv_cfg.type is "ConvWS"'),
        ("depth=50", "depth=50, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1)", None),  # of C4
        ("depth=50", "depth=50, out_indices=(1, 2, 3)", None),
        ("num_outs=5", "start_level=1, num_outs=5", "neck.start_level: its pyramid begins with stage 1"),
        ("requires_grad=True", "eps=0.001", "backbone.norm_cfg.eps is 0.001, ours 1e-05"),
        ("num_outs=5", "add_extra_convs='on_output'", 'neck.add_extra_convs is "on_output", ours "pool"'),
        ("num_outs=5", "add_extra_convs=True", 'neck.add_extra_convs is "on_input", ours "pool"'),
        ("num_outs=5", "upsample_cfg=dict(mode='bilinear')", 'neck.upsample_cfg.mode is "bilinear"'),
        ("num_outs=5", "act_cfg=dict(type='ReLU')", 'neck.act_cfg is {"type": "ReLU"}'),
    ],
)
def test_settings_in_the_whole_text_of_mmdets_config(tmp_path, settings, old, new, said):
    text = FULL.replace(old, new, 1)
    for key, written in (("config", text), ("cfg", json.dumps({"model": read_model(text)}))):
        notes = file_notes(write_checkpoint(tmp_path / "a.pth", {key: written}), settings())
        assert len(notes) == (said is not None) and (said is None or said in notes[0])


def test_the_same_levels_of_a_pyramid_in_two_ways(tmp_path, settings):
    """mmdet's RetinaNet with Swin gives the neck three maps, which begin with the second stage."""
    for indices, start, count in (("(1, 2, 3)", 0, 0), ("(0, 1, 2, 3)", 1, 0), ("(0, 1, 2, 3)", 0, 1)):
        neck = f"dict(start_level={start}, add_extra_convs='on_input')"
        text = f"model = dict(backbone=dict(out_indices={indices}), neck={neck})"
        path = write_checkpoint(tmp_path / "a.pth", dict(config=text))
        assert len(file_notes(path, settings(base=RETINANET))) == count


@pytest.mark.parametrize(
    "text, model",
    [
        ("", {}),
        ("model = 3", {}),
        ("model = dict(", {}),
        ("model = dict(a=f(3))", {}),
        ("import os\nn = 3\nmodel = {**dict(a=n), 'b': -1.5}", {"a": 3, "b": -1.5}),
        ("model = dict(type='FGFA', detector=dict(neck=(1, 2)))", {"neck": [1, 2]}),
        ('{"model": {"a": null}}', {"a": None}),
    ],
)
def test_the_model_in_the_text_of_a_config(text, model):
    assert read_model(text) == model


@pytest.mark.parametrize("version, legacy", [("1.2.0+0f33c08", True), ("0.6.0", True), ("2.3.0", False), ("3.1.0", False)])
def test_the_boxes_of_mmdet_1(tmp_path, settings, version, legacy, capsys):
    path = write_checkpoint(tmp_path / "a.pth", dict(mmdet_version=version))
    notes = file_notes(path, settings())
    assert len(notes) == legacy and (not legacy or f"was trained by mmdet {version}: the boxes of mmdet 1.x are" in notes[0])
    main(["convert", path, str(tmp_path / "a.npz")])  # the new file does not have the version
    assert ("one pixel larger" in capsys.readouterr().out) == legacy


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("keys", [(), ("model",), ("model_state_dict",), ("model", "state_dict")], ids=".".join)
def test_torchvisions_detectors_have_other_settings(tmp_path, settings, prefix, keys):
    path, arrays = str(tmp_path / "a.pth"), {"backbone.body.conv1.weight": np.zeros((1, 1, 1, 1), np.float32)}
    torch_file.write(path, {f"{prefix}{name}": array for name, array in arrays.items()})
    put_under(path, keys)
    (note,) = file_notes(path, settings())
    assert "torchvision has rpn.anchor_generator.round_sides true, roi_head.box.extractor.roi_layer.aligned false" in note
    assert "roi_layer.sampling_ratio 2. The weights fit" in note and "faster_rcnn_r50_fpn_torchvision.py" in note
    for base in ("faster", "mask"):
        assert file_notes(path, settings(base=f"jsra:_base_/models/{base}_rcnn_r50_fpn_torchvision.py")) == []
    assert file_notes(path, settings(base=RETINANET)) == []


def test_a_run_s_settings_stay_with_its_weights(tmp_path, settings, capsys):
    config, other = settings(), settings("model.rpn.anchor_generator.scales=[4]")
    path = str(tmp_path / "a.safetensors")
    write_weights(path, {"a.weight": np.zeros(1, np.float32)}, ["cat"], config)
    assert file_notes(path, config) == []
    assert file_notes(path, settings("model.roi_head.box.test.score_thr=0.5")) == []
    (note,) = file_notes(path, other)
    assert f"{path} was trained with other settings" in note and "scales.0 was 8, now it is 4" in note
    assert origin(path).classes == ("cat",)
    assert main(["convert", path, str(tmp_path / "b.safetensors"), "--from", "jsra"]) == 0
    assert "scales.0 was 8" in file_notes(str(tmp_path / "b.safetensors"), other)[0]
    for damaged in ("3", "[", '{"model": 3}', '{"model": {"rpn": [1]}, "dataset": 4}'):
        assert file_notes(_with_metadata(tmp_path / "c.safetensors", damaged), settings()) is not None


def _with_metadata(path, text):
    from safetensors.numpy import save_file

    save_file({"a.weight": np.zeros(1, np.float32)}, str(path), {"settings": text})
    return str(path)


def test_a_detector_says_it(tmp_path, capsys):
    config = write_config(tmp_path)
    assert main(["train", config, "--no-pictures"]) == 0
    run = load_config(config)["work_dir"]
    capsys.readouterr()
    Detector(config, run)
    assert capsys.readouterr().err == ""
    changed = load_config(config)
    changed["dataset"]["test"]["transforms"] = [dict(type="Normalize", mean=[0, 0, 0], std=[1, 1, 1])]
    Detector(changed, run)
    assert "was trained with other settings than this config has: Normalize" in capsys.readouterr().err


def test_stages_in_a_list(tmp_path, settings):
    """They are compared as stages in a dictionary are: without what matters in training alone."""

    def cascade(*overrides):
        config = settings(*overrides, base="jsra:_base_/models/cascade_rcnn_r50_fpn.py")
        box = config["model"]["roi_head"]["box"]
        box["stages"] = list(box["stages"].values())
        return config

    old, stage = cascade().to_dict(), "model.roi_head.box.stages.s1"
    assert run_notes("x", old, cascade(f"{stage}.assigner.pos_iou_thr=0.65", f"{stage}.head.loss_cls.loss_weight=2.0")) == []
    (line,) = run_notes("x", old, cascade(f"{stage}.head.box_coder.stds=[0.1, 0.1, 0.2, 0.2]"))
    assert "stages.1.head.box_coder.stds.0 was 0.05, now it is 0.1;" in line
    text = FULL.replace("sampling_ratio=0", "sampling_ratio=2")
    assert "roi_layer.sampling_ratio is 2, ours 0" in str(other_settings(text, completed(old["model"])))
