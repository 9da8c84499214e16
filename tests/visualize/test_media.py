import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

from jsra.data.image import DataError
from jsra.registry import ConfigError
from jsra.visualize.media import find_inputs, infer_all


class OneByOne:
    """A detector made of a function of one picture."""

    def __init__(self, function):
        self.function = function

    def __call__(self, pixels):
        return self.function(pixels)

    def follow(self, frames):
        return ((frame, self.function(frame)) for frame in frames)


@OneByOne
def detector(pixels):
    """One box: the image's inner half."""
    h, w = pixels.shape[:2]
    box = np.array([[w / 4, h / 4, 3 * w / 4, 3 * h / 4]], np.float32)
    return dict(boxes=box, scores=np.array([0.8]), labels=np.array([2]), names=["cat"])


@pytest.fixture
def folder(tmp_path):
    for name in ("b/one.png", "a/one.jpg", "two.bmp"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), "gray").save(path)
    (tmp_path / "in" / "notes.txt").write_text("")
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8nothing")
    return tmp_path / "in"


def test_inputs_of_folders_in_order(folder):
    found = find_inputs([str(folder)])
    assert [p[len(str(folder)) + 1 :] for p in found] == ["broken.jpg", "two.bmp", "a/one.jpg", "b/one.png"]
    with pytest.raises(DataError, match="not a known extension of a picture or video"):
        find_inputs([str(folder / "notes.txt")])
    with pytest.raises(FileNotFoundError, match="absent.jpg"):
        find_inputs([str(folder / "absent.jpg")])
    (folder / "empty").mkdir()
    (folder / "empty" / "._one.jpg").write_bytes(b"of macOS")
    os.mkfifo(folder / "empty" / "pipe.jpg")
    with pytest.raises(DataError, match="cannot be read from its beginning"):
        find_inputs([str(folder / "empty" / "pipe.jpg")])
    with pytest.raises(DataError, match="no picture or video in this folder"):
        find_inputs([str(folder / "empty")])


def test_pictures_and_json(folder, tmp_path):
    out = tmp_path / "out"
    done = infer_all(detector, find_inputs([str(folder), str(folder / "two.bmp")]), str(out))
    assert sorted(p.name for p in out.iterdir()) == ["detections.json", "one.jpg", "one_2.jpg", "two.jpg"]
    assert list(done.failed) == [str(folder / "broken.jpg")] and "cannot be read" in done.failed[str(folder / "broken.jpg")]
    assert not done.interrupted
    found = json.load(open(done.path))
    assert found[str(folder / "two.bmp")] == {"boxes": [[16, 12, 48, 36]], "scores": [0.8], "labels": [2], "names": ["cat"]}
    assert len(found) == 3
    with Image.open(out / "two.jpg") as picture:
        assert picture.size == (64, 48) and np.asarray(picture).std() > 1


def test_one_failure_costs_one_result(folder, tmp_path):
    """An input on which the model itself fails, and Ctrl-C: what came before is in a complete file."""

    @OneByOne
    def fails(pixels):
        if pixels.shape[1] == 40:
            raise ValueError("too thin")
        if pixels.shape[1] == 41:
            raise KeyboardInterrupt
        return detector(pixels)

    for name, width in (("thin", 40), ("stop", 41)):
        Image.new("RGB", (width, 48)).save(folder / f"{name}.png")
    first, last = str(folder / "two.bmp"), str(folder / "a" / "one.jpg")
    done = infer_all(fails, [str(folder / "thin.png"), first, str(folder / "stop.png"), last], str(tmp_path / "out"))
    assert done.failed == {str(folder / "thin.png"): "too thin"} and done.interrupted
    assert list(json.load(open(done.path))) == [first]


def test_results_never_overwrite_the_inputs(folder):
    before = (folder / "a" / "one.jpg").read_bytes()
    with pytest.raises(ConfigError, match="is the folder of the input"):
        infer_all(detector, [str(folder / "a" / "one.jpg")], str(folder / "b" / ".." / "a"))
    assert (folder / "a" / "one.jpg").read_bytes() == before and len(list((folder / "a").iterdir())) == 1


def test_gif_without_opencv(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    path = str(tmp_path / "clip.gif")
    frames = [Image.new("RGB", (64, 48), (value, 0, 0)) for value in (0, 120, 240)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    done = infer_all(detector, [path], str(tmp_path / "out"))
    assert done.failed == {} and len(json.load(open(done.path))[path]) == 3
    with Image.open(tmp_path / "out" / "clip.gif") as drawn:
        assert drawn.n_frames == 3 and drawn.size == (64, 48)
    lines = [json.loads(line) for line in open(tmp_path / "out" / "clip.jsonl")]
    assert [line.pop("frame") for line in lines] == [0, 1, 2] and lines == json.load(open(done.path))[path]


def test_a_video_that_fails_halfway_keeps_its_frames(tmp_path):
    path = str(tmp_path / "clip.gif")
    frames = [Image.new("RGB", (64, 48), (value, 0, 0)) for value in (0, 120, 240)]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    @OneByOne
    def fails(pixels):
        if pixels[0, 0, 0] > 200:
            raise ValueError("no more")
        return detector(pixels)

    done = infer_all(fails, [path], str(tmp_path / "out"))
    assert done.failed == {path: "no more"} and len(json.load(open(done.path))[path]) == 2
    with Image.open(tmp_path / "out" / "clip.gif") as drawn:
        assert drawn.n_frames == 2


def test_video(tmp_path):
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV for videos: pip install opencv-python-headless")
    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for value in (0, 100, 200):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    done = infer_all(detector, [path], str(tmp_path / "out"))
    assert done.failed == {} and len(json.load(open(done.path))[path]) == 3
    capture = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 3


def test_video_without_a_reader_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "imageio", None)
    path = str(tmp_path / "clip.mp4")
    open(path, "wb").close()
    done = infer_all(detector, [path], str(tmp_path / "out"))
    assert "pip install 'opencv-python-headless<4.11' 'numpy<2'" in done.failed[path]
