"""Reading and writing .pth files; files/ was written by PyTorch (tests/detectors/reference/make_torchvision.py)."""

import argparse
import collections
import datetime
import os
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import pytest

from jsra.convert import torch_file
from jsra.convert.files import read_weights, write_weights
from jsra.convert.torch_file import WeightsError

FILES = os.path.join(os.path.dirname(__file__), "files")


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
def test_read_what_pytorch_wrote(name):
    content = torch_file.read(os.path.join(FILES, name))
    assert content["meta"] == {"epoch": 3, "note": "x"}
    with np.load(os.path.join(FILES, "expected.npz")) as expected:
        assert set(content["state_dict"]) == set(expected.files)
        for key in expected.files:
            found = content["state_dict"][key]
            assert found.shape == expected[key].shape and found.dtype == expected[key].dtype, key
            np.testing.assert_array_equal(found, expected[key], err_msg=key)


@pytest.mark.parametrize("extension", [".pth", ".safetensors", ".npz"])
def test_round_trip(tmp_path, rng, extension):
    arrays = {
        "a.weight": rng.standard_normal((3, 4, 2, 2)).astype(np.float32),
        "a.bias": rng.standard_normal(3).astype(np.float32),
        "b.count": np.array([7], np.int64),
        "c.none": np.zeros((0, 4), np.float32),
        "long " * 80: np.float32([1]),
    }
    path = tmp_path / f"weights{extension}"
    write_weights(path, arrays)
    found = read_weights(path)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert os.listdir(tmp_path) == [path.name]


class Malicious:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_not_run(tmp_path, zipped):
    marker, path = str(tmp_path / "ran"), str(tmp_path / "bad.pth")
    content = pickle.dumps({"state_dict": {"x": Malicious(marker)}}, protocol=2)
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    else:
        with open(path, "wb") as file:
            for part in (torch_file._LEGACY_MAGIC, 1001, {}):
                pickle.dump(part, file, protocol=2)
            file.write(content)
    with pytest.raises(WeightsError, match="refused: the file requests (posix|nt).mkdir"):
        torch_file.read(path)
    assert not os.path.exists(marker)


def write_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)


def test_objects_of_training_frameworks_are_inert(tmp_path):
    """A global of mmengine, its state and all, becomes nothing; the weights next to it are read."""
    # The state has a method of the class, getattr(HistoryBuffer, "min"), as in each file that a training of mmengine writes.
    method = b"X\x03\x00\x00\x00minc__builtin__\ngetattr\ncmmengine.logging\nHistoryBuffer\nX\x03\x00\x00\x00min\x86Rs"
    content = b"\x80\x02}(X\x04\x00\x00\x00metacmmengine.logging\nHistoryBuffer\n)R}" + method + b"bu."
    path = str(tmp_path / "log.pth")
    write_zip(path, content)
    assert type(torch_file.read(path)["meta"]).__name__ == "Inert"
    with pytest.raises(WeightsError, match="no tensors"):
        read_weights(path)


@pytest.mark.parametrize(
    "name",
    ["lightning_fabric.utilities.data\nAttributeDict", "easydict\nEasyDict", "__main__\nSettings", "my_project.config\nArgs",
     "functools\npartial", "fractions\nFraction", "types\nSimpleNamespace", "re\n_compile", "operator\nitemgetter",
     "__builtin__\nxrange", "__builtin__\ntype", "builtins\nmax", "__builtin__\nreduce", "builtins\nNotImplemented"],
)  # fmt: skip
def test_settings_of_other_trainers_are_inert(tmp_path, name):
    content = b"\x80\x02}X\x10\x00\x00\x00hyper_parametersc" + name.encode() + b"\n)R}X\x01\x00\x00\x00aK\x01sbs."
    write_zip(str(tmp_path / "a.ckpt"), content)
    assert type(torch_file.read(str(tmp_path / "a.ckpt"))["hyper_parameters"]).__name__ == "Inert"


def wrapped(tmp_path, before, after, arguments=False):
    """A file with the parameter 'a', [1, 2], whose pickled tensor (or the arguments of its function) stands between two
    pieces of a pickle."""
    path, function = str(tmp_path / "a.pth"), b"ctorch._utils\n_rebuild_tensor_v2\n"
    torch_file.write(path, {"a": np.float32([1, 2])})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    start, tensor = parts["archive/data.pkl"][:-2].split(function)
    inside = tensor[:-1] if arguments else function + tensor
    parts["archive/data.pkl"] = start + before + inside + after + b"u."
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


