import json
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
import types

import jittor as jt
import numpy as np
import pytest

from jsra.engine import checkpoint, log
from jsra.engine.interrupt import Interrupted, Interruptions
from jsra.engine.train import NonFiniteLoss, seed_of, total_loss, train
from jsra.registry import ConfigError
from tests.engine.toy import ToyLoader, everything, make_run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def start(run):
    run.start_log()
    return train(run)


def test_trains_and_logs(tmp_path, seed):
    run = make_run(tmp_path, seed, epochs=15, dropout=False, log_interval=5)
    run.scheduler.milestones = ()
    start(run)
    records = log.read(str(tmp_path))
    losses = [r["loss"] for r in records["train"]]
    assert len(losses) == 12 and min(losses[-3:]) < losses[0]
    first = records["train"][0]
    assert first["iteration"] == 5 and {"loss_a", "loss_b", "size", "lr", "memory_mib", "left_s", "data_s"} <= set(
        first
    )
    assert first["loss"] == pytest.approx(first["loss_a"] + first["loss_b"], rel=1e-6)
    assert {"commit", "jittor", "jsra"} <= set(records["run"][0])


def test_a_clock_that_is_set_back_changes_no_duration(tmp_path, monkeypatch):
    """Neither the durations in the log nor the time of waiting for a signal."""
    days = iter(range(10**4, 0, -1))
    clock = types.SimpleNamespace(time=lambda: 86400.0 * next(days), monotonic=time.monotonic, sleep=time.sleep)
    for module in ("log", "train", "interrupt"):
        monkeypatch.setattr(f"jsra.engine.{module}.time", clock)
    start(make_run(tmp_path, epochs=2, log_interval=1))
    for record in log.read(str(tmp_path))["train"]:
        assert min(record[key] for key in ("iteration_s", "data_s", "left_s", "images_per_s")) >= 0
    before = time.monotonic()
    assert not Interruptions().came(0.1) and 0.1 <= time.monotonic() - before < 60


