"""Runs a detector on pictures, folders and videos; writes pictures (or a video) and one JSON file."""

from __future__ import annotations

import contextlib
import json
import os
import re
from itertools import chain
from typing import NamedTuple

import numpy as np

from jsra.data.formats.pictures import OTHERS, stem_of
from jsra.data.image import PICTURES, DataError, count_frames, read_image
from jsra.folders import exists, is_file, walk
from jsra.output import check_folder, cure, distinct_names, json_text, new_file, picture_ending, write_picture
from jsra.registry import ConfigError
from jsra.visualize.detections import draw_detections
from jsra.visualize.video import VIDEOS, is_video, open_video

FILE = "detections.json"
_ENTRY = re.compile(r'"(\\.|[^"\\])*": (\[?\{"boxes": |\[\])')  # the first line of a result
_NO_PHOTOS = (*VIDEOS, ".svg", ".ico", ".exr", ".psd", ".npy")  # of these nobody expects detections
_PHOTOS = tuple(ending for ending in OTHERS if ending not in _NO_PHOTOS)
_CLIPS = (".wmv", ".flv", ".mpg", ".mpeg", ".3gp")  # videos that are not read


def find_inputs(paths) -> list:
    """The pictures and videos in a list of files and folders; folders are searched with their sub-folders, sorted by name.

    In folders, special files, those that macOS adds ('._a.jpg') and the results of earlier runs in sub-folders are left out.
    Raises FileNotFoundError, DataError for a file of another kind or a folder without pictures, and OSError for a folder that
    may not be read.
    """
    found = []
    for path in paths:
        if os.path.isdir(path):
            inside = [
                os.path.join(place, name) for place, names in _places(path) for name in names
                if name.lower().endswith(PICTURES + VIDEOS)
                and (is_file(os.path.join(place, name)) or os.path.islink(os.path.join(place, name)))
            ]  # fmt: skip
            if not inside:
                more = "".join(f"; {other} is of a kind that is not read" for other in left_out([path])[:1])
                raise DataError(f"{path}: there is no picture or video in this folder ({', '.join(PICTURES + VIDEOS)}){more}")
            found += inside
        elif not exists(path):
            raise FileNotFoundError(f"{path}: there is no such picture, video or folder")
        elif not path.lower().endswith(PICTURES + VIDEOS):
            raise DataError(f"{path}: not a known extension of a picture or video; known: {', '.join(PICTURES + VIDEOS)}")
        elif not os.path.isfile(path):
            raise DataError(f"{path} cannot be read from its beginning (a pipe or a device): save it as a file first")
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _places(folder):
    """(folder, names of its files) of a folder and its sub-folders, without files that macOS adds and without the results of
    earlier runs in sub-folders."""
    for place, _, names in walk(folder):
        if place == folder or not _is_written(place):
            yield place, [name for name in names if not name.startswith("._")]


def _is_written(folder) -> bool:
    """Whether `infer_all` wrote into a folder: its JSON file is there."""
    path = os.path.join(folder, FILE)
    try:
        if not is_file(path):  # a pipe could wait without end
            return False
        with open(path, encoding="utf8", errors="replace") as f:  # that of another program may have gigabytes in one line
            return f.read(2) == "{\n" and _ENTRY.match(f.readline(1 << 16)) is not None
    except OSError:
        return False


def left_out(paths) -> list:
    """The pictures and videos in the folders of `paths` that `find_inputs` leaves out because they are of a kind that is not
    read, such as HEIC; sorted. A picture that is there in another kind too (a raw file beside its JPEG) is not left out."""
    found = set()
    for place, names in (one for path in paths if os.path.isdir(path) for one in _places(path)):
        read = {stem_of(name).lower() for name in names if name.lower().endswith(PICTURES)}
        left = (n for n in names if n.lower().endswith(_PHOTOS) and stem_of(n).lower() not in read)
        found.update(os.path.join(place, n) for n in (*left, *(n for n in names if n.lower().endswith(_CLIPS))))
    return sorted(found)


class Inferred(NamedTuple):
    """path: of the JSON file. failed: {input: reason why it has no result}. interrupted: ended by Ctrl-C. several: {picture
    file with several frames, of which only the first was used: their number}."""

    path: str
    failed: dict
    interrupted: bool
    several: dict


