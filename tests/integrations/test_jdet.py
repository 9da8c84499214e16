"""jsra's parts in JDet: with a replacement for JDet, and with a real one if JSRA_JDET names it."""

import ast
import importlib
import json
import os
import pickle
import subprocess
import sys

import jittor as jt
import numpy as np
import pytest

from jsra import registry, resources
from jsra.config import load_config
from jsra.engine.build import build_run
from jsra.engine.train import train
from jsra.ops import roi_align, roi_align_rotated
from jsra.registry import ConfigError, build
from tests.conftest import SHARED
from tests.integrations import fake_jdet
from tests.toy_detector import write_config

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = "jsra.integrations.jdet"


def drop(*packages):
    for name in list(sys.modules):
        if name in packages or name.startswith(tuple(p + "." for p in packages)):
            del sys.modules[name]


@pytest.fixture(scope="module")
def jdet():
    """The stand-in's registries and config, with jsra's parts in them."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "jdet"}
    drop("jdet", PACKAGE)
    modules, registries, config = fake_jdet.modules()
    sys.modules.update(modules)
    importlib.import_module(PACKAGE)
    yield registries, config
    for name in [n for n, (cls, _) in registry._entries.items() if cls.__module__.startswith(PACKAGE)]:
        del registry._entries[name]
    drop("jdet", PACKAGE)
    sys.modules.update(before)


def test_without_jdet_the_message_says_how_to_install_it(monkeypatch):
    drop(PACKAGE)
    monkeypatch.setitem(sys.modules, "jdet", None)
    with pytest.raises(ImportError, match="JDet is not installed.*pip install .*Jittor/JDet.*'numpy<2' scipy"):
        importlib.import_module(PACKAGE)


def test_names(jdet):
    """Every part has its prefixed name; a plain name goes only where JDet has none."""
    registries, _ = jdet
    assert registries.DATASETS._modules["COCODataset"] == "JDet's own COCODataset"
    assert registries.DATASETS._modules["VOCDataset"] is registries.DATASETS._modules["JSRAVOCDataset"]
    for kind, names in {
        "DATASETS": ["COCODataset", "VOCDataset"],
        "MODELS": ["FasterRCNN", "ParameterGroups"],
        "BACKBONES": ["ResNet"],
        "NECKS": ["FPN"],
        "HEADS": ["RPNHead", "RoIHead"],
        "LOSSES": ["CrossEntropyLoss", "L1Loss", "SmoothL1Loss"],
        "OPTIMS": ["SGD", "AdamW"],
        "SCHEDULERS": ["StepLR"],
        "TRANSFORMS": ["Resize", "RandomFlip", "Normalize", "Pad"],
        "ROI_EXTRACTORS": ["SingleRoIExtractor", "FPNRoIExtractor", "OrientedSingleRoIExtractor"],
    }.items():
        known = getattr(registries, kind)._modules
        taken = fake_jdet.TAKEN.get(kind, [])
        for name in names:
            assert f"JSRA{name}" in known
            assert (known[name] == f"JDet's own {name}") == (name in taken)


def run_configs(tmp_path, jdet, **changes):
    """The toy config twice: as `jsra train` reads it, and in the stand-in's get_cfg()."""
    registries, config = jdet
    path = write_config(tmp_path, scale_lr_base_batch=4, seed=3, **changes)
    ours = load_config(path)
    ours["work_dir"] = str(tmp_path / "ours")
    config.clear()
    config.update(load_config(path).to_dict())
    return ours, registries, config


def test_a_config_of_ours_trains_as_by_jsra(jdet, tmp_path):
    """Five epochs with a scaled rate, a milestone and shuffled batches: the same losses, bit for bit, and the same AP."""
    ours, registries, config = run_configs(tmp_path, jdet)
    run = build_run(ours)
    train(run)
    run.close()
    log = [json.loads(line) for line in (tmp_path / "ours" / "log.jsonl").read_text().splitlines()]
    expected = [record["loss"] for record in log if record["kind"] == "train"]
    runner = fake_jdet.Runner(registries, config)
    assert config["dataset"]["train"]["type"] == "JSRACOCODataset" and config["optimizer"]["type"] == "JSRASGD"
    runner.run()
    assert len(expected) == runner.total == 20
    np.testing.assert_allclose(runner.losses, expected, rtol=1e-6)
    assert runner.optimizer.cur_lr() == pytest.approx(0.05)  # 1.0 x 2 / 4 x 0.1
    metrics = runner.val()
    assert metrics["bbox_mAP"] == pytest.approx(run.metrics["bbox_mAP"], abs=1e-6)


