import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from jsra.data.image import DataError
from jsra.registry import ConfigError
from jsra.visualize.media import find_inputs, infer_all, left_out
from tests.visualize.one_box import OneByOne, detector


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
    with pytest.raises(DataError, match=r"no picture or video in this folder .*\.gif\)$"):
        find_inputs([str(folder / "empty")])
    (folder / "empty" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match="empty/a.heic is of a kind that is not read$"):
        find_inputs([str(folder / "empty")])


def test_what_is_of_a_kind_that_is_not_read_is_named(folder):
    """A folder of a phone has HEIC beside JPEG; a text file or a label file is no picture."""
    assert left_out([str(folder)]) == []
    names = ["a/IMG_1.heic", "b/IMG_2.HEIC", "clip.wmv", "live.heic"]
    for name in (*names, "one.txt", "clip.gif", "live.mov", "b/._one.heic"):
        (folder / name).write_bytes(b"x")
    found = [path[len(str(folder)) + 1 :] for path in left_out([str(folder), str(folder / "two.bmp")])]
    assert found == names
    assert not {path[len(str(folder)) + 1 :] for path in find_inputs([str(folder)])} & set(names)


@pytest.mark.parametrize("name", ["a/ONE.dng", "two.heic", "depth.npy", "depth.exr", "favicon.ico", "logo.svg"])
def test_no_word_about_what_is_read_in_another_kind_or_is_no_photo(folder, name):
    (folder / name).write_bytes(b"x")
    assert left_out([str(folder)]) == []


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


def test_names_that_differ_in_capital_letters(tmp_path):
    """On disks of Windows and macOS the second result would overwrite the first."""
    for name in ("a.jpg", "A.png"):
        (tmp_path / name[0]).mkdir()
        Image.new("RGB", (64, 48), "gray").save(tmp_path / name[0] / name)
    infer_all(detector, [str(tmp_path / "A" / "A.png"), str(tmp_path / "a" / "a.jpg")], str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path / "out")) == ["A.jpg", "a_2.jpg", "detections.json"]


def test_long_names_and_wide_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 4194304)  # a part of the name while a file is written
    os.makedirs(tmp_path / "in")
    names = [*("x" * 250 + f"{c}.png" for c in "abcdefghijk"), "长" * 83 + ".png", "长" * 82 + ".gif"]
    for name in names:
        Image.new("RGB", (64, 48), "gray").save(tmp_path / "in" / name)
    Image.new("RGB", (65501, 1), "gray").save(tmp_path / "in" / "wide.png")
    done = infer_all(detector, find_inputs([str(tmp_path / "in")]), str(tmp_path / "out"))
    assert done.failed == {} and len(json.load(open(done.path))) == 14
    written = sorted(os.listdir(tmp_path / "out"))
    numbers = ("", *(f"_{i}" for i in range(2, 12)))
    assert [name for name in written if "x" in name] == sorted("x" * 220 + number + ".jpg" for number in numbers)
    assert [name for name in written if "长" in name] == ["长" * 73 + end for end in (".gif", ".jsonl", "_2.jpg")]
    assert "wide.png" in written and "detections.json" in written


def test_a_full_disk_is_told_with_what_to_do(folder, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("jsra.visualize.media.write_picture", full)
    done = infer_all(detector, [str(folder / "two.bmp")], str(tmp_path / "out"))
    reason = "[Errno 28] No space left on device: there is no room on the disk; free some, or write to another folder"
    assert done.failed == {str(folder / "two.bmp"): reason}


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
    (folder / "own" / "detections.json").unlink()
    os.mkfifo(folder / "own" / "detections.json")
    assert find_inputs(["."]) == [*before, "./own/a.png"]
    (folder / "found" / "clip.wmv").write_bytes(b"x")
    assert left_out(["."]) == [] and left_out(["found"]) == ["found/clip.wmv"]


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