def test_a_training_in_another_thread_leaves_signals_alone():
    """Only the main thread may handle them."""
    found = []

    def enter():
        with Interruptions() as signals:
            found.append((signals.received, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [(None, signal.getsignal(signal.SIGTERM))]


def test_learning_rate_of_each_iteration(tmp_path):
    run = make_run(tmp_path, epochs=3, log_interval=1)
    start(run)
    rates = [r["lr"] for r in log.read(str(tmp_path))["train"]]
    assert rates == pytest.approx([0.05 * f for f in [0.1, 0.4, 0.7, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1]])


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_resume_is_bit_equal(tmp_path, seed, optimizer):
    """Six iterations, then a new run that resumes in mid-epoch: weights, statistics and moments equal, bit for bit."""
    whole = make_run(tmp_path / "whole", seed, optimizer=optimizer)
    start(whole)
    part = make_run(tmp_path / "part", seed, optimizer=optimizer, checkpoint_interval=6)
    part.total = 6
    start(part)
    rest = make_run(tmp_path / "part", seed + 1, optimizer=optimizer, checkpoint_interval=6)
    rest.seed = seed
    rest.resume(checkpoint.latest(str(tmp_path / "part")))
    assert rest.iteration == 6
    start(rest)
    assert rest.loader.read[0][0].startswith("1-2-"), "iteration 6 is batch 2 of epoch 1"
    expected, got = everything(whole), everything(rest)
    assert set(expected) == set(got)
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
    assert rest.optimizer.n_step == whole.optimizer.n_step == 12


def test_a_loss_that_is_not_finite_stops(tmp_path):
    run = make_run(tmp_path, epochs=3, loader=ToyLoader(poison=(1, 2)), checkpoint_interval=4)
    with pytest.raises(NonFiniteLoss) as caught:
        start(run)
    text = str(caught.value)
    assert "iteration 6" in text and "loss_a nan" in text and "1-2-0, 1-2-1" in text and "iter_00000004" in text
    state = checkpoint.read_state(checkpoint.latest(str(tmp_path)))
    assert state["iteration"] == 4
    for name, array in checkpoint.read_arrays(
        os.path.join(checkpoint.latest(str(tmp_path)), "model.safetensors")
    ).items():
        assert np.isfinite(array).all(), name


def test_best_and_last_are_kept(tmp_path):
    scores = iter([0.1, 0.9, 0.3, 0.4, 0.2, 0.5])
    run = make_run(tmp_path, epochs=6, evaluate=lambda model: {"AP": next(scores)}, eval_interval=4, keep=2)
    start(run)
    kept = [checkpoint.read_state(path)["iteration"] for path in checkpoint.saved(str(tmp_path))]
    assert kept == [8, 20, 24]
    assert checkpoint.best(str(tmp_path)).endswith("iter_00000008")
    assert [r["AP"] for r in log.read(str(tmp_path))["val"]] == [0.1, 0.9, 0.3, 0.4, 0.2, 0.5]


def test_evaluation_does_not_disturb_training(tmp_path, seed):
    def evaluate(model):
        model.eval()
        jt.rand(10).sync()
        return {"AP": 0.0}

    plain, disturbed = (
        make_run(tmp_path / "a", seed),
        make_run(tmp_path / "b", seed, evaluate=evaluate, eval_interval=3),
    )
    start(plain), start(disturbed)
    for name, array in everything(plain).items():
        np.testing.assert_array_equal(everything(disturbed)[name], array, err_msg=name)


def test_signal_in_process_saves(tmp_path):
    class Signalling(ToyLoader):
        def epoch(self, epoch, start=0):
            for i, batch in enumerate(super().epoch(epoch, start)):
                if (epoch, i) == (0, 2):
                    os.kill(os.getpid(), signal.SIGINT)
                yield batch

    before = signal.getsignal(signal.SIGINT)
    run = make_run(tmp_path, loader=Signalling())
    with pytest.raises(Interrupted, match="SIGINT.*--resume") as caught:
        start(run)
    assert caught.value.code == 130
    assert checkpoint.read_state(checkpoint.latest(str(tmp_path)))["iteration"] == 3
    assert signal.getsignal(signal.SIGINT) is before


SCRIPT = """
import sys
import jsra
from jsra.engine.interrupt import Interrupted, Interruptions
from jsra.engine.train import train
from tests.engine.toy import make_run
run = make_run(sys.argv[1], epochs=100000, log_interval=1)
run.start_log()
try:
    train(run)
except Interrupted as stop:
    print(stop)
    sys.exit(stop.code)
"""


@pytest.fixture
def popen():
    """subprocess.Popen in a session of its own; whatever still runs at the end of the test is killed."""
    processes = []

    def started(command, **kwargs):
        processes.append(subprocess.Popen(command, cwd=ROOT, start_new_session=True, **kwargs))
        return processes[-1]

    yield started
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_sigterm_of_a_process_saves_and_exits_143(tmp_path, popen):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    process = popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 120
    while not (os.path.isfile(tmp_path / log.FILE) and log.read(str(tmp_path))["train"]):
        assert process.poll() is None and time.time() < deadline, "the run did not start"
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)  # as batch systems do: to Jittor's compilers and data workers too
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 143 and "SIGTERM" in out, errors[-3000:]
    state = checkpoint.read_state(checkpoint.latest(str(tmp_path)))
    assert state["iteration"] >= 1
    assert json.load(open(os.path.join(checkpoint.latest(str(tmp_path)), "state.json")))["n_step"] == state["iteration"]


def test_a_closed_terminal_saves_and_exits_129(tmp_path, popen):
    """The progress bar and the last line have nowhere to go then, which must not come before the saving."""
    master, slave = os.openpty()
    # Tests that run under nohup ignore SIGHUP, and so would their children.
    own_terminal = (
        "import fcntl, signal, termios; signal.signal(signal.SIGHUP, signal.SIG_DFL); fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    )
    command = [sys.executable, "-c", f"{own_terminal}\n{SCRIPT}", str(tmp_path)]
    process = popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    deadline = time.time() + 120
    while not (os.path.isfile(tmp_path / log.FILE) and log.read(str(tmp_path))["train"]):
        assert process.poll() is None and time.time() < deadline, "the run did not start"
        if select.select([master], [], [], 0.1)[0]:
            os.read(master, 65536)
    os.close(master)
    assert process.wait(120) == 129
    assert checkpoint.read_state(checkpoint.latest(str(tmp_path)))["iteration"] >= 1


def test_nohup_is_respected(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruptions() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.came(0.1)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_line_that_was_cut_off_takes_no_other_with_it(tmp_path):
    start(make_run(tmp_path, epochs=1, log_interval=1, checkpoint_interval=4))
    with open(tmp_path / log.FILE, "a") as f:
        f.write('null\n[1]\n{"a": 1}\n{"kind": "x"}\n{"kind": "train"}\n{"kind": "val", "iteration": "4"}\n\0\n')
        f.write('{"kind": "train", "iterat')
    rest = make_run(tmp_path, epochs=2, log_interval=1)
    rest.resume(checkpoint.latest(str(tmp_path)))
    start(rest)
    records = log.read(str(tmp_path))
    assert [r["iteration"] for r in records["run"]] == [0, 4]
    assert [r["iteration"] for r in records["train"]] == list(range(1, 9))
    assert len((tmp_path / log.FILE).read_text().splitlines()) == 2 + 8 + 8


def test_a_run_goes_on_where_nobody_reads_its_lines(tmp_path):
    script = SCRIPT.replace("100000", "3") + "\nprint(run.iteration)"
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", script, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=writing, text=True, timeout=120)
    os.close(writing)
    assert run.returncode == 0 and run.stdout == "12\n"


def test_a_metric_that_is_nan_is_null_in_the_files(tmp_path):
    run = make_run(tmp_path, epochs=1, evaluate=lambda model: {"AP": 0.5, "AP_small": float("nan")}, eval_interval=4)
    start(run)
    state = os.path.join(checkpoint.latest(str(tmp_path)), "state.json")
    for path in (state, tmp_path / log.FILE):
        with open(path) as f:
            text = f.read()
        assert '"AP_small": null' in text and "NaN" not in text
    assert math.isnan(run.metrics["AP_small"])


def test_memory_and_graph_are_flat_over_500_iterations(tmp_path):
    run = make_run(tmp_path, epochs=10, loader=ToyLoader(length=50), log_interval=1)
    seen = []

    run.start_log()
    original = run.log.iteration

    def watch(iteration, *args):
        seen.append((jt.liveness_info()["lived_vars"], log.memory_mib()))
        original(iteration, *args)

    run.log.iteration = watch
    train(run)
    lived, memory = np.array(seen).T
    assert len(lived) == 500
    assert lived[20:].max() <= lived[19] + 2, "variables of earlier iterations stay alive"
    assert memory[-50:].mean() < memory[50:100].mean() + 8, "MiB"


def test_seeds_differ_by_iteration_and_repeat():
    assert seed_of(1, 5) == seed_of(1, 5)
    assert len({seed_of(s, i) for s in range(3) for i in range(50)}) == 150


def test_model_without_losses():
    with pytest.raises(ValueError, match="no loss.*acc"):
        total_loss({"acc": jt.ones(1)})
    losses = {"loss_a": 2 * jt.ones(1), "s0.loss_a": 3 * jt.ones(1), "s0.acc": jt.ones(1), "closs": jt.ones(1)}
    assert total_loss(losses).item() == 5


@pytest.mark.parametrize("shape", [(4,), (2, 3), (0,)])
def test_a_loss_that_is_not_one_number(shape):
    """Of a user's own part: added to the others, it would count them once for each of its numbers."""
    losses = {"loss_a": jt.ones(1), "loss_own": jt.ones(shape)}
    with pytest.raises(ValueError, match=rf"loss_own has the shape \[{', '.join(map(str, shape))},?\]; a loss is one number"):
        total_loss(losses)


@pytest.mark.parametrize("connected", [True, False])
def test_a_loss_that_depends_on_no_parameter_is_said(tmp_path, capsys, connected):
    run = make_run(tmp_path, epochs=1)
    if not connected:
        run.model.execute = lambda images, targets: dict(loss=jt.ones(1))
    start(run)
    assert ("the loss depends on no trained parameter" in capsys.readouterr().err) != connected


def test_resuming_with_another_batch_is_refused_and_with_another_seed_warns(tmp_path, capsys):
    run = make_run(tmp_path)
    path = run.save()
    with pytest.raises(ConfigError, match="batch_size 2, this run has 4"):
        make_run(tmp_path, loader=ToyLoader(batch_size=4)).resume(path)
    with pytest.raises(ConfigError, match="epoch_length 4, this run has 5"):
        make_run(tmp_path, loader=ToyLoader(length=5)).resume(path)
    make_run(tmp_path, seed=3).resume(path)
    assert "made with seed 0, this run has 3" in capsys.readouterr().err
    make_run(tmp_path).resume(path)
    assert capsys.readouterr().err == ""
    checkpoint.update_state(path, processes=4)
    make_run(tmp_path).resume(path)
    assert "made with 4 processes, this run has 1: it continues, but not like" in capsys.readouterr().err


def test_the_best_metric_can_be_chosen_and_may_be_undefined(tmp_path):
    scores = iter([{"AP": 0.1, "AP50": 0.6}, {"AP50": float("nan")}, {"AP5": 0.1}])
    run = make_run(tmp_path, score="AP50", evaluate=lambda model: next(scores), eval_interval=4, keep=0)
    with pytest.raises(ConfigError, match="did you mean 'AP5'"):
        start(run)
    assert [checkpoint.read_state(path)["score"] for path in checkpoint.saved(str(tmp_path))] == [0.6, None, None]


def test_a_signal_during_evaluation_leaves_at_once_and_resuming_evaluates(tmp_path, seed):
    def evaluate(model):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(20)

    run = make_run(tmp_path, seed, evaluate=evaluate, eval_interval=4)
    with pytest.raises(Interrupted, match="iter_00000004") as caught:
        start(run)
    assert caught.value.code == 143
    calls = []
    rest = make_run(tmp_path, seed, evaluate=lambda model: calls.append(1) or {"AP": 0.5}, eval_interval=4)
    rest.resume(checkpoint.latest(str(tmp_path)))
    start(rest)
    assert len(calls) == 3, "iterations 4, 8 and 12"
    assert [r["iteration"] for r in log.read(str(tmp_path))["val"]] == [4, 8, 12]


def test_a_signal_that_kills_the_data_workers_too_saves(tmp_path):
    class Dying(ToyLoader):
        def epoch(self, epoch, start=0):
            yield from list(super().epoch(epoch, start))[:2]
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("data worker 17 was killed by SIGTERM")

    with pytest.raises(Interrupted, match="SIGTERM.*iter_00000002"):
        start(make_run(tmp_path, loader=Dying()))
    assert checkpoint.read_state(checkpoint.latest(str(tmp_path)))["iteration"] == 2


def test_an_evaluation_that_fails_loses_nothing(tmp_path):
    def evaluate(model):
        raise MemoryError

    with pytest.raises(MemoryError):
        start(make_run(tmp_path, evaluate=evaluate, eval_interval=4))
    assert checkpoint.read_state(checkpoint.latest(str(tmp_path)))["iteration"] == 4
