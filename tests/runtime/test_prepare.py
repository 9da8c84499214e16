"""The preparation for Jittor in separate processes, as a user sees it."""

import glob
import os
import subprocess
import sys

import pytest

from jsra.runtime import home, prepare

# Any attempt to reach the network fails at once.
OFFLINE = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"), "http://127.0.0.1:9")
SET_BY_JSRA = ("log_silent", "OMP_WAIT_POLICY", "FIX_TORCH_ERROR", "cache_name", "nvcc_path", "use_mkl", "python_config_path")


def run(code, **environment):
    """Run Python code in a fresh process with an environment that jsra has not touched."""
    env = {k: v for k, v in os.environ.items() if k not in SET_BY_JSRA}
    env.update(OFFLINE, **environment)
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=600)


def test_jittor_imports_offline_and_quietly():
    compiled = glob.glob(
        os.path.join(home.place()[0], ".cache", "jittor", "jt*", "**", "jittor_core*.so"), recursive=True
    )
    if not compiled:
        pytest.skip("Jittor is not compiled yet: its first import prints that it compiles")
    code = "import jsra, jittor as jt; print(float((jt.ones(3) * 2).sum().numpy()[0]))"
    run(code)  # Jittor prints that it compiles the operators
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "6.0"
    assert "ownload" not in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr


def test_an_nvcc_on_path_without_a_gpu_is_no_surprise(tmp_path):
    nvcc = tmp_path / "nvcc"
    nvcc.write_text("#!/bin/sh\nexit 1\n")
    nvcc.chmod(0o755)
    code = "import os, jsra; print(repr(os.environ['nvcc_path']), jsra.runtime.prepare()['cuda'])"
    done = run(code, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", CUDA_VISIBLE_DEVICES="")
    assert done.stdout.startswith("'' off: "), done.stdout + done.stderr


def test_the_environment_is_respected(tmp_path):
    code = "import os, jsra; print(*[os.environ[n] for n in ('log_silent', 'OMP_WAIT_POLICY', 'nvcc_path')])"
    done = run(code, log_silent="0", OMP_WAIT_POLICY="active", nvcc_path="/mine/nvcc")
    assert done.stdout.split() == ["0", "active", "/mine/nvcc"], done.stderr


def test_a_process_without_a_path_finds_the_compiler(tmp_path):
    """`env -i`, or a service: without PATH, Jittor's compiler does not find its assembler."""
    code = "import jsra, os, shutil; print(os.environ['PATH']); print(shutil.which('g++') is not None)"
    for path in ({}, {"PATH": ""}):
        env = {"HOME": os.environ.get("HOME", str(tmp_path)), "PYTHONPATH": os.pathsep.join(sys.path), **path}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=600)
        assert done.stdout.split() == ["/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "True"], done.stderr


def test_an_empty_home_gets_onednn(tmp_path):
    done = run("import jsra; print(jsra.runtime.prepare()['onednn'])", HOME=str(tmp_path), JITTOR_HOME=str(tmp_path))
    if done.stdout.startswith("missing"):
        pytest.skip("the oneDNN wheels are not installed")
    assert "2.2 from the wheels" in done.stdout, done.stderr
    assert (tmp_path / ".cache/jittor/mkl/dnnl_lnx_2.2.0_cpu_gomp/lib/libmkldnn.so").exists()


def test_a_home_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("import jsra", HOME=str(tmp_path / "file"), JITTOR_HOME=str(tmp_path / "file"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr.splitlines()[-1] and "Set JITTOR_HOME" in done.stderr.splitlines()[-1]


def test_a_command_ends_with_a_line_where_its_home_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    env = {**os.environ, "HOME": str(tmp_path / "file"), "JITTOR_HOME": str(tmp_path / "file")}
    done = subprocess.run([sys.executable, "-m", "jsra", "doctor"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith("jsra: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_failed_preparation_is_not_taken_for_done(tmp_path):
    code = """
try:
    import jsra
except OSError:
    pass
import jsra
"""
    (tmp_path / "file").write_text("")
    done = run(code, HOME=str(tmp_path / "file"), JITTOR_HOME=str(tmp_path / "file"))
    assert done.returncode == 1 and "cannot be written" in done.stderr


def test_a_second_preparation_changes_nothing():
    before = dict(os.environ)
    first = dict(prepare())
    assert prepare() == first and dict(os.environ) == before


def test_jittor_imported_before_jsra():
    code = """
import os, sys, types
sys.modules["jittor"] = types.ModuleType("jittor")
before = dict(os.environ)
import jsra
assert dict(os.environ) == before
print(jsra.runtime.prepare()["skipped"])
"""
    done = run(code)
    assert done.stdout.startswith("jittor was imported before jsra"), done.stderr


def test_the_limits_of_floating_point_are_not_warned_of():
    code = """
import warnings
import jsra
import jittor as jt
import numpy as np
from jsra.ops import roi_align
roi_align(jt.ones((1, 1, 4, 4)), jt.array([[0.0, 0, 0, 4, 4]]), 2).sync()
warnings.simplefilter("error", UserWarning)
print([np.finfo(kind).eps > 0 for kind in (np.float32, np.float64)])
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[True, True]\n"


def test_a_forked_process_computes_after_its_parent():
    """OpenMP's threads do not exist in it: with more than one, it would wait for them without end."""
    code = """
import os, signal, jsra, jittor as jt, numpy as np
from jsra.ops import roi_align
maps, rois = jt.array(np.random.rand(1, 64, 64, 64).astype("float32")), jt.array([[0.0, 1.0, 1.0, 60.0, 60.0]] * 64)
expected = roi_align(maps, rois, 7).numpy()
child = os.fork()
if child == 0:
    signal.alarm(120)
    os._exit(0 if (roi_align(maps, rois, 7).numpy() == expected).all() else 3)
print(os.waitpid(child, 0)[1])
"""
    done = run(code, OMP_NUM_THREADS="2")
    assert done.stdout.split() == ["0"], done.stderr