def test_a_resumed_run_goes_on_as_it_would_have(jdet, tmp_path):
    _, registries, config = run_configs(tmp_path, jdet)
    whole = fake_jdet.Runner(registries, config)
    whole.run()
    first = fake_jdet.Runner(registries, config)
    first.run(epochs=2)
    saved = pickle.loads(pickle.dumps(first.checkpoint(), 4))
    second = fake_jdet.Runner(registries, config, saved)
    second.run(epochs=3)
    np.testing.assert_array_equal(first.losses + second.losses, whole.losses)


def test_the_configs_evaluators_hold(jdet, tmp_path):
    chosen = [dict(type="VOCBoxAP", mode="area"), dict(type="COCOBoxAP")]
    _, registries, config = run_configs(tmp_path, jdet, evaluator=chosen)
    config["evaluator"][0]["type"] = "JSRAVOCBoxAP"
    metrics = fake_jdet.Runner(registries, config).val()
    assert list(metrics)[:2] == ["voc_AP50", "bbox_mAP"]


def test_mixed_precision_is_refused(jdet, tmp_path):
    _, registries, config = run_configs(tmp_path, jdet, amp=True)
    with pytest.raises(ConfigError, match="amp: JDet's Runner does not support"):
        fake_jdet.Runner(registries, config)


def test_configs_import_nothing():
    """JDet learns jsra's types from whoever starts it, not from a config. real.py looks which data are there."""
    for place, _, names in os.walk(resources.folder("jdet_configs")):
        for name in names:
            if name.endswith(".py") and name != "real.py":
                with open(os.path.join(place, name), encoding="utf8") as f:
                    nodes = ast.walk(ast.parse(f.read()))
                assert not any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in nodes), name


def test_extractor_takes_jdets_rule_of_levels(jdet):
    """A box of 111 x 111 pixels is one of 112 to JDet, and reads the second level."""
    registries, _ = jdet
    settings = dict(
        type="JSRASingleRoIExtractor", out_channels=2, featmap_strides=[4, 8],
        roi_layer=dict(type="JSRAROIAlign", output_size=2, sampling_ratio=2),
    )  # fmt: skip
    extractor = registries.ROI_EXTRACTORS.build(settings)
    assert extractor.num_inputs == 2
    maps = [jt.randn(1, 2, 40, 40), jt.randn(1, 2, 20, 20)]
    rois = jt.array([[0, 3, 4, 114, 115], [0, 3, 4, 113, 115]], dtype="float32")
    expected = [
        roi_align(maps[1], rois[:1], 2, 1 / 8, 2, False).numpy(),
        roi_align(maps[0], rois[1:], 2, 1 / 4, 2, False).numpy(),
    ]
    np.testing.assert_allclose(extractor(maps, rois).numpy(), np.concatenate(expected), atol=1e-6)
    with pytest.raises(ValueError, match="rotated ones.*JSRAOrientedSingleRoIExtractor"):
        extractor(maps, jt.zeros((3, 6)))


