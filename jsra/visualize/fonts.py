"""Fonts for the names in pictures. Pillow's own has the letters of English only."""
from __future__ import annotations

import functools
import importlib.util
import os
import unicodedata

from PIL import ImageFont

# Pillow looks for these in the folders of the system. The first have most alphabets, the others Chinese, Japanese or Korean.
FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc", "wqy-zenhei.ttc", "msyh.ttc", "PingFang.ttc",
    "NanumGothic.ttf", "malgun.ttf",
)  # fmt: skip
NO_LETTER = "\uffff"  # no font has it: its picture is the one that a font has for all that it lacks


def lettering(text: str, size: int) -> tuple:
    """(a font of about `size` pixels, the text in letters that it has). Letters that no font of this machine has become
    numbers, \\u732b, as in a terminal."""
    if text.isascii():
        return _own(size), text
    name, known = _best("".join(sorted({c for c in text if not c.isascii() and not _ends_line(c)})))
    shown = (c if (c.isascii() and not _ends_line(c)) or c in known else _number(c) for c in text)
    return _of(name, size), "".join(shown)


def _ends_line(letter) -> bool:
    """Whether a letter ends a paragraph (not \\n, which Pillow handles): Pillow fails for these."""
    return letter != "\n" and unicodedata.bidirectional(letter) == "B"


def _number(letter) -> str:
    return f"\\x{ord(letter):02x}" if ord(letter) < 256 else letter.encode("ascii", "backslashreplace").decode("ascii")


@functools.lru_cache(maxsize=None)
def _own(size):
    try:
        return ImageFont.load_default(size)
    except TypeError:  # before Pillow 10.1: a small font of fixed size
        return ImageFont.load_default()


@functools.lru_cache(maxsize=None)
def _of(name, size):
    return ImageFont.truetype(name, size) if name else _own(size)


@functools.lru_cache(maxsize=None)
def _best(letters):
    """(the file of the font that has most of the letters, those that it has); (None, '') if no font has any."""
    best = None, ""
    for name in _files():
        try:
            there = _of(name, 16)
        except OSError:  # it is not on this machine
            continue
        lacks = bytes(there.getmask(NO_LETTER))
        known = "".join(c for c in letters if bytes(there.getmask(c)) != lacks)
        if len(known) > len(best[1]):
            best = name, known
        if len(known) == len(letters):
            break
    return best


def _files():
    """Names of fonts, the one that matplotlib brings included."""
    found = importlib.util.find_spec("matplotlib")
    folder = os.path.dirname(found.origin) if found and found.origin else ""
    return (*([os.path.join(folder, "mpl-data", "fonts", "ttf", FONTS[0])] if folder else []), *FONTS)
