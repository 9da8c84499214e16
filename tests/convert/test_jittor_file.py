"""Jittor's .pkl files: read without executing them, and written in a form that jt.load reads."""

import os
import pickle
import sys

import jittor as jt
import numpy as np
import pytest

from jsra.convert import jittor_file, torch_file
from jsra.convert.convert import to_jsra
from jsra.convert.files import read_weights, write_weights
from jsra.convert.torch_file import WeightsError


def test_a_checkpoint_of_jdets_form(tmp_path, rng):
    weight = rng.standard_normal((3, 4)).astype(np.float32)
    checkpoint = {
        "meta": {"epoch": 2, "config": {"lr": 0.1, "strides": (4, 8), "scale": np.float32(2.5)}},
        "model": {"fc.weight": jt.array(weight), "fc.bias": jt.zeros(3), "fc.count": np.array([7], np.int64)},
        "optimizer": {"values": [jt.ones(2)]},
    }
    path = str(tmp_path / "ckpt_2.pkl")
    jt.save(checkpoint, path)
    content = jittor_file.read(path)
    assert content["meta"] == {"epoch": 2, "config": {"lr": 0.1, "strides": [4, 8], "scale": 2.5}}
    arrays = read_weights(path)
    assert set(arrays) == {"fc.weight", "fc.bias", "fc.count"} and arrays["fc.count"].dtype == np.int64
    np.testing.assert_array_equal(arrays["fc.weight"], weight)


@pytest.mark.parametrize("extension", [".pkl", ".ckpt"])  # with PyTorch, it writes .pth, .pt and .bin in PyTorch's format
def test_what_jittor_saves_is_read_under_every_extension(tmp_path, extension):
    path = str(tmp_path / f"a{extension}")
    jt.save({"model": {"fc.weight": jt.array([[1.0, 2.0]])}}, path)
    np.testing.assert_array_equal(read_weights(path)["fc.weight"], [[1.0, 2.0]])


@pytest.mark.parametrize("extension", [".pkl", ".pth", ".bin"])
def test_the_content_tells_the_format_and_not_the_name(tmp_path, extension):
    """torch.save and pickle.dump write under any name."""
    arrays = {"fc.weight": np.float32([[1, 2]])}
    torch_file.write(str(tmp_path / "a.pth"), arrays)
    (tmp_path / "a.pth").rename(tmp_path / f"torch{extension}")
    (tmp_path / f"plain{extension}").write_bytes(pickle.dumps(arrays, 2))
    for name in ("torch", "plain"):
        np.testing.assert_array_equal(read_weights(tmp_path / f"{name}{extension}")["fc.weight"], [[1, 2]])


@pytest.mark.parametrize("protocol", [2, 4])
def test_arrays_of_every_order_and_protocol(tmp_path, rng, protocol):
    arrays = {
        "c": rng.standard_normal((2, 3, 4)),
        "fortran": np.asfortranarray(rng.standard_normal((5, 3)).astype(np.float32)),
        "strided": rng.standard_normal((6, 6)).astype(np.float16)[::2, 1::3],
        "big endian": np.arange(5, dtype=">i4"),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 4), np.float32),
    }
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol))
    found = jittor_file.read(str(path))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_written_files_are_jittors(tmp_path, rng):
    weight = rng.standard_normal((3, 4)).astype(np.float32)
    path = str(tmp_path / "a.pkl")
    write_weights(path, {"fc.weight": weight.T})
    np.testing.assert_array_equal(jt.load(path)["model"]["fc.weight"], weight.T)
    np.testing.assert_array_equal(read_weights(path)["fc.weight"], weight.T)


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_code_is_refused_and_not_run(tmp_path):
    marker, path = str(tmp_path / "ran"), str(tmp_path / "bad.pkl")
    jt.save({"model": {"x": Malicious(marker)}}, path)
    with pytest.raises(WeightsError, match="refused: the file requests (posix|nt).mkdir"):
        read_weights(path)
    assert not os.path.exists(marker)


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "a.pkl"
    write_weights(path, {"fc.weight": np.ones((3, 4), np.float32)})
    raw = bytearray(path.read_bytes())
    raw[60] ^= 1
    path.write_bytes(raw)
    with pytest.raises(WeightsError, match="checksum does not match"):
        read_weights(path)
    path.write_bytes(raw[:50])
    with pytest.raises(WeightsError, match="the pickle is damaged"):
        read_weights(path)


def test_a_dictionary_that_contains_itself(tmp_path):
    content, path, limit = {}, tmp_path / "a.pkl", sys.getrecursionlimit()
    content["model"] = content
    path.write_bytes(pickle.dumps(content))
    try:
        sys.setrecursionlimit(2000)  # Jittor sets it to a million, which takes seconds
        with pytest.raises(WeightsError, match="a.pkl: damaged: maximum recursion"):
            read_weights(path)
    finally:
        sys.setrecursionlimit(limit)


class Net:
    def __init__(self):
        self.weight = np.ones(3)


