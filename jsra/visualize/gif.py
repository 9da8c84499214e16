"""Writes an animated GIF frame by frame: Pillow's own writer holds all frames in memory until the end."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageChops

COLORS = 0x80  # flag of a colour table; the lowest three bits have its size
EXTENSION, PICTURE, END = b"!", b",", b";"


class GifWriter:
    """Writes uint8 RGB frames [H, W, 3] of one size, repeated without end, to an open binary file.

    After the first frame, only the rectangle that changes is written. Only the last frame is held in memory.
    """

    def __init__(self, file, size):
        self.file, self._last = file, None
        self._write(b"GIF89a", *(_short(side) for side in size), bytes(3))  # no table: each frame has its own
        self._write(EXTENSION, b"\xff\x0bNETSCAPE2.0\x03\x01", bytes(3))  # repeat

    def add(self, frame, milliseconds: float):
        """Add a frame that is shown for some time."""
        image = Image.fromarray(np.asarray(frame))
        changed = (0, 0, *image.size) if self._last is None else ImageChops.difference(image, self._last).getbbox()
        box = changed or (0, 0, 1, 1)
        self._last = image
        flags, colors, data = _encoded(image.crop(box))
        delay = min(max(round(milliseconds / 10), 1), 65535)
        self._write(EXTENSION, b"\xf9\x04\x04", _short(delay), bytes(2))  # the frame stays below the next one
        places = box[0], box[1], box[2] - box[0], box[3] - box[1]
        self._write(PICTURE, *(_short(value) for value in places), bytes([flags]), colors, data)
        self.file.flush()

    def close(self):
        self._write(END)

    def _write(self, *parts):
        self.file.write(b"".join(parts))


def _short(value: int) -> bytes:
    return int(value).to_bytes(2, "little")


def _encoded(image):
    """(flags of a colour table, the table, the compressed pixels) of a picture, from a GIF file of Pillow."""
    buffer = io.BytesIO()
    image.quantize(256).save(buffer, format="GIF", interlace=0)
    raw = buffer.getvalue()
    start = 13  # of what follows the header
    flags, colors, start = _table(raw, raw[10], start)
    while raw[start : start + 1] == EXTENSION:
        start += 2
        while raw[start]:  # blocks of so many bytes
            start += raw[start] + 1
        start += 1
    own, own_colors, start = _table(raw, raw[start + 9], start + 10)
    return own or flags, own_colors or colors, raw[start : -len(END)]


def _table(raw, flags, start):
    """(flags, colour table, end of the table) of a table at `start`, if the flags say that there is one."""
    if not flags & COLORS:
        return 0, b"", start
    end = start + 3 * (2 << (flags & 7))
    return COLORS | flags & 7, raw[start:end], end
