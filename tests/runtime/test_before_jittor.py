"""Messages and errors when Jittor is imported; commands that do not need Jittor run."""

import json
import os
import subprocess
import sys
import types

import pytest

from jsra.runtime import before_jittor

CONFIG = "jdet_configs/faster_rcnn_r50_fpn_sra_1x_coco.py"


def run(code, environment=None):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_numpy_2_is_refused():
    done = run("import numpy; numpy.__version__ = '2.1.3'; import jsra; print('jsra is there'); import jsra.ops")
    assert done.returncode == 1 and done.stdout == "jsra is there\n"
    message = done.stderr.splitlines()[-1]
    assert "NumPy 2.1.3" in message and "pip install 'numpy<2'" in message


def test_numpy_2_is_refused_if_jittor_was_imported_before():
    done = run(
        "import sys, types; sys.modules['jittor'] = types.ModuleType('jittor');"
        "import numpy; numpy.__version__ = '2.1.3'; import jsra; print('jsra is there')"
    )
    assert done.returncode == 1 and done.stdout == "" and "NumPy 2.1.3 is installed" in done.stderr.splitlines()[-1]


def test_commands_say_it_in_one_line():
    code = (
        "import numpy; numpy.__version__ = '2.1.3'; from jsra.cli import main;"
        f"raise SystemExit(main(['cost', '{CONFIG}']))"
    )
    done = run(code)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("jsra cost: NumPy 2.1.3")
    assert run(code.replace(f"'cost', '{CONFIG}'", "'doctor'")).returncode == 0


def test_lines_that_every_program_prints():
    """Jittor would put the loader's line into the name of a file that it compiles."""
    code = f"from jsra.cli import main; raise SystemExit(main(['cost', '{CONFIG}']))"
    done = run(code, {**os.environ, "LD_PRELOAD": "/no/such.so"})
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith("jsra cost: every program") and "/no/such.so" in line and "LD_PRELOAD (or unset it)" in line


def test_lines_that_mpicc_prints(tmp_path, monkeypatch):
    """Of Open MPI without a network interface, or of another MPI, which does not know --showme."""
    mpicc = tmp_path / "mpicc"
    mpicc.write_text("#!/bin/sh\necho -I/include\necho unable to find network interfaces >&2\n")
    mpicc.chmod(0o755)
    monkeypatch.setenv("mpicc_path", str(mpicc))
    with pytest.raises(ImportError, match="mpicc --showme:compile prints 'unable to find .*, or set use_mpi=0"):
        before_jittor._refuse_lines_of_mpicc()
    monkeypatch.setenv("use_mpi", "0")
    before_jittor._refuse_lines_of_mpicc()
    monkeypatch.delenv("use_mpi")
    with monkeypatch.context() as m:  # without MPI: the one on PATH is not used either
        m.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        m.setenv("mpicc_path", "")
        before_jittor._refuse_lines_of_mpicc()
    mpicc.write_text("#!/bin/sh\necho -I/include\n")
    before_jittor._refuse_lines_of_mpicc()


def test_a_missing_compiler_is_said_in_one_line():
    code = f"from jsra.cli import main; raise SystemExit(main(['cost', '{CONFIG}']))"
    environment = {name: value for name, value in os.environ.items() if name != "cc_path"}  # Jittor sets it
    done = run(code, {**environment, "PATH": "/nowhere"})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("jsra cost: g++ is not on PATH (apt-get install g++), and Jittor") and "jsra doctor" in line


@pytest.mark.parametrize("what", ["Run cmd failed: g++ ...", "of another kind"])
def test_when_jittor_itself_does_not_compile(tmp_path, monkeypatch, what):
    """With CUDA 13's own nvcc in nvcc_path, for example."""
    (tmp_path / "broken.py").write_text(f"raise RuntimeError({what!r})")
    monkeypatch.setenv("nvcc_path", "/usr/bin/nvcc")
    ours = what.startswith("Run")
    words = "does not compile with this .*, nvcc_path=/usr/bin/nvcc; .* above, and `jsra doctor`" if ours else what
    with pytest.raises(ImportError if ours else RuntimeError, match=words):
        before_jittor._Loader("broken", str(tmp_path / "broken.py")).exec_module(types.ModuleType("broken"))