@pytest.mark.parametrize("content", [Net(), {"model": Net()}], ids=["alone", "under a key"])
@pytest.mark.parametrize("name", ["a.pkl", "a.pth"])
def test_whole_models_are_told(tmp_path, name, content):
    (tmp_path / name).write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match="a whole model, which is not loaded: save the weights alone"):
        read_weights(tmp_path / name)


class Settings:
    class Model:
        depth = 50

    def rate(self):
        return 0.1


@pytest.mark.parametrize("value", [Settings.Model(), Settings.Model, Settings().rate], ids=["object", "class", "method"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_classes_inside_others_and_methods_are_inert(tmp_path, value, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"model": {"x": np.float32([1, 2])}, "settings": value}, protocol))
    assert list(read_weights(path)) == ["x"]


def test_averaged_weights_next_to_those_that_are_read_are_said(tmp_path, capsys):
    path = tmp_path / "both.pkl"
    path.write_bytes(pickle.dumps({"model": {"a.weight": np.ones(2)}, "model_ema": {"a.weight": np.zeros(2)}}))
    assert read_weights(path)["a.weight"].tolist() == [1, 1]
    assert "read 'model'; the averaged weights, 'model_ema', are not used" in capsys.readouterr().err
    # mmengine exchanges both when it saves: its state_dict has the averaged weights
    both = {"state_dict": {"a.weight": np.ones(2)}, "ema_state_dict": {"module.a.weight": np.zeros(2)}}
    path.write_bytes(pickle.dumps(both))
    assert read_weights(path)["a.weight"].tolist() == [1, 1] and not capsys.readouterr().err
    path.write_bytes(pickle.dumps({"state_dict_ema": {"a.weight": np.zeros(2)}}))
    assert read_weights(path)["a.weight"].tolist() == [0, 0] and not capsys.readouterr().err


def test_names_of_jdets_detectors():
    """Backbone, neck and RPN have places here; the heads are of rotated boxes."""
    names = {
        "backbone.layer1.0.conv1.weight": "backbone.layer1.0.conv1.weight",
        "neck.lateral_convs.0.conv.bias": "neck.lateral_convs.0.bias",
        "rpn_head.rpn_reg.weight": "rpn.box.weight",
        "bbox_head.fc_cls.weight": None,
    }
    converted = to_jsra({name: np.zeros(1, np.float32) for name in names})
    assert converted.family == "jdet"
    assert set(converted.arrays) == {ours for ours in names.values() if ours}
    assert converted.unexpected == ["bbox_head.fc_cls.weight"]
    oriented = to_jsra(
        {"rpn.rpn_conv.weight": np.zeros(1, np.float32), "bbox_head.fc_cls.bias": np.zeros(1, np.float32)}
    )
    assert oriented.family == "jdet" and list(oriented.arrays) == ["rpn.convs.0.weight"]


def test_a_pickle_of_python_2_is_told(tmp_path):
    """Its arrays are text with any bytes, as in Detectron's and detectron2's R-50.pkl."""
    (tmp_path / "R-50.pkl").write_bytes(b"\x80\x02}(U\x05blobs}U\x07conv1_wU\x04\xbf\xff\x00\x01su.")
    with pytest.raises(WeightsError, match="R-50.pkl: a pickle of Python 2, as Caffe2, Detectron .* weights of torchvision"):
        read_weights(tmp_path / "R-50.pkl")


def test_the_names_of_caffe2_are_refused(tmp_path):
    blobs = {"conv1_w": np.ones(3, np.float32), "res2_0_branch2a_w": np.zeros((2, 2), np.float32)}
    for content in (blobs, {"blobs": blobs}):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(WeightsError, match="res2_0_branch2a_w: these are names of Caffe2, which are not converted"):
            to_jsra(read_weights(tmp_path / "a.pkl"))


@pytest.mark.parametrize("keys", [("generator",), ("nets", "weights")], ids=".".join)
@pytest.mark.parametrize("save", ["jt.save", "pickle.dump"])
def test_the_cure_for_a_pickle_is_one_for_pickles(tmp_path, monkeypatch, save, keys):
    """torch.load cannot read what these wrote."""
    path, content = tmp_path / "a.pkl", {"x": np.float32([1, 2])}
    for key in reversed(keys):
        content = {key: content}
    if save == "jt.save":
        jt.save(content, str(path))
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(WeightsError, match=f"its tensors are in '{'.'.join(keys)}', and only .* alone, ") as caught:
        read_weights(path)
    monkeypatch.chdir(tmp_path)
    exec(str(caught.value).rpartition("alone, ")[2], {"FILE": str(path)})
    np.testing.assert_array_equal(read_weights(tmp_path / "weights.pkl")["x"], [1, 2])


def test_a_file_of_pytorch_under_the_name_of_safetensors(tmp_path):
    torch_file.write(str(tmp_path / "a.pth"), {"x": np.float32([1, 2])})
    os.rename(tmp_path / "a.pth", tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="a.safetensors: this is a file of torch.save, .* rename it to .pth"):
        read_weights(tmp_path / "a.safetensors")
