"""Reading and writing .pth files; files/ was written by PyTorch (tests/detectors/reference/make_torchvision.py)."""

import collections
import os
import pickle
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
    with pytest.raises(WeightsError, match="refused: the file asks for (posix|nt).mkdir"):
        torch_file.read(path)
    assert not os.path.exists(marker)


def test_objects_of_training_frameworks_are_inert(tmp_path):
    """A global of mmengine, its state and all, becomes nothing; the weights beside it are read."""
    content = b"\x80\x02}(X\x04\x00\x00\x00metacmmengine.logging\nHistoryBuffer\n)R}X\x01\x00\x00\x00aK\x01sbu."
    path = str(tmp_path / "log.pth")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    assert type(torch_file.read(path)["meta"]).__name__ == "Inert"
    with pytest.raises(WeightsError, match="no tensors"):
        read_weights(path)


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
    np.testing.assert_array_equal(torch_file._Tensor(storage, 1, (2,), (2,)).array(), [1, 3])
    for offset, size, stride in ((0, (5,), (1,)), (2, (2,), (2,)), (-1, (2,), (1,)), (3, (2,), (-1,))):
        with pytest.raises(WeightsError, match="beyond its storage"):
            torch_file._Tensor(storage, offset, size, stride).array()


def test_nested_and_parallel_checkpoints(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, **{"module.x": np.float64([1, 2])})
    found = read_weights(path)
    assert list(found) == ["x"] and found["x"].dtype == np.float32


def test_bfloat16_safetensors(tmp_path):
    import json
    import struct

    header = json.dumps({"x": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    bits = np.float32([1.5, -2, 0, 3.140625]).view("<u4") >> 16
    path = tmp_path / "b.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bits.astype("<u2").tobytes())
    np.testing.assert_array_equal(read_weights(path)["x"], [[1.5, -2], [0, 3.140625]])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(WeightsError, match="cut off"):
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
