"""Reads the frames of a video and writes drawn frames as a video: GIF with Pillow, other files with OpenCV or imageio."""

from __future__ import annotations

import contextlib
import os
from typing import Callable, Iterator, NamedTuple

import numpy as np
from PIL import Image, ImageSequence

from jsra.data.image import DataError
from jsra.output import new_file, whole_or_not
from jsra.visualize.gif import GifWriter

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".gif")
# The newest OpenCV installs NumPy 2, with which Jittor does not work.
OPENCV = "'opencv-python-headless<4.11' 'numpy<2'"


class Video(NamedTuple):
    """frames: an iterator of uint8 RGB [H, W, 3]. ending: extension of the file that `writer` writes.

    writer(path, (width, height)) -> write(frame); write(None) ends the file. count: number of frames, None if unknown.
    """

    frames: Iterator
    ending: str
    writer: Callable
    count: int | None = None


def open_video(path: str) -> Video:
    """Open a video. Raises DataError for a file that is not a video, and ImportError, which says what to install, if no
    package can read it."""
    if path.lower().endswith(".gif"):
        return _pillow(path)
    try:
        import cv2
    except ImportError:
        return _imageio(path)
    return _opencv(cv2, path)


def _pillow(path):
    try:
        image = Image.open(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as a GIF ({error})") from None
    durations = []

    def frames():
        for frame in ImageSequence.Iterator(image):
            durations.append(frame.info.get("duration") or 100)
            yield np.asarray(frame.convert("RGB"))

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

    return Video(frames(), ".gif", writer, getattr(image, "n_frames", None))


def _opencv(cv2, path):
    capture = cv2.VideoCapture(path)
    if not capture.isOpened():
        raise DataError(f"{path}: OpenCV cannot read this video")
    rate = capture.get(cv2.CAP_PROP_FPS) or 25.0
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))

    def frames():
        while True:
            good, frame = capture.read()
            if not good:
                capture.release()
                return
            yield np.ascontiguousarray(frame[:, :, ::-1])

    def writer(target, size):
        video = cv2.VideoWriter(new_file(target), cv2.VideoWriter_fourcc(*"mp4v"), rate, tuple(int(v) for v in size))
        return lambda frame: video.release() if frame is None else video.write(np.ascontiguousarray(frame[:, :, ::-1]))

    return Video(frames(), ".mp4", writer, count if count > 0 else None)


def _imageio(path):
    try:
        import imageio

        reader = imageio.get_reader(path)
    except (ImportError, ValueError) as error:
        raise ImportError(
            f"{path}: reading videos needs OpenCV (pip install {OPENCV}) or imageio with ffmpeg "
            f"(pip install 'imageio[ffmpeg]' 'numpy<2'); {error}"
        ) from None
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: imageio cannot read this video ({error})") from None
    rate = reader.get_meta_data().get("fps", 25.0)

    def writer(target, size):
        video = imageio.get_writer(new_file(target), fps=rate, macro_block_size=1)
        return lambda frame: video.close() if frame is None else video.append_data(frame)

    return Video((np.ascontiguousarray(np.asarray(frame)[:, :, :3]) for frame in reader), ".mp4", writer)


def is_video(path) -> bool:
    """Whether the extension of a path is that of a video."""
    return os.fspath(path).lower().endswith(VIDEOS)
