import json
import subprocess
import sys

import pytest
from PIL import Image

from jsra.cli import main
from jsra.data.check_entries import check_image
from jsra.data.image import DataError, read_image
from jsra.runtime import memory
from tests.data.tiny import write_coco_config


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.fixture
def config(tmp_path):
    return write_coco_config(tmp_path)


@pytest.mark.parametrize(
    "limit, words",
    [
        (None, "there is not enough memory\n"),
        ((2**31, "ulimit -v"), "`ulimit -v` allows this process 2048 MiB; raise it"),
    ],
)
def test_a_command_says_it_in_a_line(config, capsys, monkeypatch, limit, words):
    monkeypatch.setattr(memory, "_limit", lambda: limit)
    monkeypatch.setattr(json, "loads", failing(MemoryError()))
    assert main(["data", "check", config]) == 2
    said = capsys.readouterr().err
    assert said.startswith("jsra data: there is not enough memory") and words in said


def test_a_thread_that_cannot_be_made_is_a_matter_of_memory_only_under_a_limit(config, capsys, monkeypatch):
    monkeypatch.setattr(json, "loads", failing(RuntimeError("can't start new thread")))
    monkeypatch.setattr(memory, "_limit", lambda: (2**30, "ulimit -v"))
    assert main(["data", "check", config]) == 2 and "1024 MiB; raise it" in capsys.readouterr().err
    monkeypatch.setattr(memory, "_limit", lambda: None)
    with pytest.raises(RuntimeError, match="new thread"):
        main(["data", "check", config])


def test_a_picture_is_not_called_broken(monkeypatch):
    monkeypatch.setattr(Image, "open", failing(MemoryError()))
    with pytest.raises(DataError, match="a.png cannot be read: there is not enough memory"):
        read_image("a.png")
    ((_, problem),) = [(p.level, str(p)) for p in check_image("a.png", (4, 4), "image id 1")]
    assert "there is not enough memory" in problem and "replace" not in problem


def test_a_thread_is_not_begun_without_room_for_it():
    """Python's Thread.start waits without end for a thread that had no memory to begin."""
    code = (
        "import resource; from jsra.runtime import memory; memory.require_room_for_a_thread();"
        "size = 4096 * int(open('/proc/self/statm').read().split()[0]) + (100 << 20);"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size)); memory.require_room_for_a_thread()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "MemoryError: there is not enough memory: `ulimit -v` allows" in done.stderr
