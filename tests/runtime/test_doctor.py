import subprocess
import sys

from jsra.runtime import cuda_parts, doctor, driver
from jsra.runtime.driver import Driver
from tests.runtime import fake_cuda


def rows(text):
    """{name: (state, text)} of the lines that have a state."""
    found = {}
    for line in text.splitlines():
        if line[:8].strip() in ("ok", "missing", "-"):
            name, _, rest = line[8:].strip().partition("  ")
            found[name] = (line[:8].strip(), rest.strip())
    return found


def test_the_report_of_this_machine():
    report = doctor.report()
    found = rows(report)
    for name in (
        "Python",
        "NumPy",
        "Jittor",
        "compiler",
        "Python.h",
        "oneDNN",
        "CUDA",
        "driver",
        "MPI",
        "JDet",
        "cache",
    ):
        assert name in found, f"{name} is not in the report:\n{report}"
    assert found["NumPy"][0] == "ok" and found["Jittor"][1].startswith("1.3.11")
    assert "/" in found["compiler"][1] and "MB" in found["cache"][1]
    assert report.splitlines()[-1] == "nothing is missing" or report.splitlines()[-1].startswith("missing: ")


def test_it_does_not_import_jittor():
    code = "import sys; from jsra.runtime.doctor import report; report(); print('jittor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_what_is_missing_for_a_gpu_has_its_pip_line(monkeypatch, tmp_path):
    nvidia = fake_cuda.wheels(tmp_path, cudnn_for="12")
    monkeypatch.setattr(driver, "query", lambda: Driver((13, 0), (90,), ""))
    monkeypatch.setattr(cuda_parts, "wheel_folders", lambda: [nvidia])
    monkeypatch.setattr(cuda_parts, "system_toolkits", lambda: [])
    monkeypatch.setattr(cuda_parts, "SYSTEM_LIB", ())
    report = doctor.report()
    found = rows(report)
    assert found["driver"] == ("ok", "CUDA up to 13.0, GPUs of compute capability 9.0")
    assert found["cublas"] == ("ok", f"13.1.0.3, {nvidia}/cu13/lib/libcublas.so.13")
    assert found["cudnn"] == ("missing", "not found")
    assert "-> pip install nvidia-cudnn-cu13==9.19.0.56" in report


def test_no_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("cc_path", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    report = doctor.report()
    assert rows(report)["compiler"][0] == "missing" and "apt-get install g++" in report
    assert rows(report)["MPI"][0] == "-" and "apt-get install openmpi-bin" in report


def test_a_numpy_that_is_too_new(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: {"numpy": "2.1.0"}.get(name, ""))
    report = doctor.report()
    assert rows(report)["NumPy"] == ("missing", "2.1.0") and "pip install 'numpy<2'" in report
    assert rows(report)["Jittor"] == ("missing", "not installed")


def test_an_nvcc_that_is_not_there(monkeypatch):
    monkeypatch.setenv("nvcc_path", "/no/such/nvcc")
    report = doctor.report()
    assert rows(report)["CUDA"][0] == "missing" and "-> nvcc_path names no file: correct it, or unset it" in report
