"""Several trainings at the same time, with small programs instead of trainings; a real one is in test_run.py."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from jsra.engine.interrupt import Interrupted
from jsra.paper import side_by_side


class Program:
    """Stands for a Run; writes the times of its beginning and end into work_dir/times, and ends with `code`."""

    def __init__(self, folder, seed, seconds=0.3, code=0):
        self.work_dir, self.seed = str(folder / str(seed)), seed
        self.text = (
            f"import time, sys; start = time.time(); print('line one'); time.sleep({seconds}); "
            f"open('times', 'w').write(f'{{start}} {{time.time()}}'); print('the cause'); sys.exit({code})"
        )

    def times(self):
        path = os.path.join(self.work_dir, "times")
        return tuple(map(float, open(path).read().split())) if os.path.exists(path) else None


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    def start(run, overrides, environment):
        os.makedirs(run.work_dir)
        with open(os.path.join(run.work_dir, side_by_side.LOG), "a") as log:
            return subprocess.Popen([sys.executable, "-c", run.text], stdout=log, cwd=run.work_dir, env=environment)

    monkeypatch.setattr(side_by_side, "_start", start)


def test_all_run_and_never_more_than_jobs(tmp_path):
    runs, said = [Program(tmp_path, seed) for seed in range(5)], []
    side_by_side.complete([("SRA", run) for run in runs], 2, say=said.append)
    times = [run.times() for run in runs]
    begun = [sum(a <= start < b for a, b in times) for start, _ in times]
    assert max(begun) == 2
    assert sum(line.endswith("trained") for line in said) == 5 and said[0].startswith("SRA, seed 0: training, see ")


def test_a_failure_is_told_and_no_other_is_begun(tmp_path):
    runs = [Program(tmp_path, 0, 0.1, code=3), Program(tmp_path, 1, 1.0), Program(tmp_path, 2)]
    with pytest.raises(side_by_side.TrainingFailed, match=r"SRA, seed 0: exit code 3, see .*train.txt:\nline one\nthe cause"):
        side_by_side.complete([("SRA", run) for run in runs], 2, say=lambda line: None)
    assert runs[1].times() and not runs[2].times()  # what was under way ended by itself


def test_a_signal_is_passed_on(tmp_path):
    runs = [Program(tmp_path, seed, 60) for seed in range(3)]
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    began = time.time()
    with pytest.raises(Interrupted) as stop:
        side_by_side.complete([("SRA", run) for run in runs], 2, say=lambda line: None)
    assert stop.value.code == 143 and time.time() - began < 30
    assert not any(run.times() for run in runs) and not os.path.exists(runs[2].work_dir)
