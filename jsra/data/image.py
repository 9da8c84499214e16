"""Reading images, and the target dictionary of an image without annotations."""

from __future__ import annotations

import os
import re
import warnings

import numpy as np
from PIL import Image, UnidentifiedImageError

from jsra.runtime.memory import no_memory

PICTURES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff")  # files with these endings count as pictures
# EXIF orientation -> how the stored picture is turned to be shown.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_ORIENTATION, _BITS, _COMPRESSION, _WHITE_IS, _PLANES = 274, 258, 259, 262, 284  # tags of EXIF and of TIFF files

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # for half as many as are read


class DataError(RuntimeError):
    """An image or annotation that cannot be used; the message gives the file, the image id and how to fix it."""


def is_special(path) -> bool:
    """Whether a path is a pipe or a device: a program that reads it could wait without end."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def open_image(path):
    """Image.open. Raises ValueError for a pipe, a device, or a picture with more pixels than Pillow reads."""
    if is_special(path):
        raise ValueError("it is a pipe or a device")
    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        most = f"{2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels"
        raise ValueError(f"it has more than {most}, the most that are read; cut it into parts") from None
    except UnidentifiedImageError:
        raise UnidentifiedImageError(_what_it_is(path)) from None


def _what_it_is(path) -> str:
    """What a file is that is no picture, and what to do."""
    with open(path, "rb") as f:
        start = f.read(512).strip(b"\0 \t\r\n")
    if not start:
        return "it is empty or has only zeros: copy it again"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: fetch the pictures with `git lfs pull`"
    if start[:9].lower().startswith((b"<!doctype", b"<html")):
        return "it is a web page: download the picture again"
    if re.match(rb".?ftyp(hei|hev|mif1|msf1)", start, re.DOTALL):
        return "it is a HEIC picture, which is not read: convert it to JPEG or PNG"
    return "it is damaged, or no picture in a known format"


def separator(path) -> str:
    """What to do about a missing file whose name has the separator of Windows, for the end of a message."""
    return "; its \\ is the separator of Windows: write /" if os.sep == "/" and "\\" in os.fspath(path) else ""


def read_image(path, size=None, img_id=None):
    """uint8 RGB [H, W, 3] of a file, as `rgb_pixels` gives it.

    size: (width, height) from the annotations, or None. Raises DataError for a file that is missing, broken, or of another
    size.
    """
    name = f"image {path}" + (f" (image id {img_id})" if img_id is not None else "")
    try:
        with open_image(path) as image:
            pixels = rgb_pixels(image, size)
    except IsADirectoryError:
        raise DataError(f"{name} is a folder: give a picture file") from None
    except (FileNotFoundError, NotADirectoryError):
        cure = "; correct the dataset's root or the annotations" if img_id is not None else ""
        raise DataError(f"{name} is missing{cure}{separator(path)}") from None
    except MemoryError:
        raise DataError(f"{name} cannot be read: {no_memory()}") from None
    except Exception as error:
        cure = ", or remove it from the annotations" if img_id is not None else ""
        raise DataError(f"{name} cannot be read ({error}); replace it{cure}") from error
    found = (pixels.shape[1], pixels.shape[0])
    if size is not None and found != tuple(size):
        raise DataError(f"{name} is {found[0]} x {found[1]} pixels, the annotations say {size[0]} x {size[1]}")
    return pixels


def count_frames(path) -> int:
    """The number of pictures in a file (animated WebP or PNG, pages of a TIFF), of which read_image gives the first."""
    try:
        with open_image(path) as image:
            return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: a photo and its preview or depth
    except Exception:  # the first one was read; what follows it may be damaged in any way
        return 1


def shown(image):
    """A Pillow image as it is shown: turned by its EXIF orientation, as in mmdet. An orientation in XMP is not used, nor that
    of an EXIF which cannot be read. Pillow turns a TIFF when it is loaded: then `image` itself is turned."""
    is_tiff, name, xmp = image.format == "TIFF", getattr(image, "filename", ""), _take_xmp(image)
    if is_tiff:
        image.filename = ""  # otherwise Pillow maps the file into memory, with width and height exchanged if it is turned
    image.load()
    if is_tiff:
        image.filename = name  # it may be a user's image
    xmp.update(_take_xmp(image))  # in a PNG it can follow the pixels
    try:
        turn = None if is_tiff else _TURNS.get(image.getexif().get(_ORIENTATION))
    except MemoryError:
        raise
    except Exception:  # Pillow raises many kinds for an EXIF that is broken
        turn = None
    image.info.update(xmp)
    return image if turn is None else image.transpose(turn)


def _take_xmp(image) -> dict:
    return {key: image.info.pop(key) for key in ("xmp", "XML:com.adobe.xmp") if key in image.info}


def rgb_pixels(image, size=None):
    """uint8 RGB [H, W, 3] of a Pillow image.

    The EXIF orientation is applied, in training and in inference, as in mmdet, except if `size` (width, height) from the
    annotations is that of the stored image and not that of the rotated one. Of 16-bit pixels the upper 8 bits are used, as in
    OpenCV. Raises ValueError for pixels with more bits or floating-point pixels, because their range is unknown.
    """
    turned = shown(image)
    if size is not None and tuple(size) == image.size != turned.size:
        turned = image
    if turned.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits")
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    bits = tags.get(_BITS, (8,))
    if turned.mode.startswith("I"):
        values = np.asarray(turned)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise ValueError(f"pixels of {values.min()} to {values.max()}; save it with 8 or 16 bits")
        upper = (values.astype(np.uint16) >> (4 if bits == (12,) else 8)).astype(np.uint8)
        turned = Image.fromarray(255 - upper if tags.get(_WHITE_IS) == 0 else upper)
    elif len(bits) > 1 and max(bits) > 8 and tags.get(_PLANES) == 2 and tags.get(_COMPRESSION, 1) == 1:
        raise ValueError(f"planes of {max(bits)} bits, one after the other; save it with the colours of a pixel together")
    return np.asarray(turned.convert("RGB"))


def new_target(size, img_id=0, img_file=None, classes=()):
    """The target dictionary of an image of `size` (width, height) without boxes. Its keys:

    img_id, img_file, classes; bboxes [n, 4] xyxy float32 in pixels, labels [n] int32 (1-based), bboxes_ignore [m, 4];
    masks: None or jsra.data.masks.InstanceMasks; ori_img_size, img_size (after resizing), pad_shape (after padding), all
    (width, height); scale_factor [4]: factors of the boxes' coordinates; flip: None or a direction. Only some datasets have
    (see jsra.data.dataset.FIELDS): track_ids [n], video_id, frame_index, negative_labels, not_exhaustive_labels.
    """
    return {
        "img_id": img_id,
        "img_file": img_file,
        "classes": tuple(classes),
        "bboxes": np.zeros((0, 4), np.float32),
        "labels": np.zeros(0, np.int32),
        "bboxes_ignore": np.zeros((0, 4), np.float32),
        "masks": None,
        "ori_img_size": tuple(size),
        "img_size": tuple(size),
        "pad_shape": tuple(size),
        "scale_factor": np.ones(4, np.float32),
        "flip": None,
    }