def infer_all(detector, inputs, out: str, threshold: float = 0.5) -> Inferred:
    """Run `detector` (jsra.Detector) over the inputs; pictures go to `out`, all detections to out/detections.json.

    The JSON file is written during the run, one line per input: {input: {"boxes", "scores", "labels", "names"}}, for a video
    a list of these, one per frame. The frames of a video are also written to out/<name>.jsonl, one line per frame, {"frame":
    number, ...}. Both contain detections of all scores. If an input fails, only its own result is missing. Raises
    ConfigError, before anything is written, if `out` is a folder with inputs.
    """
    from tqdm import tqdm

    check_folder(out, inputs)
    os.makedirs(out, exist_ok=True)
    names, failed, interrupted = dict(zip(inputs, distinct_names(inputs))), {}, False
    path = os.path.join(out, FILE)
    with open(new_file(path), "w", encoding="utf8") as f:
        results = _Results(f)
        try:
            for source in tqdm(inputs, unit="file", disable=None):
                infer = _video if is_video(source) else _picture
                try:
                    infer(detector, source, os.path.join(out, names[source]), threshold, results)
                except Exception as error:  # any exception: the results of the other inputs must not be lost
                    failed[source] = (str(error) or type(error).__name__) + cure(error)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            results.close()
        if not os.path.exists(path) or not os.path.samestat(os.fstat(f.fileno()), os.stat(path)):
            raise ConfigError(
                f"{path} was replaced or deleted while this run wrote it, and its results are lost: give each run its own "
                "folder (--out)"
            )
    return Inferred(path, failed, interrupted, results.several)


class _Results:
    """Writes a JSON object entry by entry, one per line; it is complete after `close`. If the process is killed, finished
    lines remain."""

    def __init__(self, file):
        self.file, self.started, self.several = file, False, {}
        self._write("{")

    def _write(self, text):
        self.file.write(text)
        self.file.flush()

    def _entry(self, name, text):
        self._write(f"{',' if self.started else ''}\n{json.dumps(name)}: {text}")
        self.started = True

    def add(self, name, result):
        self._entry(name, json_text(as_json(result)))

    def add_frames(self, name, results):
        """Add an entry that is a list; each result is written when it is available."""
        self._entry(name, "[")
        try:
            for i, result in enumerate(results):
                self._write((", " if i else "") + json_text(as_json(result)))
        finally:
            self._write("]")

    def close(self):
        self._write("\n}\n")


def _picture(detector, path, target, threshold, results):
    pixels = read_image(path)
    result = detector(pixels)
    results.add(path, result)
    frames = count_frames(path)
    if frames > 1:
        results.several[path] = frames
    write_picture(target + picture_ending(pixels), draw_detections(pixels, result, threshold), quality=92)


def _video(detector, path, target, threshold, results):
    """Detect in every frame and write the drawn video and its lines, also if it ends early; one frame is held at a time."""
    from tqdm import tqdm

    video = open_video(path)
    first = next(iter(video.frames), None)
    if first is None:
        video.check()
        raise DataError(f"{path}: no frame can be read from this video")
    write = video.writer(target + video.ending, first.shape[1::-1])
    frames = tqdm(chain([first], video.frames), total=video.count, unit="frame", leave=False, disable=None)

    def detect(lines):
        for number, (frame, result) in enumerate(detector.follow(frames)):
            write(draw_detections(frame, result, threshold))
            lines.write(json_text({"frame": number, **as_json(result)}) + "\n")
            lines.flush()
            yield result

    try:
        with open(new_file(target + ".jsonl"), "w", encoding="utf8") as lines:
            results.add_frames(path, detect(lines))
    except BaseException:
        with contextlib.suppress(Exception):  # what happened first is said
            write(None)
        raise
    write(None)
    video.check()


def as_json(result) -> dict:
    """A result as JSON data: boxes rounded to 0.01 pixels, scores to 6 digits."""
    plain = {
        "boxes": np.asarray(result["boxes"], float).reshape(-1, 4).round(2).tolist(),
        "scores": np.asarray(result["scores"], float).round(6).tolist(),
        "labels": [int(label) for label in result["labels"]],
        "names": list(result["names"]),
    }
    if result.get("masks") is not None:
        text = [m["counts"].decode("ascii") if isinstance(m["counts"], bytes) else m["counts"] for m in result["masks"]]
        plain["masks"] = [{"size": list(m["size"]), "counts": counts} for m, counts in zip(result["masks"], text)]
    return plain
