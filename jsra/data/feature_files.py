"""Maps of a frozen backbone for the images of a dataset, in half precision: one file per image, another if it is mirrored.

Files are written under another name and then renamed: every file is complete, even after a crash, and any number of
processes may write to the same folder. The name of a file depends on the image's path, file size and modification time, and
on its annotated size.
"""

from __future__ import annotations

import hashlib
import os
import zipfile

import numpy as np

from jsra.data.image import DataError, read_image
from jsra.data.transforms import Compose, Normalize, Pad, RandomFlip, Resize
from jsra.registry import ConfigError


class FeatureFiles:
    """The files of one backbone and one list of transforms in `folder`.

    transforms: those of the dataset. Raises ConfigError if they can make more than two different images from one.
    """

    def __init__(self, folder: str, transforms: Compose):
        self.folder = folder
        self.flips = _flips(transforms.transforms)
        self._transforms = transforms.transforms
        self._without_colours = Compose([t for t in self._transforms if not isinstance(t, Normalize)])

    def path(self, record, flip) -> str:
        """The path for the maps of a record (jsra.data.dataset.Record), mirrored or not."""
        try:
            image = os.stat(record.file)
        except FileNotFoundError:
            raise DataError(f"image {record.file} (image id {record.img_id}) is missing") from None
        # The annotated size decides whether the EXIF orientation is applied (jsra.data.image.rgb_pixels).
        size = f"{record.width}x{record.height}"
        about = f"{os.path.abspath(record.file)}|{image.st_size}|{image.st_mtime_ns}|{size}|{flip}"
        return os.path.join(self.folder, hashlib.sha256(about.encode()).hexdigest()[:32] + ".npz")

    def missing(self, records) -> list:
        """[(record, flip)] for which there is no file."""
        there = set(os.listdir(self.folder)) if os.path.isdir(self.folder) else ()
        wanted = [(record, flip) for record in records for flip in self.flips]
        return [one for one in wanted if os.path.basename(self.path(*one)) not in there]

    def picture(self, record, flip, target):
        """float32 [3, H, W]: the record's image after the transforms, mirrored or not."""
        image = read_image(record.file, (record.width, record.height), record.img_id)
        steps = [
            RandomFlip(float(flip is not None), t.direction) if isinstance(t, RandomFlip) else t
            for t in self._transforms
        ]
        return Compose(steps)(image, target, np.random.default_rng(0))[0]

    def sample(self, record, target, rng) -> tuple:
        """(maps, target) instead of (image, target), with the random numbers that the transforms draw from rng."""
        blank = np.zeros((record.height, record.width, 3), np.uint8)
        _, target = self._without_colours(blank, target, rng)
        return self.read(record, target["flip"]), target

    def write(self, record, flip, maps) -> int:
        """Store the maps [C, H, W] of a record; returns the number of bytes."""
        halves = [np.asarray(m, np.float16) for m in maps]
        if not all(np.isfinite(m).all() for m in halves):
            raise ConfigError(
                f"feature_cache: the backbone's maps of {record.file} exceed half precision (65504); train without it"
            )
        path = self.path(record, flip)
        unfinished = f"{path}.{os.getpid()}.unfinished"
        try:
            with open(unfinished, "wb") as file:
                np.savez(file, *halves)
            os.replace(unfinished, path)
        finally:
            if os.path.exists(unfinished):
                os.remove(unfinished)
        return sum(m.nbytes for m in halves)

    def read(self, record, flip) -> tuple:
        """float32 maps [C, H, W] of a record, finest first. Raises DataError if their file is missing or broken."""
        path = self.path(record, flip)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return tuple(stored[name].astype(np.float32) for name in stored.files)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:  # EOFError: 0 bytes, after a power cut
            raise DataError(
                f"cached features of {record.file} (image id {record.img_id}): {path}: {error}; delete this file "
                "and start again: missing features are computed"
            ) from None


def _flips(transforms) -> tuple:
    """The possible values of `flip` that the transforms can draw: None, a direction, or both."""
    flips = [t for t in transforms if isinstance(t, RandomFlip)]
    others = [t for t in transforms if not isinstance(t, (RandomFlip, Resize, Normalize, Pad))]
    sizes = [t for t in transforms if isinstance(t, Resize) and len(t.min_size) > 1]
    if others or sizes or len(flips) > 1:
        what = f"{type(others[0]).__name__}" if others else "a Resize of several sizes" if sizes else "a second RandomFlip"
        raise ConfigError(
            f"feature_cache: {what} among the transforms makes ever new pictures of an image; features can be kept where it "
            "is resized to one size, mirrored or not, normalised and padded"
        )
    if not flips:
        return (None,)
    return tuple(flip for flip, prob in ((None, 1 - flips[0].prob), (flips[0].direction, flips[0].prob)) if prob > 0)
