import json

import numpy as np
import pytest
from PIL import Image

from jsra.data.image import DataError
from jsra.visualize.media import find_inputs, infer_all


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
    with pytest.raises(DataError, match="no picture or video by its ending"):
        find_inputs([str(folder / "notes.txt")])
    with pytest.raises(FileNotFoundError, match="absent.jpg"):
        find_inputs([str(folder / "absent.jpg")])
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="no picture or video in this folder"):
        find_inputs([str(folder / "empty")])


def test_pictures_and_json(folder, tmp_path, capsys):
    out = tmp_path / "out"
    path = infer_all(detector, find_inputs([str(folder)]), str(out))
    assert sorted(p.name for p in out.iterdir()) == ["detections.json", "one.jpg", "one_2.jpg", "two.jpg"]
    assert "left out" in capsys.readouterr().err
    found = json.load(open(path))
    assert found[str(folder / "two.bmp")] == {"boxes": [[16, 12, 48, 36]], "scores": [0.8], "labels": [2], "names": ["cat"]}
    assert len(found) == 3
    with Image.open(out / "two.jpg") as picture:
        assert picture.size == (64, 48) and np.asarray(picture).std() > 1


def test_video(tmp_path):
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV for videos: pip install opencv-python-headless")
    path = str(tmp_path / "clip.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for value in (0, 100, 200):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    found = json.load(open(infer_all(detector, [path], str(tmp_path / "out"))))
    assert len(found[path]) == 3
    capture = cv2.VideoCapture(str(tmp_path / "out" / "clip.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 3


def test_video_without_a_reader_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "imageio", None)
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(ImportError, match="pip install opencv-python-headless"):
        infer_all(detector, [str(tmp_path / "clip.mp4")], str(tmp_path / "out"))
