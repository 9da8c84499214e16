"""Pictures of every kind give the same pixels in training and in inference."""

import os

import numpy as np
import pytest
from PIL import Image

from jsra.data.check_entries import check_image
from jsra.data.image import DataError, read_image, rgb_pixels
from jsra.data.paths import existing_file
from jsra.data.voc_file import read_xml
from jsra.engine.log import Log
from jsra.registry import ConfigError


@pytest.fixture
def grey16(tmp_path):
    """A ramp of 16 bits."""
    values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(8, 32)
    path = tmp_path / "grey.png"
    Image.fromarray(values).save(path)
    return str(path), values


def test_16_bits_are_cut_to_their_upper_8(grey16):
    path, values = grey16
    pixels = read_image(path)
    assert pixels.dtype == np.uint8 and pixels.shape == (8, 32, 3)
    assert np.array_equal(pixels[:, :, 1], (values >> 8).astype(np.uint8))
    assert np.array_equal(read_image(path, (32, 8)), pixels)
    assert np.array_equal(rgb_pixels(Image.fromarray(values.astype(np.int32))), pixels)


@pytest.mark.parametrize(
    "values, words",
    [
        (np.full((4, 4), 0.5, np.float32), "floating-point pixels; save it with 8 or 16 bits"),
        (np.full((4, 4), 70000, np.int32), "pixels of 70000 to 70000; save it"),
        (np.full((4, 4), -1, np.int32), "pixels of -1 to -1; save it"),
    ],
)
def test_an_unknown_range_is_refused(tmp_path, values, words):
    path = tmp_path / "x.tiff"
    Image.fromarray(values).save(path)
    with pytest.raises(DataError, match=rf"x\.tiff \(image id 3\) cannot be read \({words}"):
        read_image(str(path), img_id=3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK", "LA"])
def test_other_kinds_become_rgb(mode, tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)).convert(mode)
    assert np.array_equal(rgb_pixels(image), np.asarray(image.convert("RGB")))


def turned(folder, orientation, shape=(20, 30)):
    """(path, pixels as stored) of a picture with an EXIF orientation."""
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(folder / f"{orientation}.png")
    Image.fromarray(pixels).save(path, exif=exif)
    return path, pixels


def test_the_orientation_is_applied(tmp_path):
    path, pixels = turned(tmp_path, 6)
    upright = np.rot90(pixels, -1)
    assert np.array_equal(read_image(path), upright)  # inference knows no annotated size
    assert np.array_equal(read_image(path, (20, 30)), upright)
    assert np.array_equal(read_image(path, (30, 20)), pixels)  # annotated on the picture as it is stored


@pytest.mark.parametrize("orientation, shape", [(3, (20, 30)), (6, (20, 20))])
def test_where_sizes_agree_training_and_inference_see_the_same(tmp_path, orientation, shape):
    path, pixels = turned(tmp_path, orientation, shape)
    expected = np.rot90(pixels, 2 if orientation == 3 else -1)
    assert np.array_equal(read_image(path), expected)
    assert np.array_equal(read_image(path, shape[::-1]), expected)


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(DataError, match=f"^image {tmp_path} is a folder: give a picture file$"):
        read_image(str(tmp_path))


def test_pipes_are_refused(tmp_path):
    """Reading one would wait without end."""
    for name in ("a.png", "a.xml", "ids.txt"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=r"a\.png \(image id 3\) cannot be read \(it is a pipe or a device\)"):
        read_image(str(tmp_path / "a.png"), img_id=3)
    assert "pipe" in next(check_image(str(tmp_path / "a.png"), (5, 5), "here")).what
    assert "pipe" in read_xml(str(tmp_path / "a.xml"), "here")[1][0].what
    with pytest.raises(DataError, match="ids.txt is not a regular file .* give a file as the list"):
        existing_file(str(tmp_path / "ids.txt"), "the list")
    with pytest.raises(ConfigError, match=r"log\.jsonl is no file: remove it, or choose another work_dir"):
        os.mkfifo(tmp_path / "log.jsonl")
        Log(str(tmp_path), 1, 0)
