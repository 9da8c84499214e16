"""Detections in videos: what is read, drawn and written frame by frame."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jsra.visualize.gif import GifWriter
from jsra.visualize.media import infer_all
from jsra.visualize.video import open_video
from tests.visualize.one_box import OneByOne, detector


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


def test_a_gif_that_was_cut(tmp_path):
    """Anywhere; also a detector that answers late gives the results of all frames that can be read."""

    class Late(OneByOne):
        def follow(self, frames):
            return super().follow(list(frames))

    rng, path = np.random.default_rng(0), str(tmp_path / "clip.gif")
    frames = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(4)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    with open(path, "rb") as f:
        data = f.read()
    counts = set()
    for cut in range(800, len(data) - 1, 53):
        with open(path, "wb") as f:
            f.write(data[:cut])
        done = infer_all(Late(detector.function), [path], str(tmp_path / "out"))
        count = len(json.load(open(done.path)).get(path, ()))
        read = {0: "no frame can", 1: "only 1 frame could"}.get(count, f"only {count} frames could")
        assert done.failed[path].startswith(f"{path}: {read} be read (") and "was cut" in done.failed[path]
        counts.add(count)
    assert counts == {0, 1, 2, 3}


def test_the_frames_of_a_gif(tmp_path):
    """Frames of many colours, equal frames, and their own times; at any time one drawn frame is held."""
    rng = np.random.default_rng(0)
    still = rng.integers(0, 256, (48, 64, 3), np.uint8)
    moved = still.copy()
    moved[10:20, 30:50] = (255, 0, 0)
    frames, times = [still, moved, moved, np.zeros_like(still), still], [40, 200, 70, 300, 1000]
    with open(tmp_path / "a.gif", "wb") as f:
        writer = GifWriter(f, (64, 48))
        for frame, time in zip(frames, times):
            writer.add(frame, time)
            assert [value.size for value in vars(writer).values() if isinstance(value, Image.Image)] == [(64, 48)]
        writer.close()
    with Image.open(tmp_path / "a.gif") as read:
        assert read.n_frames == 5 and read.size == (64, 48) and read.info["loop"] == 0
        for number, (frame, time) in enumerate(zip(frames, times)):
            read.seek(number)
            found = np.asarray(read.convert("RGB")).astype(int)
            assert read.info["duration"] == time
            assert np.abs(found - frame).mean() < 16  # 256 colours for 3072 random ones
            if number in (1, 2):
                assert (found[10:20, 30:50] == (255, 0, 0)).all()


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


def test_an_opencv_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    """Such as one without libGL, or one for another NumPy: 'install OpenCV' alone would not help."""
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setitem(sys.modules, "imageio", None)
    with pytest.raises(ImportError, match=r"headless.*the OpenCV that is installed cannot be loaded: libGL\.so\.1"):
        open_video(str(tmp_path / "clip.mp4"))
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match="headless") as error:
        open_video(str(tmp_path / "clip.mp4"))
    assert "cannot be loaded" not in str(error.value)


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


class FakeOpenCV:
    """Has what is used of OpenCV. A video: an AVI header with a number of frames, and the frames that can be read."""

    CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_POS_MSEC, CAP_PROP_ORIENTATION_AUTO = 5, 7, 0, 49

    def __init__(self, readable, size=(63, 65), writes=True, keeps=True, rate=10.0):
        self.readable, self.size, self.writes, self.keeps, self.written = readable, size, writes, keeps, []
        self.rate = rate

    def VideoCapture(self, path):
        width, height = self.size
        left = [self.readable if path.endswith("clip.avi") or path.endswith("clip.mkv") else self.keeps]

        def read():
            left[0] -= 1
            upright = (height, width) if values.get(self.CAP_PROP_ORIENTATION_AUTO) else (width, height)
            return left[0] >= 0, np.full((*upright, 3), left[0] % 256, np.uint8)

        values = {self.CAP_PROP_FPS: self.rate, self.CAP_PROP_FRAME_COUNT: 30.0, self.CAP_PROP_POS_MSEC: 0.0}
        return SimpleNamespace(
            isOpened=lambda: True, get=values.get, set=values.__setitem__, read=read, release=lambda: None
        )

    def VideoWriter(self, path, code, rate, size):
        def write(frame):
            self.written.append((rate, size, frame))

        return SimpleNamespace(isOpened=lambda: self.writes, write=write, release=lambda: None)

    @staticmethod
    def VideoWriter_fourcc(*letters):
        return 0


def fake_video(tmp_path, monkeypatch, name, **options):
    """infer_all of a video of 30 frames by its header; returns (its result, its path, the fake)."""
    fake = FakeOpenCV(**options)
    monkeypatch.setitem(sys.modules, "cv2", fake)
    header = b"RIFF\0\0\0\0AVI LIST\0\0\0\0hdrlavih" + b"".join(n.to_bytes(4, "little") for n in (56, 100000, 0, 0, 0, 30))
    (tmp_path / name).write_bytes(header if name.endswith(".avi") else b"")
    return infer_all(detector, [str(tmp_path / name)], str(tmp_path / "out")), str(tmp_path / name), fake


def test_a_video_of_a_phone_is_read_upright(tmp_path, monkeypatch):
    """The file says how the frames are to be turned; OpenCV 4.11 turns them only if it is told."""
    _, _, fake = fake_video(tmp_path, monkeypatch, "clip.avi", readable=30, size=(48, 64))
    assert {frame.shape for _, _, frame in fake.written} == {(64, 48, 3)}


def test_a_video_of_an_odd_size_is_drawn_as_a_whole(tmp_path, monkeypatch):
    """MPEG-4 needs even sides: without a row and a column more, OpenCV cuts one off, and imageio writes nothing."""
    done, path, fake = fake_video(tmp_path, monkeypatch, "clip.avi", readable=30)
    assert done.failed == {} and len(json.load(open(done.path))[path]) == 30
    assert {(rate, size, frame.shape) for rate, size, frame in fake.written} == {(10.0, (64, 66), (66, 64, 3))}
    frame = fake.written[0][2]
    assert (frame[65] == frame[64]).all() and (frame[:, 63] == frame[:, 62]).all()


@pytest.mark.parametrize("rate, written", [(29.97, 29.97), (211.222, 211.22), (1001.1111, 1001.1), (90000.0, 65535.0)])
def test_the_rate_is_one_that_mpeg4_has(tmp_path, monkeypatch, rate, written):
    """A fraction of numbers up to 65535: phones write others, such as 105611/500, and OpenCV could not write the video."""
    done, _, fake = fake_video(tmp_path, monkeypatch, "clip.avi", readable=30, rate=rate)
    assert done.failed == {} and {of_frame for of_frame, _, _ in fake.written} == {written}


def test_a_video_that_was_cut_is_said(tmp_path, monkeypatch, capsys):
    """OpenCV ends it like any other. An AVI file states its number of frames; for others it is only a warning."""
    words = "11 of 30 frames could be read, the last 1.9 s are missing: the file is damaged or was cut"
    done, path, _ = fake_video(tmp_path, monkeypatch, "clip.avi", readable=11)
    assert done.failed == {path: f"{path}: only {words}; the results of these frames are kept"}
    assert len(json.load(open(done.path))[path]) == 11
    done, path, _ = fake_video(tmp_path, monkeypatch, "clip.mkv", readable=11)
    assert done.failed == {} and len(json.load(open(done.path))[path]) == 11
    assert f"warning: {path}: {words}, or its header is wrong\n" in capsys.readouterr().err
    done, path, _ = fake_video(tmp_path, monkeypatch, "clip.mkv", readable=25)
    assert done.failed == {} and "warning" not in capsys.readouterr().err  # half a second: the header may count otherwise


def test_a_video_that_cannot_be_written_has_failed(tmp_path, monkeypatch):
    done, path, _ = fake_video(tmp_path, monkeypatch, "clip.avi", readable=30, writes=False)
    assert "clip.mp4: OpenCV cannot write this video" in done.failed[path]
    done, path, _ = fake_video(tmp_path, monkeypatch, "clip.avi", readable=30, keeps=False)
    assert "clip.mp4: the drawn video is not whole: is there room on the disk?" in done.failed[path]


def test_an_interrupted_video_is_no_failed_one(tmp_path, monkeypatch):
    """What happened first counts, not that the drawn video has no frame."""

    class Stopping:
        def follow(self, frames):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "cv2", FakeOpenCV(readable=3, keeps=False))
    paths = [str(tmp_path / name) for name in ("clip.avi", "clip.mkv")]
    for path in paths:
        open(path, "w").close()
    done = infer_all(Stopping(), paths, str(tmp_path / "out"))
    assert done.interrupted and done.failed == {}
