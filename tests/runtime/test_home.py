import json
import os

import pytest

from jsra.runtime import home


@pytest.fixture
def user(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("JITTOR_HOME", raising=False)
    return tmp_path


def test_the_home_directory(user):
    assert home.writable_home() == str(user)


def test_the_environment_decides(user, monkeypatch):
    monkeypatch.setenv("JITTOR_HOME", str(user / "other"))
    assert home.writable_home() == str(user / "other")


def test_a_tilde_that_no_shell_has_replaced(user, monkeypatch):
    """As in a Dockerfile's ENV: Jittor would make a folder named ~ in the current one."""
    monkeypatch.setenv("JITTOR_HOME", "~/other")
    home.expand()
    assert os.environ["JITTOR_HOME"] == str(user / "other") == home.writable_home()


def test_what_jittor_remembers(user):
    os.makedirs(user / ".cache" / "jittor")
    with open(user / ".cache" / "jittor" / "config.json", "w", encoding="utf8") as f:
        json.dump({"JITTOR_HOME": str(user / "remembered")}, f)
    assert home.writable_home() == str(user / "remembered")


def test_a_broken_note_is_ignored(user):
    os.makedirs(user / ".cache" / "jittor")
    (user / ".cache" / "jittor" / "config.json").write_text("not json")
    assert home.writable_home() == str(user)


# A path below a regular file cannot be written by anybody, the administrator (who runs the tests in CI) included.
def test_a_home_that_cannot_be_written(user, monkeypatch):
    (user / "file").write_text("")
    monkeypatch.setenv("HOME", str(user / "file"))
    with pytest.raises(OSError, match="cannot be written.*Set JITTOR_HOME"):
        home.writable_home()


def test_a_user_without_a_home(user, monkeypatch):
    """Such as `docker run --user 1234`: Jittor would end with a traceback, and a folder named ~ would be made."""
    monkeypatch.chdir(user)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    for place in ("", str(user / "cache")):
        monkeypatch.setenv("JITTOR_HOME", place)
        with pytest.raises(OSError, match="the home directory is unknown: HOME is not set.* Set HOME to"):
            home.writable_home()
    assert os.listdir(user) == []


def test_jittors_note_needs_the_home_directory_too(user, monkeypatch):
    (user / "file").write_text("")
    monkeypatch.setenv("HOME", str(user / "file"))
    monkeypatch.setenv("JITTOR_HOME", str(user / "cache"))
    with pytest.raises(OSError, match="cannot be written.*Set HOME"):
        home.writable_home()
