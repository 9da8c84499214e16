import json
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jsra.data.image import DataError
from jsra.registry import ConfigError
from jsra.visualize.gif import GifWriter
from jsra.visualize.media import find_inputs, infer_all, left_out
from jsra.visualize.video import open_video


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
    for name in "qwerty":
        (folder / "empty" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "empty" / name / "one.png")
    assert [p[-9] for p in find_inputs([str(folder / "empty")])] == sorted("qwerty")
    shutil.rmtree(folder / "empty")
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


def test_what_is_of_a_kind_that_is_not_read_is_named(folder):
    """A folder of a phone has HEIC beside JPEG; a text file or a label file is no picture."""
    assert left_out([str(folder)]) == []
    for name in ("a/one.heic", "b/IMG_2.HEIC", "clip.wmv", "one.txt", "clip.gif", "b/._one.heic"):
        (folder / name).write_bytes(b"x")
    names = [path[len(str(folder)) + 1 :] for path in left_out([str(folder), str(folder / "two.bmp")])]
    assert names == ["a/one.heic", "b/IMG_2.HEIC", "clip.wmv"]
    assert not {path[len(str(folder)) + 1 :] for path in find_inputs([str(folder)])} & set(names)


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


def test_results_never_overwrite_what_a_link_points_to(folder, tmp_path):
    """A folder of links to pictures, which is also --out; and a folder of results with links, or other names of the input."""
    frames = [Image.new("RGB", (64, 48), (value, 0, 0)) for value in (0, 120)]
    original = tmp_path / "original.gif"
    frames[0].save(original, save_all=True, append_images=frames[1:])
    before, out = original.read_bytes(), tmp_path / "out"
    out.mkdir()
    (out / "original.gif").symlink_to(original)
    with pytest.raises(ConfigError, match="is the folder of the input .*out/original.gif"):
        infer_all(detector, [str(out / "original.gif")], str(out))
    with pytest.raises(ConfigError, match="is the folder of the input"):
        infer_all(detector, [str(original)], str(tmp_path))
    for name in ("detections.json", "original.jsonl"):
        (tmp_path / name).write_text("precious")
        (out / name).symlink_to(tmp_path / name)
    for link in (os.symlink, os.link):
        (out / "original.gif").unlink()
        link(original, out / "original.gif")
        assert infer_all(detector, [str(original)], str(out)).failed == {}
        assert original.read_bytes() == before and (out / "original.gif").read_bytes() != before
    assert {(tmp_path / name).read_text() for name in ("detections.json", "original.jsonl")} == {"precious"}


def test_long_names_and_wide_pictures(tmp_path):
    os.makedirs(tmp_path / "in")
    names = ["x" * 251 + ".png", "x" * 250 + "y.png", "长" * 83 + ".png", "长" * 82 + ".gif"]
    for name in names:
        Image.new("RGB", (64, 48), "gray").save(tmp_path / "in" / name)
    Image.new("RGB", (65501, 1), "gray").save(tmp_path / "in" / "wide.png")
    done = infer_all(detector, find_inputs([str(tmp_path / "in")]), str(tmp_path / "out"))
    assert done.failed == {} and len(json.load(open(done.path))) == 5
    written = sorted(os.listdir(tmp_path / "out"))
    assert [name for name in written if "x" in name] == ["x" * 230 + ".jpg", "x" * 230 + "_2.jpg"]
    assert [name for name in written if "长" in name] == ["长" * 76 + end for end in (".gif", ".jsonl", "_2.jpg")]
    assert "wide.png" in written and "detections.json" in written