STATE = b"}X\x07\x00\x00\x00lr_multK\x02s"  # {"lr_mult": 2}


def test_tensors_with_attributes_are_read(tmp_path):
    before, after = b"ctorch._utils\n_rebuild_parameter_with_state\n(", b"\x88ccollections\nOrderedDict\n)R" + STATE + b"tR"
    np.testing.assert_array_equal(read_weights(wrapped(tmp_path, before, after))["a"], [1, 2])
    before = b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n"
    np.testing.assert_array_equal(read_weights(wrapped(tmp_path, before, STATE + b"tR", arguments=True))["a"], [1, 2])


@pytest.mark.parametrize("name", ["_rebuild_device_tensor_from_numpy", "_rebuild_qtensor", "_rebuild_sparse_tensor"])
def test_tensors_of_other_kinds_are_told(tmp_path, name):
    path = wrapped(tmp_path, b"ctorch._utils\n" + name.encode() + b"\n(", b"tR")
    with pytest.raises(WeightsError, match="1 tensors are of a kind that is not supported .* such as a: save them in"):
        read_weights(path)


@pytest.mark.parametrize("storage", ["torch\nComplexFloatStorage", "torch\nQUInt8Storage", "torch.storage\nUntypedStorage"])
def test_numbers_of_other_kinds_are_told(tmp_path, storage):
    """Complex numbers, quantised ones, and (without a type of their storage) 8-bit floats and unsigned integers."""
    path = str(tmp_path / "a.pth")
    torch_file.write(path, {"a": np.float32([1, 2])})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    content = parts["archive/data.pkl"].replace(b"ctorch\nFloatStorage\n", b"c" + storage.encode() + b"\n")
    write_zip(path, content)
    with pytest.raises(WeightsError, match="1 tensors are of a kind that is not supported .* such as a: save them in"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"cmodels.yolo\nModel\n)R", b"}X\x05\x00\x00\x00modelcmodels.yolo\nModel\n)Rs"])
def test_whole_models_are_told(tmp_path, content):
    write_zip(str(tmp_path / "a.pt"), b"\x80\x02" + content + b".")
    with pytest.raises(WeightsError, match="a whole model, which is not loaded: save the weights alone in PyTorch"):
        read_weights(str(tmp_path / "a.pt"))


def test_a_torchscript_archive_is_told(tmp_path):
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02c__torch__\nModel\n)\x81.")
        archive.writestr("m/constants.pkl", b"\x80\x02).")
    with pytest.raises(WeightsError, match="a TorchScript archive, which holds code: save the weights of the model"):
        read_weights(path)


def test_settings_dates_and_arrays_next_to_the_weights_are_inert(tmp_path):
    """What mmengine's and torchvision's training scripts write: numpy arrays, argparse.Namespace, dates, paths, dtypes."""
    named = b"}(X\x06\x00\x00\x00devicectorch\ndevice\nX\x03\x00\x00\x00cpu\x85RX\x05\x00\x00\x00dtypectorch\nfloat32\nu"
    objects = [
        argparse.Namespace(lr=0.1), np.arange(3.0), np.float64(2), datetime.datetime(2026, 1, 2), pathlib.PurePosixPath("a"),
        collections.defaultdict(int, a=1), {1, 2}, collections.Counter("aab"), np.random.default_rng(0).bit_generator.state,
    ]  # fmt: skip
    for protocol in (2, 4):
        path = str(tmp_path / "with_meta.pth")
        write_weights(path, {"x": np.float32([1, 2])})
        with zipfile.ZipFile(path) as archive:
            weights = archive.read("archive/data.pkl")
        for extra in (pickle.dumps(objects, protocol=protocol), b"\x80\x02" + named + b"."):
            parts = b"\x80\x04}(X\x05\x00\x00\x00model" + weights[2:-1] + b"X\x04\x00\x00\x00meta" + extra[2:-1] + b"u."
            with zipfile.ZipFile(path) as archive:
                data = archive.read("archive/data/0")
            mixed = str(tmp_path / "mixed.pth")
            with zipfile.ZipFile(mixed, "w") as archive:
                archive.writestr("archive/data.pkl", parts)
                archive.writestr("archive/data/0", data)
            np.testing.assert_array_equal(read_weights(mixed)["x"], [1, 2])


def test_a_dictionary_that_contains_itself(tmp_path):
    content = {}
    content["model"] = content
    write_zip(str(tmp_path / "a.pth"), pickle.dumps(content, protocol=2))
    with pytest.raises(WeightsError, match="a.pth: damaged: maximum recursion"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["eval", "exec", "__import__", "open", "compile", "breakpoint", "setattr"])
