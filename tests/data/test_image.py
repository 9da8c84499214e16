"""Pictures of every kind give the same pixels in training and in inference."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from jsra.data.check_entries import check_image
from jsra.data.formats.pictures import size_of
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


def xmp(orientation):
    return f'<x:xmpmeta xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'


@pytest.mark.parametrize("orientation", [None, 8])
def test_an_orientation_in_xmp_is_not_used(tmp_path, orientation):
    """OpenCV and torchvision do not read it."""
    pixels, exif = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    note = PngInfo()
    note.add_itxt("XML:com.adobe.xmp", xmp(3))
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif, pnginfo=note)
    expected = np.rot90(pixels, 1 if orientation else 0)
    assert np.array_equal(read_image(str(tmp_path / "a.png")), expected)
    tags = {700: xmp(3).encode(), **({274: orientation} if orientation else {})}
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo=tags)
    assert np.array_equal(read_image(str(tmp_path / "a.tif")), expected)


def test_an_exif_that_is_broken_costs_no_picture(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = str(tmp_path / "a.png")
    Image.fromarray(pixels).save(path, exif=b"\0\x08\0\x02\x01\x12\0\x03")
    assert np.array_equal(read_image(path), pixels) and not list(check_image(path, (30, 20), "here"))
    assert size_of(path) == ((30, 20), "")


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_the_orientation_of_a_tiff(tmp_path, orientation, mode, compression):
    """Pillow 11 to 13 read those of one channel as garbage if the file is mapped into memory; before 10.1 they were turned
    twice."""
    rng, path = np.random.default_rng(2), str(tmp_path / "a.tif")
    p = rng.integers(0, 256, (20, 30, 3) if mode == "RGB" else (20, 30), dtype=np.uint8)
    stored = p.astype(np.uint16) << 8 if mode == "I;16" else p
    Image.fromarray(stored).save(path, tiffinfo={274: orientation}, compression=compression)
    swapped = np.swapaxes(p, 0, 1)
    turned = p[:, ::-1], p[::-1, ::-1], p[::-1], swapped, np.rot90(p, -1), np.rot90(swapped, 2), np.rot90(p)
    expected = turned[orientation - 2]
    expected = expected if mode == "RGB" else np.repeat(expected[..., None], 3, 2)
    size = expected.shape[1::-1]
    assert np.array_equal(read_image(path), expected) and np.array_equal(read_image(path, size), expected)
    assert size_of(path, size) == (size, "") and not list(check_image(path, size, "here"))
    with Image.open(path) as users:
        assert np.array_equal(rgb_pixels(users), expected) and users.filename == path


def write_tiff(path, width, height, data, **tags):
    """Write an uncompressed TIFF by hand. tags: bits, white (what 0 means), samples, planar."""
    values = {256: width, 257: height, 259: 1, 262: tags.get("white", 1)}
    values.update({277: tags.get("samples", 1), 284: tags.get("planar", 1)})
    strips, start = values[277] if values[284] == 2 else 1, 8
    entries = {tag: (3, [value]) for tag, value in values.items()}
    entries[258] = 3, [tags["bits"]] * values[277]
    entries[273] = 4, [start + i * len(data) // strips for i in range(strips)]
    entries[278], entries[279] = (3, [height]), (4, [len(data) // strips] * strips)
    end = start + len(data)
    body, more = b"", b""
    for tag, (kind, numbers) in sorted(entries.items()):
        packed = b"".join(n.to_bytes({3: 2, 4: 4}[kind], "little") for n in numbers)
        if len(packed) > 4:
            more, packed = more + packed, (end + len(more)).to_bytes(4, "little")
        body += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + len(numbers).to_bytes(4, "little")
        body += packed.ljust(4, b"\0")
    at = end + len(more)
    head = b"II*\0" + at.to_bytes(4, "little")
    Path(path).write_bytes(head + data + more + len(entries).to_bytes(2, "little") + body + bytes(4))
    return str(path)


def test_a_tiff_of_16_bits_in_which_0_is_white(tmp_path):
    """As X-ray pictures are: OpenCV inverts it."""
    values = np.arange(0, 65536, 256, dtype=np.uint16).reshape(8, 32)
    path = write_tiff(tmp_path / "a.tif", 32, 8, values.astype("<u2").tobytes(), bits=16, white=0)
    assert np.array_equal(read_image(path)[..., 0], 255 - (values >> 8))
    path = write_tiff(tmp_path / "b.tif", 32, 8, (values >> 8).astype(np.uint8).tobytes(), bits=8, white=0)
    assert np.array_equal(read_image(path)[..., 0], 255 - (values >> 8))


def test_a_tiff_of_12_bits(tmp_path):
    values = np.arange(0, 4096, 16).reshape(8, 32)
    packed = int("".join(f"{v:012b}" for v in values.ravel()), 2).to_bytes(values.size * 3 // 2, "big")
    path = write_tiff(tmp_path / "a.tif", 32, 8, packed, bits=12)
    assert np.array_equal(read_image(path)[..., 0], values >> 4) and not list(check_image(path, (32, 8), "here"))


def test_planes_of_a_tiff(tmp_path):
    """Pillow reads uncompressed ones of 16 bits as 8 bits of twice as many pixels."""
    values = np.random.default_rng(0).integers(0, 65536, (3, 8, 32)).astype("<u2")
    path = write_tiff(tmp_path / "a.tif", 32, 8, values.tobytes(), bits=16, white=2, samples=3, planar=2)
    with pytest.raises(DataError, match="planes of 16 bits, one after the other; save it with the colours of a pixel"):
        read_image(path)
    assert "planes of 16 bits" in next(check_image(path, (32, 8), "here")).what
    upper = (values >> 8).astype(np.uint8)
    path = write_tiff(tmp_path / "b.tif", 32, 8, upper.tobytes(), bits=8, white=2, samples=3, planar=2)
    assert np.array_equal(read_image(path), upper.transpose(1, 2, 0))


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
