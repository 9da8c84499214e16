"""Several processes that compile in one empty cache of operators, and one that is killed while it compiles."""
import fcntl
import os
import signal
import sys
import time

import pytest

from tests.distributed import case

SCRIPT = """
import os, sys, time
import jsra
import jittor as jt
import numpy as np

cache, start = sys.argv[1], float(sys.argv[2])  # a third argument: more operators
for folder in ("jit", "obj_files"):
    os.makedirs(os.path.join(cache, folder), exist_ok=True)
jt.flags.cache_path = cache  # Jittor itself is compiled; its operators are not
from jsra.ops import nms
time.sleep(max(0, start - time.time()))
x = jt.array(np.arange(6, dtype=np.float32).reshape(2, 3))
fused = (x.sin() * 3.25 + x).sum(1)
assert np.allclose(fused.numpy(), (np.sin(x.numpy()) * 3.25 + x.numpy()).sum(1))
if len(sys.argv) == 3:
    sys.exit()
code = jt.code(x.shape, x.dtype, [x], cpu_src="\\n for (int i = 0; i < in0->num; i++) out_p[i] = in0_p[i] + 42;")
assert (code.numpy() == x.numpy() + 42).all()
boxes = jt.array(np.float32([[0, 0, 4, 4], [0, 0, 4, 5], [9, 9, 12, 12]]))
assert nms(boxes, jt.array(np.float32([0.5, 0.9, 0.7])), 0.5).numpy().tolist() == [1, 2]
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Jittor's own lock stands outside Linux")


def start(cache, at=0.0, *more):
    return case.start([sys.executable, "-c", SCRIPT, str(cache), str(at), *more])


def test_two_processes_compile_in_one_cache(tmp_path):
    """Both at the same moment; the one that waits says so, once."""
    at = time.time() + 4
    processes = [start(tmp_path, at, "more") for _ in range(2)]
    ended = [case.finish(process) for process in processes]
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert all(err.count("waiting for another process that compiles") <= 1 for _, _, err in ended)
    names = os.listdir(tmp_path / "jit")
    assert names and not [n for n in names if n.endswith(".so") and not os.path.getsize(tmp_path / "jit" / n)]


def compiler_runs(process):
    """Whether a process has started g++."""
    for pid in case.members(process):
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().startswith("cc1plus"):
                    return True
        except OSError:
            pass
    return False


def test_the_lock_of_a_killed_process_is_free_when_its_compilers_have_ended(tmp_path):
    first = start(tmp_path)
    assert case.wait_for(first, lambda: compiler_runs(first), 60)
    compilers = case.members(first)
    case.send(first.pid, signal.SIGKILL)
    case.finish(first)
    code, _, err = case.finish(start(tmp_path))
    assert code == 0, err
    assert not case.alive(compilers)


@pytest.mark.parametrize("lock", ["jsra.lock", "jsra.lock.queue"])
def test_waiting_is_said_in_one_line(tmp_path, lock):
    """For one that compiles, and for one that waits already: whoever comes later is behind it."""
    line = f"jsra: waiting for another process that compiles operators in {tmp_path}\n"
    with open(tmp_path / lock, "w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        process = start(tmp_path)
        said = iter(process.stderr.readline, "")
        assert line in said
    code, _, err = case.finish(process)
    assert code == 0 and line not in err, err
