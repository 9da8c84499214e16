import json
import os
import subprocess
import sys

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


@pytest.mark.parametrize(
    "note", ["not json", "", '{"JITTOR_H', "[]", "5", '{"JITTOR_HOME": null}', '{"JITTOR_HOME": 5}', b"\xff"]
)
def test_a_broken_note_is_removed(user, note):
    """Cut by a full disk, for example: Jittor's import ended with a traceback, each time."""
    path = user / ".cache" / "jittor" / "config.json"
    os.makedirs(path.parent)
    path.write_bytes(note if isinstance(note, bytes) else note.encode())
    assert home.writable_home() == str(user) and not path.exists()


def test_a_broken_note_that_another_process_removes(user, monkeypatch):
    """Several processes begin at the same moment (mpirun)."""
    path = user / ".cache" / "jittor" / "config.json"
    os.makedirs(path.parent)
    path.write_text("")
    remove = os.remove
    monkeypatch.setattr(os, "remove", lambda file: [remove(file), remove(file)])
    assert home.writable_home() == str(user) and not path.exists()


def test_a_note_of_a_place_that_is_gone_says_where_it_is(user):
    path = user / ".cache" / "jittor" / "config.json"
    os.makedirs(path.parent)
    path.write_text(json.dumps({"JITTOR_HOME": str(path / "below a file")}))
    with pytest.raises(OSError, match=r"below a file.*an earlier \$JITTOR_HOME, noted by Jittor in .*delete that file"):
        home.writable_home()


def test_the_folder_is_jittors_own():
    """Another compiler, kernel, host name or virtual environment: Jittor compiled itself for minutes without a line."""
    code = (
        "import jsra, glob; from jsra.runtime import home; found = glob.glob(home._core(home.place()[0]));"
        "import jittor as jt; print(found == [jt.flags.cache_path], home.compiled(home.place()[0]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout == "True True\n", done.stderr


def test_a_jittor_of_another_machine_does_not_count(user, monkeypatch):
    monkeypatch.setenv("nvcc_path", "")
    folder = home._core(str(user))
    os.makedirs(folder)
    (user / folder / "jittor_core.cpython-311.so").write_text("")
    assert home.compiled(str(user))
    for name, change in (("node", lambda: "other"), ("platform", lambda: "Linux-9.9")):
        with monkeypatch.context() as m:
            m.setattr(f"jsra.runtime.home.platform.{name}", change)
            assert not home.compiled(str(user))
    compiler = user / "g++"
    compiler.write_text("#!/bin/sh\necho 'g++ (Other) 99.1.0'\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("cc_path", str(compiler))
    assert not home.compiled(str(user))


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
