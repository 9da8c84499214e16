"""What weights files say about their classes and the colours of their images."""

import pickle
import zipfile

import jittor as jt
import numpy as np
import pytest

from jsra import resources
from jsra.cli import main
from jsra.config import Config, load_config
from jsra.convert.convert import from_jsra
from jsra.convert.files import write_weights
from jsra.convert.origin import Origin, colour_notes, metadata, origin
from jsra.engine.pretrained import load_pretrained
from jsra.registry import build
from tests.convert.test_load import Model

NAMES = ("cat", "dog")
BGR = "img_norm_cfg = dict(\n    mean=[103.53, 116.28, 123.675],\n    std=[57.375, 57.12, 58.395],\n    to_rgb=False)"
NORMALIZE = dict(type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
REVERSED = dict(type="Normalize", mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395])


def write_checkpoint(path, meta, rows=3, extra=None):
    """A checkpoint of mmdet with a head of this many rows."""
    arrays = {
        "backbone.conv1.weight": np.ones((4, 3, 1, 1), np.float32),
        "roi_head.bbox_head.fc_cls.weight": np.ones((rows, 4), np.float32),
        "roi_head.bbox_head.fc_cls.bias": np.ones(rows, np.float32),
    }
    write_weights(path, {**arrays, **(extra or {})})
    about = pickle.dumps(meta, protocol=2)[2:-1]
    change_pickle(
        path, lambda state: b"}(X\x0a\x00\x00\x00state_dict" + state + b"X\x04\x00\x00\x00meta" + about + b"u"
    )
    return str(path)


def put_under(path, keys):
    """Put the state dict of a file under these keys, one dictionary inside another."""
    for key in reversed(keys):
        change_pickle(path, lambda state, key=key: b"}X" + len(key).to_bytes(4, "little") + key.encode() + state + b"s")


