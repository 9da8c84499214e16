"""Two runs in one work_dir: the second is refused while the first is running, however the first ends."""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys

import pytest

from jsra.cli import main
from jsra.config import load_config
from jsra.engine.build import build_run
from jsra.engine.lock import FILE, WorkDirLock
from jsra.engine.train import train
from jsra.registry import ConfigError
from jsra.runtime.after_jittor import give_signals_back
from tests.toy_detector import write_config

HOLD = "import sys; from jsra.engine.lock import WorkDirLock; lock = WorkDirLock(sys.argv[1]); "
# As a data worker does, a child that was forked lives on for a moment. It exists before the test begins.
CHILD = "import os, time; os.fork() == 0 and (os.close(1), time.sleep(600), os._exit(0)); print('held', flush=True); input()"


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD + CHILD, str(tmp_path / "work")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    give_signals_back()
    yield process
    with contextlib.suppress(ProcessLookupError):  # the child may have slept to its end, on a slow machine
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_second_is_refused_until_the_first_is_killed(tmp_path, holder, capsys):
    work = str(tmp_path / "work")
    with pytest.raises(ConfigError, match=rf"work: another run is using it \(process {holder.pid} on .*\): wait until"):
        WorkDirLock(work)
    config = write_config(tmp_path)
    assert main(["train", config]) == 2 and "another run is using it" in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "work" / "checkpoints")
    holder.kill()
    holder.wait()
    assert main(["train", config, "--set", "max_epoch=1"]) == 0  # the file that is left means nothing
    assert os.path.isfile(tmp_path / "work" / FILE)


def test_a_row_of_a_table_is_trained_once(tmp_path, holder):
    from jsra.paper.run import Run

    config = write_config(tmp_path)
    run = Run(config, 0, str(tmp_path))
    os.rename(tmp_path / "work", tmp_path / "toy")  # the holder's lock goes with the folder
    os.rename(tmp_path / "toy", tmp_path / "seed0")
    os.makedirs(tmp_path / "toy")
    os.rename(tmp_path / "seed0", run.work_dir)
    with pytest.raises(ConfigError, match="another run is using it"):
        run.complete()


def test_a_run_that_ended_or_failed_leaves_the_place(tmp_path, capsys):
    config = write_config(tmp_path)
    wrong = ["--set", "dataset.train.anno_file=none.json"]
    assert main(["train", config, *wrong]) == 2
    assert main(["train", config, "--set", "max_epoch=1"]) == 0
    work = str(tmp_path / "work")
    subprocess.run([sys.executable, "-c", HOLD, work], check=True, timeout=60)


def test_a_file_is_no_work_dir(tmp_path, capsys):
    config = write_config(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    for place in ("a.txt", "a.txt/run"):
        assert main(["train", config, "--set", f"work_dir={tmp_path / place}"]) == 2
        assert f"work_dir: {tmp_path / 'a.txt'} is a file: name a folder" in capsys.readouterr().err


def test_of_runs_that_are_built_together_one_is_trained(tmp_path):
    """In one process the lock stops nobody: a cell of a notebook that was interrupted is executed again."""
    config = write_config(tmp_path)
    runs = [build_run(load_config(config, [f"+seed={seed}", "max_epoch=1"])) for seed in (0, 1)]
    train(runs[0])
    weights = tmp_path / "work" / "checkpoints" / "iter_00000004" / "model.safetensors"
    before = weights.read_bytes()
    with pytest.raises(ConfigError, match="iter_00000004 was saved by another run after this one was built: give each run"):
        train(runs[1])
    assert weights.read_bytes() == before and train(runs[0]) == runs[0].metrics
    again = build_run(load_config(config, ["max_epoch=2"]), resume="auto")
    train(again)
    assert again.iteration == 8
    for run in (*runs, again):
        run.close()


def test_a_second_run_of_a_process_does_not_release_the_first(tmp_path):
    """Such as one that is refused when it is built: a process has one lock on a file, however often it has opened it."""

    def is_free():
        return subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, timeout=60).returncode == 0

    first, second = WorkDirLock(str(tmp_path)), WorkDirLock(f"{tmp_path}/.")
    second.release()
    assert not is_free()
    first.release()
    assert is_free()
    left = WorkDirLock(str(tmp_path))
    (tmp_path / FILE).unlink()  # with the whole folder
    again = WorkDirLock(str(tmp_path))
    assert not is_free()
    left.release()
    assert not is_free()
    del again
    assert is_free()


def test_a_file_system_without_locks_stops_nobody(tmp_path, monkeypatch):
    asked = []

    def lockf(*args):
        asked.append(args)
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    first = WorkDirLock(str(tmp_path))
    assert len(asked) == 1 and os.path.isfile(tmp_path / FILE)
    second = WorkDirLock(str(tmp_path))  # nothing can tell that the first is running
    assert len(asked) == 2
    first.release()
    second.release()


def test_a_run_whose_folder_another_one_has_taken_stops(tmp_path):
    """The user has deleted the work_dir and started again, and the first run is still alive."""
    config = load_config(write_config(tmp_path))
    run = build_run(config)
    shutil.rmtree(tmp_path / "work")
    run.lock.check()
    path = run.save()  # the folder alone is made again
    shutil.rmtree(tmp_path / "work")
    subprocess.run([sys.executable, "-c", HOLD, str(tmp_path / "work")], check=True, timeout=60)
    run.iteration = 1
    with pytest.raises(ConfigError, match="work was deleted while this run was using it, and another run was started"):
        run.save()
    assert not os.path.exists(os.path.dirname(path))
    run.close()


def test_a_run_whose_folder_was_copied_to_another_disk_goes_on(tmp_path):
    """As when a disk gets full: the folder is copied, and a link to the copy takes its place."""
    run = build_run(load_config(write_config(tmp_path)))
    shutil.copytree(tmp_path / "work", tmp_path / "larger")
    os.rename(tmp_path / "work", tmp_path / "before")
    os.symlink(tmp_path / "larger", tmp_path / "work")
    assert os.path.isdir(run.save())
    second = [sys.executable, "-c", HOLD, str(tmp_path / "larger")]
    assert "another run is using it" in subprocess.run(second, capture_output=True, text=True, timeout=60).stderr
    run.close()
    assert subprocess.run(second, timeout=60).returncode == 0