def test_its_layer_of_horizontal_rois(jdet):
    """Version 0 is aligned=False; version 1 is that of boxes whose last corner is one pixel further."""
    features, boxes = jt.randn(1, 4, 20, 20), np.array([[0, 1, 2, 21, 32]], np.float32)
    further = boxes + np.array([0, 0, 0, 1, 1], np.float32)
    for version, moved in ((0, boxes), (1, further)):
        layer = build(dict(type="ROIAlign", output_size=2, sampling_ratio=2, version=version))
        expected = roi_align(features, jt.array(moved), 2, 0.25, 2, False).numpy()
        np.testing.assert_allclose(layer(features, jt.array(boxes), 0.25).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("version, last, size", [(1, 0, 1 / 4), (0, 1, 1.0)])
def test_least_size_of_its_layer(jdet, version, last, size):
    """On a map of its column numbers, the box of the one pixel 20: version 1 writes it (20, 20) and reads a quarter of
    a cell from 20 / 4 on; version 0 writes it (20, 21) and makes it one cell wide."""
    columns = jt.array(np.tile(np.arange(16, dtype=np.float32), (1, 1, 16, 1)))
    box = jt.array([[0, 20, 24, 20 + last, 24 + last]], dtype="float32")
    layer = build(dict(type="ROIAlign", output_size=1, sampling_ratio=2, version=version))
    assert layer(columns, box, 0.25).item() == pytest.approx(20 / 4 + size / 2, abs=1e-5)
    coarser = layer([columns, columns[:, :, :8, :8]], box, [0.25, 0.125], jt.array([1]))
    assert coarser.item() == pytest.approx(20 / 8 + (size if version == 0 else 1 / 8) / 2, abs=1e-5)


def oriented(registries, layer, **more):
    settings = dict(type="JSRAOrientedSingleRoIExtractor", out_channels=2, featmap_strides=[4, 8], roi_layer=layer)
    return registries.ROI_EXTRACTORS.build({**settings, **more})


def test_rotated_rois(jdet):
    registries, _ = jdet
    maps = [jt.randn(1, 2, 40, 40), jt.randn(1, 2, 20, 20)]
    rois = jt.array([[0, 60, 50, 30, 20, 0.5], [0, 70, 60, 100, 130, -0.4]], dtype="float32")
    layer = dict(type="ROIAlignRotated_v1", output_size=2, sampling_ratio=2)
    found = oriented(registries, layer, extend_factor=(1.4, 1.2))(maps, rois).numpy()
    wide = rois.numpy() * np.array([1, 1, 1, 1.2, 1.4, 1], np.float32)
    expected = [
        roi_align_rotated(feature, jt.array(wide[i : i + 1]), 2, scale, 2).numpy()
        for i, (feature, scale) in enumerate(zip(maps, (1 / 4, 1 / 8)))
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-5)
    # 30 x 20 at 90 degrees is 20 x 30 upright, about (60, 50).
    upright = oriented(registries, dict(type="RoIAlign", output_size=2, sampling_ratio=2), enclosing=True)
    quarter = jt.array([[0, 60, 50, 30, 20, np.pi / 2]], dtype="float32")
    box = jt.array([[0, 50, 35, 70, 65]], dtype="float32")
    expected = roi_align(maps[0], box, 2, 1 / 4, 2, True).numpy()
    np.testing.assert_allclose(upright(maps, quarter).numpy(), expected, atol=1e-4)
    with pytest.raises(ValueError, match="RoIAlign with enclosing=False"):
        oriented(registries, dict(type="RoIAlign"))
    with pytest.raises(ValueError, match="horizontal ones.*JSRASingleRoIExtractor"):
        upright(maps, box)


def test_losses_and_transforms_in_jdets_calls(jdet):
    registries, _ = jdet
    loss = registries.LOSSES.build(dict(type="JSRACrossEntropyLoss", use_sigmoid=True, loss_weight=2.0))
    logits, weight = jt.array([[0.0], [2.0], [1.0]]), jt.array([1.0, 1.0, 0.0])
    value = loss(logits, jt.array([0, 1, 1]), weight, avg_factor=2, reduction_override=None)
    assert value.item() == pytest.approx(np.log(2) + np.log1p(np.exp(-2.0)), abs=1e-6)
    with pytest.raises(ValueError, match="'sum' is not known"):
        loss(logits, jt.array([0, 1, 1]), weight, reduction_override="sum")
    flip = registries.TRANSFORMS.build(dict(type="JSRARandomFlip", prob=1.0))
    image, target = flip(
        np.arange(12, dtype=np.uint8).reshape(1, 4, 3), {"bboxes": np.array([[0, 0, 1, 1]], np.float32)}
    )
    assert target["bboxes"].tolist() == [[3, 0, 4, 1]] and image[0, 0].tolist() == [9, 10, 11]
    with pytest.raises(ValueError, match="transforms horizontal boxes.*rboxes"):
        flip(np.zeros((4, 4, 3), np.uint8), {"rboxes": np.zeros((1, 5))})


def test_a_real_jdet(tmp_path):
    """The whole of jdet_check.py; about ten minutes when everything is compiled."""
    clone = os.environ.get("JSRA_JDET")
    if not clone:
        pytest.skip("needs a clone of github.com/Jittor/JDet: set JSRA_JDET to its path")
    data = os.path.join(SHARED, "data", "coco_mini")
    if not os.path.isdir(data):
        pytest.skip("needs ../shared/data/coco_mini, which was not found next to this checkout")
    command = [sys.executable, "-m", "tests.integrations.jdet_check", clone, "--work", str(tmp_path / "work")]
    done = subprocess.run([*command, "--data", data], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
