"""Detections of pictures, folders and videos, written as pictures (or a video) and one JSON file."""
from __future__ import annotations

import json
import os
import sys

import numpy as np
from PIL import Image

from jsra.data.image import DataError, read_image
from jsra.visualize.detections import draw_detections

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".gif")


def find_inputs(paths) -> list:
    """The pictures and videos of a list of files and folders; folders are searched in depth, in order of name.

    Raises FileNotFoundError, and DataError for a file of another kind or a folder without pictures.
    """
    found = []
    for path in paths:
        if os.path.isdir(path):
            inside = [
                os.path.join(place, name)
                for place, folders, names in os.walk(path)
                for name in sorted(names)
                if name.lower().endswith(PICTURES + VIDEOS) and folders.sort() is None
            ]
            if not inside:
                raise DataError(f"{path}: there is no picture or video in this folder ({', '.join(PICTURES + VIDEOS)})")
            found += inside
        elif not os.path.exists(path):
            raise FileNotFoundError(f"{path}: there is no such picture, video or folder")
        elif not path.lower().endswith(PICTURES + VIDEOS):
            raise DataError(f"{path} is no picture or video by its ending; known: {', '.join(PICTURES + VIDEOS)}")
        else:
            found.append(path)
    return found


def infer_all(detector, inputs, out: str, threshold: float = 0.5) -> str:
    """Run `detector` (jsra.Detector) over the inputs; pictures go to `out`, all detections to out/detections.json.

    A picture that cannot be read is named and left out. Returns the path of the JSON file: {input: {"boxes", "scores",
    "labels", "names"}}, for a video a list of these, one per frame. Detections of every score are in the file.
    """
    from tqdm import tqdm

    os.makedirs(out, exist_ok=True)
    detections = {}
    targets = _output_names(inputs)
    for path in tqdm(inputs, unit="file", disable=None):
        target = os.path.join(out, targets[path])
        if path.lower().endswith(VIDEOS):
            detections[path] = _video(detector, path, target + ".mp4", threshold)
            continue
        try:
            pixels = read_image(path)
        except DataError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        result = detector(pixels)
        Image.fromarray(draw_detections(pixels, result, threshold)).save(target + ".jpg", quality=92)
        detections[path] = as_json(result)
    path = os.path.join(out, "detections.json")
    with open(path, "w", encoding="utf8") as f:
        json.dump(detections, f)
    return path


def as_json(result) -> dict:
    """A result as plain JSON: boxes to a hundredth of a pixel, scores to 6 digits."""
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


def _output_names(inputs):
    """{input: file name without ending}, numbered where two would be equal."""
    names, used = {}, set()
    for path in inputs:
        stem = name = os.path.splitext(os.path.basename(path))[0]
        number = 2
        while name in used:
            name, number = f"{stem}_{number}", number + 1
        used.add(name)
        names[path] = name
    return names


def _video(detector, path, target, threshold):
    """Detect in every frame, write the drawn video; returns the detections of each frame."""
    results = []
    frames, fps, open_writer = _open_video(path)
    writer = None
    for pixels in frames:
        result = detector(pixels)
        results.append(as_json(result))
        drawn = draw_detections(pixels, result, threshold)
        writer = writer or open_writer(target, fps, drawn.shape[1::-1])
        writer(drawn)
    if writer is None:
        raise DataError(f"{path}: no frame can be read from this video")
    writer(None)
    return results


def _open_video(path):
    """(frames as uint8 RGB arrays, frames per second, opener of a writer) by OpenCV or imageio."""
    try:
        import cv2

        return _opencv(cv2, path)
    except ImportError:
        pass
    try:
        import imageio

        reader = imageio.get_reader(path)
    except (ImportError, ValueError) as error:
        raise ImportError(
            f"{path}: reading videos needs OpenCV (pip install opencv-python-headless) or imageio with ffmpeg "
            f"(pip install 'imageio[ffmpeg]'); {error}"
        ) from None
    return _imageio(imageio, reader)


def _opencv(cv2, path):
    capture = cv2.VideoCapture(path)

    def frames():
        while True:
            good, frame = capture.read()
            if not good:
                capture.release()
                return
            yield np.ascontiguousarray(frame[:, :, ::-1])

    def open_writer(target, fps, size):
        video = cv2.VideoWriter(target, cv2.VideoWriter_fourcc(*"mp4v"), fps, tuple(int(v) for v in size))
        return lambda frame: video.release() if frame is None else video.write(np.ascontiguousarray(frame[:, :, ::-1]))

    return frames(), capture.get(cv2.CAP_PROP_FPS) or 25.0, open_writer


def _imageio(imageio, reader):
    def open_writer(target, fps, size):
        video = imageio.get_writer(target, fps=fps, macro_block_size=1)
        return lambda frame: video.close() if frame is None else video.append_data(frame)

    frames = (np.ascontiguousarray(np.asarray(frame)[:, :, :3]) for frame in reader)
    return frames, reader.get_meta_data().get("fps", 25.0), open_writer
