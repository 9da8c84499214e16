"""Reads the frames of a video and writes drawn frames as a video: GIF with Pillow, other files with OpenCV or imageio."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Callable, Iterator, NamedTuple

import numpy as np
from PIL import Image, ImageSequence

from jsra.data.image import DataError
from jsra.data.problems import counted
from jsra.output import new_file, whole_or_not
from jsra.visualize.gif import GifWriter

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".gif")
# The newest OpenCV installs NumPy 2, with which Jittor does not work.
OPENCV = "'opencv-python-headless<4.11' 'numpy<2'"
MOST_RATE = 65535  # of MPEG-4


class Video(NamedTuple):
    """frames: an iterator of uint8 RGB [H, W, 3]. ending: extension of the file that `writer` writes.

    writer(path, (width, height)) -> write(frame); write(None) ends the file, and raises DataError if it is not whole. count:
    number of frames, None if unknown. check(): called after the last frame; says so if frames are missing at the end, and
    raises DataError if the file is certainly damaged.
    """

    frames: Iterator
    ending: str
    writer: Callable
    count: int | None = None
    check: Callable = lambda: None


def open_video(path: str) -> Video:
    """Open a video. Raises DataError for a file that is not a video, and ImportError, which says what to install, if no
    package can read it."""
    if path.lower().endswith(".gif"):
        return _pillow(path)
    try:
        import cv2
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "cv2"
        return _imageio(path, "" if missing else f"; the OpenCV that is installed cannot be loaded: {error}")
    return _opencv(cv2, path)


def _pillow(path):
    try:
        image = Image.open(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as a GIF ({error})") from None
    durations, broken = [], []

    def frames():
        try:
            for frame in ImageSequence.Iterator(image):
                pixels = np.asarray(frame.convert("RGB"))
                durations.append(frame.info.get("duration") or 100)
                yield pixels
        except Exception as error:  # Pillow raises many kinds; a detector of several frames still has results to give
            broken.append(str(error) or type(error).__name__)

    def writer(target, size):
        stack, times = contextlib.ExitStack(), iter(durations)
        file = stack.enter_context(open(stack.enter_context(whole_or_not(target)), "wb"))
        gif = GifWriter(file, size)

        def write(frame):
            if frame is not None:
                gif.add(frame, next(times))
            else:
                with stack:
                    gif.close()

        return write

    def check():
        if broken:
            read = f"only {counted(len(durations), 'frame')} could be read" if durations else "no frame can be read"
            kept = "; the results of these frames are kept" if durations else ""
            raise DataError(f"{path}: {read} ({broken[0]}): the file is damaged or was cut{kept}")

    return Video(frames(), ".gif", writer, _frames_of_gif(path), check)


def _frames_of_gif(path):
    """The number of frames, None if the file is damaged."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", None)
    except Exception:
        return None


def _opencv(cv2, path):
    capture = cv2.VideoCapture(path)
    if not capture.isOpened():
        raise DataError(f"{path}: OpenCV cannot read this video")
    if hasattr(cv2, "CAP_PROP_ORIENTATION_AUTO"):  # videos of phones are turned, as by imageio; OpenCV 4.11 has to be told
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    read, seconds = [0], [0.0]

    def frames():
        while True:
            good, frame = capture.read()
            if not good:
                capture.release()
                return
            read[0] += 1
            seconds[0] = max(seconds[0], capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
            yield np.ascontiguousarray(frame[:, :, ::-1])

    def writer(target, size):
        sides = tuple(_even(int(side)) for side in size)
        video = cv2.VideoWriter(new_file(target), cv2.VideoWriter_fourcc(*"mp4v"), _mpeg4_rate(rate), sides)
        if not video.isOpened():
            raise DataError(f"{target}: OpenCV cannot write this video; does this OpenCV have FFmpeg (pip install {OPENCV})?")

        def write(frame):
            if frame is not None:
                return video.write(np.ascontiguousarray(_padded(frame)[:, :, ::-1]))
            video.release()
            written = cv2.VideoCapture(target)
            whole = written.isOpened() and written.read()[0]
            written.release()
            return _check_written(target, whole)

        return write

    def check():
        _check_end(path, read[0], count, max(count / rate - max(seconds[0], read[0] / rate), 0.0))

    return Video(frames(), ".mp4", writer, count if count > 0 else None, check)


def _imageio(path, note=""):
    try:
        import imageio

        reader = imageio.get_reader(path)
    except (ImportError, ValueError) as error:
        raise ImportError(
            f"{path}: reading videos needs OpenCV (pip install {OPENCV}) or imageio with ffmpeg "
            f"(pip install 'imageio[ffmpeg]' 'numpy<2'); {error}{note}"
        ) from None
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: imageio cannot read this video ({error})") from None
    about = reader.get_meta_data()
    rate = about.get("fps") or 25.0
    read = [0]

    def frames():
        for frame in reader:
            read[0] += 1
            yield np.ascontiguousarray(np.asarray(frame)[:, :, :3])

    def writer(target, size):
        video = imageio.get_writer(new_file(target), fps=rate, macro_block_size=1)

        def write(frame):
            if frame is not None:
                return video.append_data(_padded(frame))
            video.close()
            try:
                imageio.get_reader(target).close()
            except (OSError, RuntimeError, ValueError):
                return _check_written(target, False)

        return write

    def check():
        seconds = about.get("duration") or 0.0
        count = _frames_of_avi(path) or round(seconds * rate)
        _check_end(path, read[0], count, max(seconds, count / rate) - read[0] / rate)

    return Video(frames(), ".mp4", writer, None, check)


def _mpeg4_rate(rate: float) -> float:
    """The rate in so few decimals that it is a fraction of numbers up to 65535, as MPEG-4 needs; OpenCV takes three."""
    rate = min(rate, MOST_RATE)
    return round(rate, next(digits for digits in (3, 2, 1, 0) if rate * 10**digits <= MOST_RATE))


def _even(side: int) -> int:
    return side + side % 2


def _padded(frame):
    """The frame with even width and height, which MPEG-4 needs: the last row or column is repeated."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _check_written(target, whole: bool):
    if not whole:
        raise DataError(f"{target}: the drawn video is not whole: is there room on the disk?")


def _frames_of_avi(path) -> int:
    """The number of frames in the header of an AVI file; 0 if it has none."""
    with open(path, "rb") as f:
        head = f.read(4096)
    at = head.find(b"avih")
    # after the name: the size, microseconds per frame, bytes per second, padding, flags, frames
    return int.from_bytes(head[at + 24 : at + 28], "little") if at >= 0 and head.startswith(b"RIFF") else 0


def _check_end(path, read: int, count: int, missing: float):
    """Say that frames at the end are missing. The header of an AVI file has their number; those of others may be wrong (a
    trimmed video) or only have the duration, also of the sound: then it is a warning. missing: seconds."""
    if read >= count or missing < 1:
        return
    text = f"{read} of {count} frames could be read, the last {missing:.1f} s are missing: the file is damaged or was cut"
    if _frames_of_avi(path) == count:
        raise DataError(f"{path}: only {text}; the results of these frames are kept")
    print(f"warning: {path}: {text}, or its header is wrong", file=sys.stderr)


def is_video(path) -> bool:
    """Whether the extension of a path is that of a video."""
    return os.fspath(path).lower().endswith(VIDEOS)