@pytest.mark.parametrize("name", ["cc_path", "nvcc_path", "mpicc_path"])
def test_a_variable_that_names_no_program(name, monkeypatch, tmp_path):
    monkeypatch.setenv(name, "/no/such/g++")
    with pytest.raises(ImportError, match=rf"^{name}=/no/such/g\+\+ .* names no program: correct it, or unset it$"):
        before_jittor._refuse_wrong_variables()
    if name == "mpicc_path":
        monkeypatch.setenv("use_mpi", "0")
        before_jittor._refuse_wrong_variables()
        monkeypatch.delenv("use_mpi")
    os.symlink(sys.executable, tmp_path / "x86_64-g++-12")
    monkeypatch.setenv(name, str(tmp_path / "x86_64-g++-12"))
    before_jittor._refuse_wrong_variables()


@pytest.mark.parametrize("path", ["", sys.executable])
def test_a_compiler_that_jittor_does_not_know(path, monkeypatch):
    """gcc or c++, for example: a TypeError in Jittor."""
    monkeypatch.setenv("cc_path", path)
    with pytest.raises(ImportError, match=f"^cc_path={path} is set in the environment, and Jittor knows a compiler by"):
        before_jittor._refuse_wrong_variables()


def test_a_gpu_is_wanted_where_none_is(monkeypatch):
    monkeypatch.setenv("use_cuda", "1")
    monkeypatch.setenv("nvcc_path", "")
    with pytest.raises(ImportError, match="^use_cuda=1 is set in the environment, and CUDA is off .*: unset it$"):
        before_jittor._refuse_wrong_variables()
    monkeypatch.setenv("use_cuda", "0")
    before_jittor._refuse_wrong_variables()


def test_a_compile_of_jittor_is_announced(tmp_path):
    """In an empty place, and where the place comes from; the compile itself is not run."""
    code = (
        "import jsra, sys; from jsra.runtime.before_jittor import _announce_compile; _announce_compile();"
        "print('jittor' in sys.modules)"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "JITTOR_HOME": str(tmp_path / "elsewhere")}
    done = run(code, environment)
    assert done.stdout == "False\n"
    assert f"Jittor compiles itself now, once, into {tmp_path}/elsewhere/.cache/jittor ($JITTOR_HOME)" in done.stderr
    # Jittor notes the place, and takes it in later processes that set none.
    note = tmp_path / ".cache" / "jittor" / "config.json"
    note.write_text(json.dumps({"JITTOR_HOME": str(tmp_path / "gone")}))
    del environment["JITTOR_HOME"]
    assert f"an earlier $JITTOR_HOME, noted by Jittor in {note}" in run(code, environment).stderr


def test_a_compiled_jittor_is_not_announced():
    assert run("import jsra, jittor").stderr == ""