def test_builtins_that_run_code_are_refused(tmp_path, name):
    write_zip(str(tmp_path / "bad.pth"), b"\x80\x02cbuiltins\n" + name.encode() + b"\n(X\x01\x00\x00\x001tR.")
    with pytest.raises(WeightsError, match=f"refused: the file requests builtins.{name}, .* save the weights alone"):
        torch_file.read(str(tmp_path / "bad.pth"))


@pytest.mark.parametrize(
    "start, message",
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"", "is empty"),
        (b"\x1f\x8b\x08\x00" + bytes(99), "compressed by gzip"),
        (b'{"error": "not found"}', r"text \(JSON\)"),
        (b"<Error><Code>AccessDenied</Code></Error>", "a web page"),
        (b"404: Not Found", "text .'404: Not Found'., not weights"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "another kind of file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "another kind of file"),
        (bytes(999), "or damaged"),
        (b"Entry not found", "text .'Entry not found'., not weights"),
        (b"@\x00\x00\x00\x00\x00\x00\x00{}" + bytes(99), "rename it to .safetensors"),
        (b"PK\x03\x04" + bytes(200), "truncated after 204 bytes"),
    ],
)
def test_what_is_no_file_of_weights(tmp_path, start, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(start)
    with pytest.raises(WeightsError, match=f"weights.pth: .*{message}"):
        read_weights(path)


@pytest.mark.parametrize(
    "header",
    [
        "[1, 2]",
        '{"a": 3}',
        '{"a": {"dtype": "F32"}}',
        '{"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}',
        '{"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 8]}}',
        '{"a": {"dtype": "F32", "shape": [1.9], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {"dtype": "F32", "shape": [2], '
        '"data_offsets": [0, 8]}}',
    ],
)
def test_safetensors_that_are_damaged(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    with pytest.raises(WeightsError, match="a.safetensors: .*(damaged|not supported)"):
        read_weights(path)


def test_npz_that_are_damaged_or_hold_objects(tmp_path):
    whole = tmp_path / "whole.npz"
    np.savez(whole, a=np.zeros(99))
    np.savez(tmp_path / "objects.npz", a=np.array([{}], object))
    (tmp_path / "cut.npz").write_bytes(whole.read_bytes()[:200])
    (tmp_path / "other.npz").write_bytes(b"nothing of it")
    with open(tmp_path / "single.npz", "wb") as file:
        np.save(file, np.zeros(3))
    for name in ("objects", "cut", "other", "single"):
        with pytest.raises(WeightsError, match=f"{name}.npz: not an .npz file of arrays, or damaged"):
            read_weights(tmp_path / f"{name}.npz")


@pytest.mark.parametrize("array", [np.array(["a"]), np.zeros(2, np.complex64), np.zeros(2, [("a", "f4")])])
def test_arrays_of_anything_but_numbers(tmp_path, array):
    np.savez(tmp_path / "a.npz", **{"conv1.weight": array})
    with pytest.raises(WeightsError, match="a.npz: conv1.weight has dtype .*none of numbers"):
        read_weights(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth"])
@pytest.mark.parametrize("keep", [0, 10, 700, 1500, 2300])
def test_cut_off_files(tmp_path, name, keep):
    path = str(tmp_path / name)
    with open(os.path.join(FILES, name), "rb") as whole, open(path, "wb") as cut:
        cut.write(whole.read()[:keep])
    with pytest.raises(WeightsError, match=name):
        torch_file.read(path)


def test_tensor_beyond_its_storage():
    storage = torch_file._Storage("<f4", "0", 4)
    storage.fill(np.arange(4, dtype=np.float32).tobytes())
    np.testing.assert_array_equal(torch_file.Tensor(storage, 1, (2,), (2,)).array(), [1, 3])
    for offset, size, stride in ((0, (5,), (1,)), (2, (2,), (2,)), (-1, (2,), (1,)), (3, (2,), (-1,))):
        with pytest.raises(WeightsError, match="beyond its storage"):
            torch_file.Tensor(storage, offset, size, stride).array()


def test_nested_and_parallel_checkpoints(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, **{"module.x": np.float64([1, 2])})
    found = read_weights(path)
    assert list(found) == ["x"] and found["x"].dtype == np.float32


@pytest.mark.parametrize("outer, inner", [("model", "state_dict"), ("state_dict", "model"), ("module", "model_state_dict")])
def test_a_checkpoint_inside_another(monkeypatch, tmp_path, outer, inner):
    (tmp_path / "a.pth").write_bytes(b"\0weights")
    monkeypatch.setattr(torch_file, "read", lambda path: {outer: {inner: {"x": np.float32([1, 2])}}, "epoch": 1})
    assert list(read_weights(tmp_path / "a.pth")) == ["x"]


@pytest.mark.parametrize("keys", [("net",), ("params",), ("teacher",), ("ema",), ("model", "teacher"), ("nets", "a", "b")])
def test_weights_under_another_key_are_told(monkeypatch, tmp_path, keys):
    (tmp_path / "a.pth").write_bytes(b"\0weights")
    content = {"x": np.float32([1, 2])}
    for key in reversed(keys):
        content = {key: content, "epoch": 1}
    monkeypatch.setattr(torch_file, "read", lambda path: content)
    place, code = ".".join(keys), "".join(f"\\['{key}'\\]" for key in keys)
    message = rf"its tensors are in '{place}', and only state_dict, model, .*FILE, weights_only=False\){code}, 'weights.pth'"
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / "a.pth")


def test_a_model_that_is_a_config_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "a.pth").write_bytes(b"\0weights")
    content = {"model": {"type": "FasterRCNN", "depth": 50}, "model_state_dict": {"x": np.float32([1, 2])}}
    monkeypatch.setattr(torch_file, "read", lambda path: content)
    assert list(read_weights(tmp_path / "a.pth")) == ["x"]


def test_arrays_of_numpy_in_a_file_of_pytorch_are_told(tmp_path):
    write_zip(str(tmp_path / "a.pth"), pickle.dumps({"x": np.float32([1, 2])}, protocol=2))
    with pytest.raises(WeightsError, match="keys are x; objects in it, such as arrays of NumPy, are not read"):
        read_weights(tmp_path / "a.pth")


def test_arrays_of_numpy_under_another_name(tmp_path):
    with open(tmp_path / "a.pth", "wb") as file:
        np.savez(file, x=np.float32([1, 2]))
    with pytest.raises(WeightsError, match="rename it to .npz"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "key, text",
    [("config", "dict(depth=50, style='caffe')"), ("cfg", 'style = "caffe"'), ("cfg", "{'style': 'caffe'}")],
)
def test_a_resnet_with_its_stride_elsewhere_is_refused(tmp_path, monkeypatch, key, text):
    """mmdet's weights in Caffe's form have the names of the others."""
    path = tmp_path / "a.pth"
    path.write_bytes(b"\0weights")

    def content(name, text):
        return {"meta": {key: text}, "state_dict": {f"backbone.layer1.0.{name}.weight": np.ones(2, np.float32)}}

    monkeypatch.setattr(torch_file, "read", lambda path: content("conv3", text))
    with pytest.raises(WeightsError, match="style='caffe': each block of this ResNet has the stride on its first 1x1"):
        read_weights(path)
    monkeypatch.setattr(torch_file, "read", lambda path: content("conv2", text))  # a ResNet-18 has no such block
    assert read_weights(path)
    monkeypatch.setattr(torch_file, "read", lambda path: content("conv3", text.replace("caffe", "pytorch")))
    assert read_weights(path)


def test_bfloat16_safetensors(tmp_path):
    import json
    import struct

    header = json.dumps({"x": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    bits = np.float32([1.5, -2, 0, 3.140625]).view("<u4") >> 16
    path = tmp_path / "b.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bits.astype("<u2").tobytes())
    np.testing.assert_array_equal(read_weights(path)["x"], [[1.5, -2], [0, 3.140625]])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(WeightsError, match="truncated"):
        read_weights(path)


@pytest.mark.parametrize("name", ["a.txt", "b"])
def test_unknown_extension(tmp_path, name):
    (tmp_path / name).write_text("x")
    with pytest.raises(WeightsError, match="none of"):
        read_weights(tmp_path / name)
    with pytest.raises(WeightsError, match="none of"):
        write_weights(tmp_path / name, {})


def test_ordered_dict_is_the_standard_one():
    assert (
        torch_file.Unpickler(open(os.devnull, "rb"), {}).find_class("collections", "OrderedDict")
        is collections.OrderedDict
    )


@pytest.mark.parametrize("length", [0x7B20, 0x5B20, 0x8B1F])
def test_a_length_of_a_header_that_looks_like_text(tmp_path, length):
    """The first bytes of a .safetensors file: ' {' and ' [', as of JSON, and the mark of gzip."""
    header = b'{"neck.x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(length)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(struct.pack("<Q", length) + header + np.float32(2.5).tobytes())
    assert read_weights(path) == {"neck.x": np.float32([2.5])}
