"""Writes results safely: they never overwrite their inputs or each other."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import sys

from jsra.registry import ConfigError

FIGURES = (".png", ".svg", ".pdf")  # extensions of figures by matplotlib
PICTURES = (".png", ".jpg", ".jpeg", ".webp")  # extensions of pictures by Pillow
JPEG_SIDE = 65500  # the largest width and height that a JPEG file can have
NAME_BYTES = 220  # of a name without its extension; file systems allow 255, with a number and whole_or_not's extensions
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def cure(error) -> str:
    """What to do about a system error, for the end of its message."""
    number = getattr(error, "errno", None)
    if number in FULL:
        return ": there is no room on the disk; free some, or write to another folder"
    if number == errno.EROFS:
        return ": it cannot be written to; choose another folder"
    if number in (errno.EEXIST, errno.ENOTDIR):
        return ": a file has the name of a folder that is needed; choose another folder"
    return ""


def check_folder(folder: str, inputs, option: str = "--out"):
    """Raise ConfigError if the folder for results is a file or below one, or contains an input file or a link to one."""
    there = folder
    while there and not os.path.lexists(there):
        there = os.path.dirname(there)
    if there and not os.path.isdir(there):
        found = "a file" if os.path.exists(there) else "a link to nothing"
        raise ConfigError(f"{option}: {there} is {found}: name a folder")
    target = os.path.realpath(folder)
    for path in inputs:
        if target in (os.path.dirname(os.path.realpath(path)), os.path.realpath(os.path.dirname(path) or ".")):
            raise ConfigError(
                f"{option}: {folder} is the folder of the input {path}, which results could overwrite: choose another folder"
            )


def check_kept(folder: str, names, inputs, option: str = "--out"):
    """Raise ConfigError if an input file in the folder has one of the names, a regular expression, that are written there."""
    for place, name in map(os.path.split, inputs):
        if re.fullmatch(names, name) and os.path.realpath(place or ".") == os.path.realpath(folder):
            raise ConfigError(
                f"{option}: {folder} has the input {name}, and a result of this name would replace it: choose another folder"
            )


def distinct_names(paths) -> list:
    """The file name of each path without its extension; equal names get a number, very long ones are cut. Names that differ
    only in capital letters are one name on many disks."""
    names, used = [], set()
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        while len(os.fsencode(name)) > NAME_BYTES:
            name = name[:-1]
        stem = name
        number = 2
        while name.lower() in used:
            name, number = f"{stem}_{number}", number + 1
        used.add(name.lower())
        names.append(name)
    return names


def silence(descriptor: int):
    """Discard all further output to 1 (standard output) or 2 (errors), because nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def open_streams():
    """Open /dev/null for those of input, output and errors that are closed (`>&-`, a service). Otherwise the next file that
    is opened takes their number, and gets what Jittor prints."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf8"))


def visible(text: str) -> str:
    """The text with surrogates written as \\udc85: they stand for bytes of a name that are not UTF-8 (or for half of an emoji
    in JSON), and neither a UTF-8 file nor matplotlib takes them."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def json_text(content, indent=None) -> str:
    """The content as standard JSON: NaN and infinities, which JSON does not have, become null. Numbers and arrays of NumPy,
    which users' parts return, become numbers and lists; so do keys."""
    try:
        return json.dumps(content, indent=indent, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_finite(content), indent=indent, allow_nan=False)


def _finite(value):
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {key.tolist() if hasattr(key, "tolist") else key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: str, content, indent=1) -> str:
    """Write a JSON file atomically (if the disk is full, no file is written); a missing folder is made. Returns the path."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with whole_or_not(path) as unfinished, open(unfinished, "w", encoding="utf8") as f:
        f.write(json_text(content, indent))
    return path


def new_file(path: str) -> str:
    """Remove a file or link at `path` before a program writes there; returns the path. Otherwise it could write into another
    file: the one that a link points to, or another name of the same file (a hard link)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return path


@contextlib.contextmanager
def whole_or_not(path: str):
    """Context manager: yields a path to write to; the file is renamed to `path` at the end, or removed if writing fails. Of
    processes that write the same file at the same time, the last one decides."""
    unfinished = f"{path}.{os.getpid()}.unfinished"
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


def write_picture(path: str, pixels, **options) -> str:
    """Write uint8 [H, W, 3] as a picture in the format of the extension of `path`: atomically, and never through a link,
    which could point to an input. options: for Pillow's save. Returns the path."""
    from PIL import Image

    kind = Image.registered_extensions()[os.path.splitext(path)[1].lower()]
    with whole_or_not(path) as unfinished:
        Image.fromarray(pixels).save(unfinished, format=kind, **options)
    return path


def picture_ending(pixels) -> str:
    """.jpg, or .png for a picture [H, W, 3] that is too wide or high for a JPEG file."""
    return ".jpg" if max(pixels.shape[:2]) <= JPEG_SIDE else ".png"


def pyplot():
    """matplotlib.pyplot, for figures in files. Raises ImportError, which says how to install it."""
    # A notebook passes its own backend on to the commands that it starts; matplotlib refuses it where it is not installed.
    given = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    except ImportError:
        raise ImportError("figures need matplotlib: pip install matplotlib (or 'jsra[dev]')") from None
    finally:
        if given is not None:
            os.environ["MPLBACKEND"] = given
    if "matplotlib.pyplot" not in sys.modules:  # otherwise the caller, such as a notebook, has chosen how it draws
        matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure, path: str, dpi: int = 120) -> str:
    """Write a figure of pyplot() in the format of the extension of `path`, atomically, and close it. Returns the path."""
    with whole_or_not(path) as unfinished:
        figure.savefig(unfinished, format=os.path.splitext(path)[1][1:].lower(), dpi=dpi)
    pyplot().close(figure)
    return path


def figure_file(path: str, option: str = "--out") -> str:
    """output_file for a figure; also raises ImportError, before anything is computed, if matplotlib is missing."""
    pyplot()
    return output_file(path, FIGURES, option)


def check_distinct(path: str, source: str, option: str = "--out"):
    """Raise ConfigError if the file to write is the file `source`, which is read (also through links)."""
    if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
        raise ConfigError(f"{option} {path} is the input file itself, which would be overwritten: choose another name")


def output_file(path: str, endings, option: str = "--out") -> str:
    """Returns the path of a file to write; a missing folder is made.

    Raises ConfigError if the path has none of these extensions (None: any), before anything is computed.
    """
    ending = os.path.splitext(path)[1].lower()
    if endings and ending not in endings:
        what = f"ends in {ending!r}" if ending else "has no ending"
        raise ConfigError(f"{option} {path} {what}: give a file name that ends in {', '.join(endings)}")
    if os.path.isdir(path):
        raise ConfigError(f"{option} {path} is a folder: give a file in it, such as {os.path.join(path, 'out' + ending)}")
    folder = os.path.dirname(path) or "."
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"{option} {path}: {folder} is no folder, or leads through a file: choose another") from None
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{option} {path}: the folder {folder} cannot be written to: choose another")
    return path