@pytest.mark.parametrize("option", ["-v", "-d"])
def test_a_limit_of_memory_below_what_jittor_needs_is_refused(option):
    """At 800 MB a training waited without end for a thread of Python, at 500 MB and 1000 MB it ended with a crash."""
    # Jittor gives the process 512 MiB of stack, which each thread of a child process then takes from the limit: 8 MiB again.
    command = f"ulimit -s 8192; ulimit {option} 819200; {sys.executable} -m jsra cost {CONFIG}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line == f"jsra cost: Jittor needs 2048 MiB of memory, and `ulimit {option}` allows this process 800 MiB; raise it"
    done = subprocess.run(command.replace("819200", "2097152"), shell=True, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_jittor_does_not_end_the_process_without_a_word(tmp_path):
    """Jittor calls sys.exit(0) at its import when it has compiled jit_utils again, e.g. after the home folder was moved."""
    (tmp_path / "jittor").mkdir()
    (tmp_path / "jittor" / "__init__.py").write_text("import sys\nsys.exit(0)\n")
    done = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from jsra.cli import main;"
        f"raise SystemExit(main(['cost', '{CONFIG}']))"
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("jsra cost: Jittor has just compiled a part of its cache (") and "run the same command" in line


def test_the_random_numbers_of_the_user_continue():
    """Jittor seeds both generators by the time at its import."""
    code = (
        "import random, jsra, numpy as np\n"
        "def seed(): random.seed(1); np.random.seed(1)\n"
        "def draw(): return random.random(), float(np.random.rand())\n"
        "seed(); before = draw()\n"
        "seed(); import jittor\n"
        "print(draw() == before)"
    )
    done = run(code)
    assert done.stdout == "True\n", done.stderr


def test_jittor_is_imported_whatever_the_start_method_is(tmp_path):
    """A script that is not written for 'spawn': the compilers of Jittor do not execute it, each again and again."""
    script = tmp_path / "script.py"
    script.write_text("import multiprocessing as m\nm.set_start_method('spawn')\nimport jsra, jittor\nprint('imported')\n")
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert ran.stdout == "imported\n" and "already been set" not in ran.stderr


def test_a_forked_process_compiles():
    """Another operator than those of the process before: Jittor would wait for threads that a forked process lacks."""
    code = (
        "import jsra, jittor as jt, os, signal\n"
        "jt.ones(3).sum().sync()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(60)\n"
        "    os._exit(int((jt.ones(4) * 2).max().item()))\n"
        "print(os.waitpid(child, 0)[1])"
    )
    done = run(code)
    assert done.stdout == f"{2 << 8}\n", done.stderr


def test_signals_stay_with_python():
    """Ctrl-C, which goes to the whole group of processes, raises KeyboardInterrupt, so that commands close their files, and
    the process can end; a killed child ends nobody else."""
    code = (
        "import os\n"
        "os.setpgrp()\n"
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a program in the background ignores it
        "import jsra, jittor\n"
        "signal.alarm(60)\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "child.kill()\n"
        "print(child.wait())\n"
        "try:\n"
        "    os.killpg(0, signal.SIGINT)\n"
        "    time.sleep(1)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')"
    )
    done = run(code)
    assert done.stdout == "-9\ninterrupted\n" and done.stderr == ""


def test_sigquit_ends_the_process():
    """Ctrl-\\, for a process that does not react to Ctrl-C."""
    code = "import os, signal; signal.signal(signal.SIGQUIT, signal.SIG_DFL); import jsra, jittor; os.kill(os.getpid(), 3)"
    assert run(f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); {code}").returncode == -3


def test_a_place_for_semaphores(monkeypatch):
    def fails(*args):
        raise OSError(30, "Read-only file system")

    before_jittor._refuse_without_semaphores()
    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", fails)
    with pytest.raises(ImportError, match=r"no semaphore can be made \(Read-only file system\).*: /dev/shm must exist"):
        before_jittor._refuse_without_semaphores()


def test_a_path_with_a_space_is_refused_before_jittor_is_loaded():
    """Jittor does not quote these paths: its first operator would fail, after minutes of compiling."""
    with pytest.raises(ImportError, match="the path of Python has a space .*/my env/bin/python.*folder without spaces"):
        before_jittor._refuse_spaces("/a/my env/bin/python", "/a/jittor/__init__.py")
    with pytest.raises(ImportError, match="the path of Jittor has a space"):
        before_jittor._refuse_spaces("/usr/bin/python", "/a b/jittor/__init__.py")
    before_jittor._refuse_spaces("/usr/bin/python", None)


@pytest.mark.parametrize(
    "change, line",
    [
        ("sys.modules['numpy'] = None", "`pip install .` in the folder of jsra's source installs it in"),
        ("sys.version_info = (3, 7, 1)", "jsra needs Python 3.8 to 3.12, and this is"),
    ],
)
def test_what_is_missing_at_the_import(change, line):
    done = run(f"import sys; {change}; sys.argv[0] = 'jsra'; import jsra")
    assert done.returncode == 2 and line in done.stderr and len(done.stderr.splitlines()) == 1
    assert f"ImportError: {'jsra' if '3, 7' in change else ''}" in run(f"import sys; {change}; import jsra").stderr


def test_an_old_python_can_read_the_first_file():
    """It must be able to say that it is too old: no f-strings and nothing else that is newer than Python 2."""
    with open("jsra/__init__.py", encoding="utf8") as f:
        text = f.read()
    assert 'f"' not in text and "from None" not in text and "print(" not in text