def test_a_full_disk_is_told_with_what_to_do(folder, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jsra.visualize.media.write_picture", full)
    done = infer_all(detector, [str(folder / "two.bmp")], str(tmp_path / "out"))
    reason = "[Errno 28] No space left on device: there is no room on the disk; free some, or write to another folder"
    assert done.failed == {str(folder / "two.bmp"): reason}


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

    CAP_PROP_FPS, CAP_PROP_FRAME_COUNT, CAP_PROP_POS_MSEC = 5, 7, 0

    def __init__(self, readable, size=(63, 65), writes=True, keeps=True):
        self.readable, self.size, self.writes, self.keeps, self.written = readable, size, writes, keeps, []

    def VideoCapture(self, path):
        width, height = self.size
        left = [self.readable if path.endswith("clip.avi") or path.endswith("clip.mkv") else self.keeps]

        def read():
            left[0] -= 1
            return left[0] >= 0, np.full((height, width, 3), left[0] % 256, np.uint8)

        values = {self.CAP_PROP_FPS: 10.0, self.CAP_PROP_FRAME_COUNT: 30.0, self.CAP_PROP_POS_MSEC: 0.0}
        return SimpleNamespace(isOpened=lambda: True, get=values.get, read=read, release=lambda: None)

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


def test_a_video_of_an_odd_size_is_drawn_as_a_whole(tmp_path, monkeypatch):
    """MPEG-4 needs even sides: without a row and a column more, OpenCV cuts one off, and imageio writes nothing."""
    done, path, fake = fake_video(tmp_path, monkeypatch, "clip.avi", readable=30)
    assert done.failed == {} and len(json.load(open(done.path))[path]) == 30
    assert {(rate, size, frame.shape) for rate, size, frame in fake.written} == {(10.0, (64, 66), (66, 64, 3))}
    frame = fake.written[0][2]
    assert (frame[65] == frame[64]).all() and (frame[:, 63] == frame[:, 62]).all()


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


def test_two_runs_into_one_folder(folder, tmp_path):
    """The second run replaces the file of the first, which must not end as if its results were there."""
    out, inputs = str(tmp_path / "out"), [str(folder / "two.bmp")]

    @OneByOne
    def second_starts(pixels):
        infer_all(detector, inputs, out)
        return detector(pixels)

    with pytest.raises(ConfigError, match="detections.json was replaced or deleted.*give each run its own folder"):
        infer_all(second_starts, inputs, out)
    assert list(json.load(open(os.path.join(out, "detections.json")))) == inputs


@pytest.mark.parametrize("ending", [".webp", ".png", ".tif"])
def test_a_picture_with_several_frames_is_counted(tmp_path, ending):
    frames = [Image.new("RGB", (20, 16), color) for color in ("red", "green", "blue")]
    several, one = str(tmp_path / f"several{ending}"), str(tmp_path / f"one{ending}")
    frames[0].save(several, save_all=True, append_images=frames[1:])
    frames[0].save(one)
    done = infer_all(detector, [several, one], str(tmp_path / "out"))
    assert done.failed == {} and done.several == {several: 3}


def test_results_of_earlier_runs_are_no_inputs(folder, tmp_path, monkeypatch):
    """The folder of the results is in the folder of the pictures: the same command again, and with another --out."""
    monkeypatch.chdir(folder)
    before = find_inputs(["."])
    for out in ("found", "found", "b/found"):
        assert find_inputs(["."]) == before
        infer_all(detector, before, out)
    assert find_inputs(["."]) == before and find_inputs(["found"]) == ["found/one.jpg", "found/one_2.jpg", "found/two.jpg"]
    os.makedirs("own")
    Image.new("RGB", (8, 8)).save("own/a.png")
    (folder / "own" / "detections.json").write_text(json.dumps({"a.png": [1, 2]}, indent=1))  # of another program
    assert find_inputs(["."]) == [*before, "./own/a.png"]


def test_a_picture_whose_later_pages_are_damaged(tmp_path):
    pages = [Image.new("RGB", (32, 32), (value, 0, 0)) for value in (0, 90, 180)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    data = bytearray((tmp_path / "a.tif").read_bytes())
    second = int.from_bytes(data[4:8], "little")
    second += 2 + 12 * int.from_bytes(data[second : second + 2], "little")  # here the first page says where the second is
    second = int.from_bytes(data[second : second + 4], "little")
    data[second + 2 : second + 4] = b"\xff\xff"  # of the width
    (tmp_path / "a.tif").write_bytes(data)
    done = infer_all(detector, [str(tmp_path / "a.tif")], str(tmp_path / "out"))
    assert done.failed == {} and (tmp_path / "out" / "a.jpg").exists()
