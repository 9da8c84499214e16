"""Several processes that compile in one empty cache of operators, and one that is killed while it compiles."""
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from jsra.runtime import compile_lock
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


STOPPED = """
import os, signal, sys
import jsra
import jittor as jt
import jsra.ops
from jsra.runtime.after_jittor import end_compilers

header, number = sys.argv[1], int(sys.argv[2])
end_compilers()
received = []
signal.signal(number, lambda *_: received.append(number))
x = jt.array([1.0, 2.0])
code = jt.code(x.shape, x.dtype, [x], cpu_header=f"#define HEADER <{header}>\\n#include HEADER",
               cpu_src="for (int i = 0; i < in0->num; i++) out_p[i] = in0_p[i] + added;")
print(code.numpy().tolist(), received)
"""


def opened_by_reader(pipe, process):
    """The writing end of a named pipe, as soon as a child of the process reads it."""
    while process.poll() is None:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # ENXIO: nobody reads it yet
            time.sleep(0.02)
    pytest.fail(case.finish(process)[2])


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_the_group_does_not_end_a_process_that_compiles(tmp_path, number):
    """The compiler waits for a header that is a named pipe, is ended by the signal, and runs again with a file."""
    header = tmp_path / "header.h"
    os.mkfifo(header)
    process = case.start([sys.executable, "-c", STOPPED, str(header), str(int(number))])
    pipe = opened_by_reader(header, process)
    header.unlink()
    header.write_text("const float added = 40;")
    os.killpg(process.pid, number)
    code, out, err = case.finish(process)
    os.close(pipe)
    assert code == 0, err
    assert out.strip().endswith(f"[41.0, 42.0] [{int(number)}]"), out
    assert err.count("a compiler was ended by a signal; it runs again") == 1


@pytest.mark.parametrize(
    "lock, hold",
    [("jsra.lock", fcntl.flock), ("jsra.lock.queue", fcntl.flock), ("jsra.lock.operators", fcntl.lockf)],
    ids=["compiles", "waits", "loads"],
)
def test_waiting_is_said_in_one_line(tmp_path, lock, hold):
    """For one that compiles, for one that waits already (whoever comes later is behind it), for one with its operator."""
    line = f"jsra: waiting for another process that compiles operators in {tmp_path}\n"
    with open(tmp_path / lock, "w") as holder:
        hold(holder, fcntl.LOCK_EX)
        process = start(tmp_path)
        said = iter(process.stderr.readline, "")
        assert line in said
    code, _, err = case.finish(process)
    assert code == 0 and line not in err, err


def test_what_is_in_the_cache_does_not_wait_for_a_process_that_compiles(tmp_path):
    code, _, err = case.finish(start(tmp_path))
    assert code == 0, err
    with open(tmp_path / "jsra.lock", "w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        code, _, err = case.finish(start(tmp_path))
    assert code == 0 and "waiting" not in err, err


FORK = """
import fcntl

def lock_file():
    for fd in os.listdir("/proc/self/fd"):
        if os.path.exists(f"/proc/self/fd/{fd}") and os.readlink(f"/proc/self/fd/{fd}").endswith("/jsra.lock"):
            return int(fd)

ready, done = os.pipe(), os.pipe()
if not os.fork():
    assert np.allclose((x.cos() * 1.75 - x).sum(1).numpy(), (np.cos(x.numpy()) * 1.75 - x.numpy()).sum(1))
    fcntl.flock(lock_file(), fcntl.LOCK_EX)
    os.write(ready[1], b"x")
    os.read(done[0], 1)
    os._exit(0)
os.read(ready[0], 1)
try:
    fcntl.flock(lock_file(), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("kept apart", flush=True)
os.write(done[1], b"x")
"""


def test_a_forked_process_is_another_process(tmp_path):
    """The child has the lock through a file of its own, not through its parent's."""
    script = SCRIPT.split("if len(sys.argv) == 3")[0] + FORK
    code, out, err = case.finish(case.start([sys.executable, "-c", script, str(tmp_path), "0"]))
    assert code == 0 and "kept apart" in out, (out, err)


JITTOR = """
#include <stdarg.h>
#include <string>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <vector>
#include "compile_lock.cc"

namespace jittor {
struct JitKey {} key;
JitKey& get_jk() { return key; }
std::string Op::get_jit_key(JitKey&) { return std::to_string((long)this); }
std::string Op::get_filename_from_jit_key(const std::string& key, const std::string& end) { return "/none/" + key + end; }
jit_op_entry_t (*do_compile_hook)(Op*);
jit_op_entry_t do_compile_inner(Op*) { usleep(200000); return nullptr; }
}  // namespace jittor
"""

THREADS = JITTOR + """
std::atomic<int> count{0};
extern "C" int open(const char* path, int flags, ...) {  // each thread is slower than the one before: one has the lock while
    thread_local int number = count++;                   // another still opens the files
    usleep(20000 * number);
    return syscall(SYS_openat, AT_FDCWD, path, flags, 0666);
}

int main(int, char** arguments) {
    jsra_lock_compilations(arguments[1], arguments[2], "waiting");
    take();  // the child's threads wait
    if (fork()) {
        int status;
        usleep(700000);
        flock(ours, LOCK_UN);
        record_lock(F_UNLCK);
        wait(&status);
        return status != 0;
    }
    alarm(10);
    for (int again = 0; again < 2; again++) {
        std::vector<jittor::Op> ops(4);
        std::vector<std::thread> threads;
        for (auto& op : ops) threads.emplace_back([&op] { jittor::do_compile_hook(&op); });
        for (auto& thread : threads) thread.join();
    }
}
"""


FORK_DURING_A_COMPILATION = JITTOR + """
int main(int, char** arguments) {
    jsra_lock_compilations(arguments[1], arguments[2], "waiting");
    jittor::Op op;
    std::thread compiles([&op] { jittor::do_compile_hook(&op); });
    std::thread waits([&op] { usleep(50000); jittor::do_compile_hook(&op); });
    usleep(100000);
    pid_t child = fork();
    if (!child) {
        alarm(10);
        jittor::do_compile_hook(&op);
        _exit(0);
    }
    int status;
    compiles.join();
    waits.join();
    waitpid(child, &status, 0);
    return status != 0;
}
"""


@pytest.mark.parametrize("source", [THREADS, FORK_DURING_A_COMPILATION], ids=["threads", "during a compilation"])
def test_a_forked_process_does_not_wait_for_ever(tmp_path, source):
    """Two threads of it that open the files at the same moment would wait for one another, and everybody for them. A thread
    of its parent that compiled the same operator at the fork does not exist in it."""
    program, folder = str(tmp_path / "program"), os.path.dirname(compile_lock.__file__)
    command = ["g++", "-std=c++14", "-pthread", f"-I{folder}", "-xc++", "-", "-o", program]
    subprocess.run(command, input=source, text=True, check=True)
    code, _, err = case.finish(case.start([program, str(tmp_path / "own"), str(tmp_path / "jittors")]))
    assert code == 0, err
