"""Folders that this user may not see: refused by name, never taken for empty. Simulated, because CI runs as root."""

import os
import sys

import pytest

from jsra.analysis import source
from jsra.config import load_config
from jsra.convert.files import read_weights
from jsra.data import starter
from jsra.data.formats.annotations import files_below, xml_of
from jsra.data.paths import existing_file
from jsra.engine import checkpoint, log
from jsra.folders import exists, is_file, walk
from jsra.visualize.media import find_inputs


@pytest.fixture
def hide(monkeypatch):
    """hide(folder): it may be neither listed nor entered from now on."""
    scandir, stat = os.scandir, os.stat

    def hide(folder):
        def refuse(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))

        def listed(path="."):
            return refuse(path) if os.fspath(path) == str(folder) else scandir(path)

        def seen(path, *args, **kwargs):
            inside = not isinstance(path, int) and os.path.dirname(os.fspath(path)) == str(folder)
            return refuse(path) if inside else stat(path, *args, **kwargs)

        monkeypatch.setattr(os, "scandir", listed)
        monkeypatch.setattr(os, "stat", seen)

    return hide


def test_a_file(tmp_path, hide):
    (tmp_path / "b").write_text("")
    assert is_file(str(tmp_path / "b")) and exists(str(tmp_path)) and not exists("a\0b")
    assert not any(map(is_file, (str(tmp_path), str(tmp_path / "none"), str(tmp_path / "b" / "c"), "a\0b")))
    hide(tmp_path)
    with pytest.raises(PermissionError, match="/b"):
        is_file(str(tmp_path / "b"))


def test_letters_that_the_locale_lacks(tmp_path, monkeypatch):
    """A file that exists is not called missing because the encoding of file names has no letters for it."""

    def stat(path, *args, **kwargs):
        return os.fspath(path).encode("ascii")

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    with pytest.raises(OSError, match="in ascii here, which has no letters for .*PYTHONUTF8=1"):
        is_file("标注.json")
    monkeypatch.undo()
    assert not exists("half an emoji \ud83d.json")


@pytest.mark.parametrize(
    "reads",
    [
        lambda folder: list(walk(folder)),
        lambda folder: files_below(folder, ".txt"),
        lambda folder: starter.read(folder, os.path.join(folder, "out")),
        lambda folder: find_inputs([folder]),
    ],
)
def test_a_folder_that_may_not_be_listed(tmp_path, hide, reads):
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "hidden").mkdir()
    hide(tmp_path / "hidden")
    with pytest.raises(PermissionError, match="hidden"):
        reads(str(tmp_path))


def test_links_to_folders_are_followed_once_and_never_outwards(tmp_path):
    for name in ("data/b", "disk/sub"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "b" / "x.txt").write_text("")
    (tmp_path / "disk" / "sub" / "y.txt").write_text("")
    links = {"a": "b", "again": "../disk", "c": "../disk", "up": "..", "self": ".", "gone": "nowhere", "root": "/"}
    for link, target in links.items():
        (tmp_path / "data" / link).symlink_to(target)
    (tmp_path / "disk" / "back").symlink_to("../data")
    found = [os.path.relpath(path, tmp_path) for path in files_below(str(tmp_path / "data"), ".txt")]
    assert found == ["data/b/x.txt", "data/again/sub/y.txt"]
    assert len(list(walk(str(tmp_path / "data")))) == 4


def test_a_checkpoint_that_may_not_be_entered(tmp_path, hide):
    """It is not taken for none: a run would begin again."""
    place = tmp_path / "checkpoints" / "iter_00000004"
    place.mkdir(parents=True)
    hide(place)
    with pytest.raises(PermissionError, match="state.json"):
        checkpoint.latest(str(tmp_path))


@pytest.mark.parametrize(
    "reads",
    [
        load_config, read_weights, checkpoint.weights_file, log.read, source.load, lambda path: find_inputs([path]),
        lambda path: existing_file(path, "the file"), lambda path: starter.read(path, "out"),
    ],
)  # fmt: skip
def test_what_may_not_be_seen_is_not_called_missing(tmp_path, hide, reads):
    hide(tmp_path)
    with pytest.raises(PermissionError, match="run.py"):
        reads(str(tmp_path / "run.py"))


def test_an_annotation_that_may_not_be_read(tmp_path):
    problems = []
    assert xml_of(str(tmp_path / "gone.xml"), problems) is None
    assert problems == [f"[Errno 2] No such file or directory: '{tmp_path / 'gone.xml'}': left out"]
