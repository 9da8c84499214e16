"""Settings that weights were trained with, and that no name or shape of theirs shows."""

import json

import pytest

from jsra.cli import main
from jsra.config import load_config
from jsra.convert.trained_with import file_notes, run_notes
from jsra.inference import Detector
from tests.convert.test_origin import write_checkpoint
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


@pytest.mark.parametrize("version, legacy", [("1.2.0+0f33c08", True), ("0.6.0", True), ("2.3.0", False), ("3.1.0", False)])
def test_the_boxes_of_mmdet_1(tmp_path, settings, version, legacy, capsys):
    path = write_checkpoint(tmp_path / "a.pth", dict(mmdet_version=version))
    notes = file_notes(path, settings())
    assert len(notes) == legacy and (not legacy or f"was trained by mmdet {version}: the boxes of mmdet 1.x are" in notes[0])
    main(["convert", path, str(tmp_path / "a.npz")])  # the new file does not have the version
    assert ("one pixel larger" in capsys.readouterr().out) == legacy


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