def change_pickle(path, change):
    """Replace the pickled content of a file of PyTorch, without its protocol and end."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["archive/data.pkl"] = b"\x80\x02" + change(entries["archive/data.pkl"][2:-1]) + b"."
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    "meta, classes",
    [
        (dict(CLASSES=NAMES), NAMES),
        (dict(dataset_meta=dict(classes=NAMES, palette=None)), NAMES),
        (dict(dataset_meta=dict(CLASSES=list(NAMES))), NAMES),
        (dict(CLASSES=None), ()),
        (dict(CLASSES="cat"), ()),
        (dict(CLASSES=[f"c{i}" for i in range(80)]), ()),  # of another data set: the head has rows for two
        (dict(dataset_meta=3, CLASSES=[1, 2]), ()),
    ],
)
def test_the_classes_of_mmdet(tmp_path, meta, classes):
    assert origin(write_checkpoint(tmp_path / "a.pth", meta)).classes == classes


def test_the_classes_of_our_files(tmp_path):
    path = tmp_path / "a.safetensors"
    for names in (NAMES, ("\u732b", 'a"b')):
        write_weights(path, {"x": np.ones(2, np.float32)}, names)
        assert origin(path).classes == names
    write_weights(path, {"x": np.ones(2, np.float32)})
    assert origin(path) == Origin() and metadata(()) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff" * 20, b"\x02\0\0\0\0\0\0\0[]", b"\x80\x02}."])
def test_damaged_files_say_nothing(tmp_path, content):
    """What is wrong with them is reported when their weights are read."""
    for name in ("a.pth", "a.safetensors", "a.npz"):
        (tmp_path / name).write_bytes(content)
        assert origin(tmp_path / name) == Origin()
    assert origin(tmp_path / "absent.pth") == Origin()


@pytest.mark.parametrize(
    "text, ours, words",
    [
        (BGR, NORMALIZE, r"to_bgr=True, mean=\[103.53, 116.28, 123.675\], .* \(its to_bgr, mean, std differ\)"),
        (BGR, {**REVERSED, "to_bgr": True}, None),
        ("data_preprocessor=dict(bgr_to_rgb=False)", NORMALIZE, r"\(its to_bgr differ\)"),
        ('"preprocessor": {"mean": [0, 0, 0], "std": (255.0, 255.0, 255.0)}', NORMALIZE, r"\(its mean, std differ\)"),
        (BGR.replace("False", "True"), REVERSED, None),
        ("target_means=[0.0, 0.0, 0.0], mean=[1, 2, 3], mean=[4, 5, 6], to_rgb=False, to_rgb=True", NORMALIZE, None),
    ],
)
def test_images_that_were_normalised_in_another_way(tmp_path, text, ours, words):
    import re

    path = write_checkpoint(tmp_path / "a.pth", dict(config=text))
    notes = colour_notes(path, [dict(type="Resize"), ours], "dataset.test.transforms")
    assert len(notes) == (words is not None)
    assert words is None or re.search(words, notes[0])
    assert colour_notes(path, [], "dataset.test.transforms") == []


@pytest.mark.parametrize("names, said", [(("dog", "cat"), True), (("Cat", "dog"), False)])
def test_pretrained_weights_of_other_classes_are_said(tmp_path, names, said):
    path = write_checkpoint(tmp_path / "a.pth", dict(CLASSES=NAMES, config=BGR))
    config = Config(pretrained_weights=path, dataset=dict(train=dict(transforms=[NORMALIZE])))
    model = Model(2)
    lines = load_pretrained(model, config, names).splitlines()
    assert "3 weights matched (mmdet names)" in lines[0]
    warning = f"warning: the classes of {path} are cat, dog, those of dataset.train {', '.join(names)}: "
    assert any(line.startswith(warning) for line in lines) is said
    assert "was trained on images that were normalised in another way" in lines[-1]
    np.testing.assert_array_equal(model.backbone.conv1.weight.numpy(), np.ones((4, 3, 1, 1)))
    lines = load_pretrained(Model(5), config, tuple("abcde")).splitlines()  # the layers for classes do not fit
    assert not any("rows of other classes" in line for line in lines)
    assert load_pretrained(model, Config(), names) is None
    jt.sync_all()


@pytest.fixture(scope="module")
def detector():
    """The weights of a small detector, by our names."""
    model = load_config(f"{resources.folder('jdet_configs')}/mini/puppets_r18_fpn_roi_align.py")["model"]
    return {name: var.numpy() for name, var in build(model, "model", "detector").state_dict().items()}


@pytest.mark.parametrize("target", ["jsra", "mmdet", "backbone"])
def test_what_a_file_says_stays_with_its_weights(tmp_path, target, detector, capsys):
    meta = dict(mmdet_version="2.25.0", config=f"model = dict(neck=dict(start_level=1))\n{BGR}")
    source = write_checkpoint(tmp_path / "a.pth", meta, extra=from_jsra(detector, "mmdet").arrays)
    first, second = str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")
    for path, kind in ((first, target), (second, "jsra")):
        assert main(["convert", source, path, "--to", kind, "--from", "mmdet" if path == first else target]) == 0
        source = path
        about, theirs = origin(path), origin(str(tmp_path / "a.pth"))
        assert (about.mean, about.std, about.bgr) == (theirs.mean, theirs.std, True)
        assert (about.text, about.version) == (("", "") if target == "backbone" else (theirs.text, "2.25.0"))
        assert "to_bgr" in colour_notes(path, [NORMALIZE], "dataset.test.transforms")[0]
    capsys.readouterr()
    main(["convert", first, str(tmp_path / "c.npz"), "--from", target])
    assert "only a .safetensors file keeps what" in capsys.readouterr().out


def test_torchvisions_detectors_are_known_after_a_conversion(tmp_path, detector):
    from safetensors.numpy import save_file

    path = str(tmp_path / "a.safetensors")
    save_file(from_jsra(detector, "torchvision").arrays, path)
    assert main(["convert", path, str(tmp_path / "b.safetensors")]) == 0
    assert origin(path).family == origin(str(tmp_path / "b.safetensors")).family == "torchvision"
    for damaged in ("3", "[]", '{"mean": 3, "bgr": "x", "text": 4}'):
        save_file({"a": np.zeros(1, np.float32)}, path, {"source": damaged})
        assert origin(path) == Origin()


def test_weights_that_are_frozen_must_be_loaded(tmp_path):
    from jsra.backbones.resnet import ResNet

    config = Config(dataset=dict(train=dict(transforms=[NORMALIZE])))
    model = ResNet(18, out_indices=(3,), base_channels=4, frozen_stages=1)
    note = load_pretrained(model, config, NAMES)
    assert "weights are frozen and keep their random values (conv1.weight, ...)" in note and "set pretrained_weights" in note
    assert load_pretrained(ResNet(18, out_indices=(3,), base_channels=4), config, NAMES) is None
    norms = load_pretrained(ResNet(18, out_indices=(3,), base_channels=4, norm_eval=True), config, NAMES)
    assert "20 norms are frozen and keep the mean 0" in norms
    whole = str(tmp_path / "whole.safetensors")
    write_weights(whole, {name: var.numpy() for name, var in model.state_dict().items()})
    assert "warning" not in load_pretrained(model, Config(pretrained_weights=whole, **config), NAMES)
