"""Two processes do what one does: losses, AP, table. When one of them is killed both end, and nothing is lost."""
import signal
import time

import pytest

from tests.distributed import case


@pytest.fixture(scope="module")
def launcher():
    found = case.mpirun()
    if found is None:
        pytest.skip("needs Open MPI with its compiler: apt-get install openmpi-bin libopenmpi-dev")
    return found


@pytest.fixture(scope="module")
def settings(tmp_path_factory, launcher):
    return case.overrides(tmp_path_factory.mktemp("pictures") / "data")


@pytest.fixture(scope="module")
def one(tmp_path_factory, settings):
    """What one process prints and finds."""
    root = tmp_path_factory.mktemp("one")
    code, out, err = case.finish(case.start(case.table(root, settings)))
    assert code == 0, err
    return out, case.results(root)


def assert_equal(root, expected):
    for row, (losses, measured) in case.results(root).items():
        wanted_losses, wanted = expected[row]
        assert len(losses) == case.ITERATIONS and losses == pytest.approx(wanted_losses, rel=1e-4), row
        assert measured == wanted and measured["AP50"] > 0.5, row


def test_two_processes_give_the_table_of_one(tmp_path, settings, launcher, one):
    code, out, err = case.finish(case.start(case.table(tmp_path, settings, launcher)))
    assert code == 0, err
    assert out == one[0]
    assert_equal(tmp_path, one[1])


def killed(command, condition, rank, number):
    """Start the command and send the signal to one rank when `condition` is true; (exit code, what it said)."""
    process = case.start(command)
    assert case.wait_for(process, condition), case.finish(process, 1)
    working = case.members(process)
    case.send(case.ranks(process)[rank], number)
    code, out, err = case.finish(process, 60)
    assert code is not None, f"hangs after signal {number} to rank {rank}: {err}"
    end = time.time() + 10
    while case.alive(working) and time.time() < end:
        time.sleep(0.05)
    assert not case.alive(working), "processes are left"
    return code, out + err


def test_a_killed_process_ends_all_and_loses_nothing(tmp_path, settings, launcher, one):
    """In training, in evaluation and between two rows; the same command goes on each time."""
    command = case.table(tmp_path, settings, launcher)
    first, second = case.ROWS
    code, said = killed(command, lambda: case.phase(tmp_path)[1] >= 5, 1, signal.SIGKILL)
    assert code == 137 and "rank 1" in said and "signal 9" in said
    code, said = killed(command, lambda: case.phase(tmp_path)[2], 0, signal.SIGKILL)
    assert code == 137 and "rank 0" in said and "resumed from" in said
    code, said = killed(command, lambda: case.phase(tmp_path)[:2] >= (1, 6), 1, signal.SIGTERM)
    assert code == 143 and said.count("stopped by SIGTERM; saved") == 1
    iteration = case.records(tmp_path, second)["train"][-1]["iteration"]
    assert case.checkpoint.latest(case.folder(tmp_path, second)).endswith(f"{iteration:08d}")
    code, out, err = case.finish(case.start(command))
    assert code == 0, err
    assert out == one[0]
    assert_equal(tmp_path, one[1])
    assert len(case.records(tmp_path, first)["run"]) == 3
