"""An installation is complete: a wheel contains all kernels and configs, and can be imported without the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

in_a_checkout = pytest.mark.skipif(
    not os.path.isdir(os.path.join(ROOT, ".git")), reason="takes the files that git tracks: run in a checkout"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, so that no build folder is left in it."""
    out = str(tmp_path_factory.mktemp("source") / "jsra")
    subprocess.run(["git", "checkout-index", "-a", "--prefix", out + os.sep], cwd=ROOT, check=True)
    return out


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(out), source]
    subprocess.run(command, check=True)
    return str(next(out.glob("jsra-*.whl")))


def packed(source, how, folder):
    """Let setuptools write the file of `how` (build_sdist, build_editable) into a folder."""
    code = f"import sys; from setuptools import build_meta; build_meta.{how}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=source, check=True, capture_output=True)


def tracked(folder):
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return listed.split()


@in_a_checkout
def test_wheel_holds_every_kernel_and_config(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = [f"jsra/{path}" for folder in ("cuda_src", "jdet_configs") for path in tracked(folder)]
    assert len(expected) > 10
    missing = [path for path in expected if path not in names]
    assert not missing, f"not in the wheel: {missing}"


@in_a_checkout
def test_wheel_runs_alone(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import jsra, numpy as np, jittor as jt; from jsra.ops import roi_align; from jsra import resources;"
        "boxes = jt.array(np.array([[0, 0, 0, 4, 4]], 'float32'));"
        "print(float(roi_align(jt.ones((1, 1, 8, 8)), boxes, 1).numpy()), resources.folder('cuda_src'))"
    )
    environment = dict(os.environ, PYTHONPATH=str(tmp_path))
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    value, place = run.stdout.split()
    assert float(value) == 1.0
    assert place == str(tmp_path / "jsra" / "cuda_src")


@in_a_checkout
def test_editable_installation_is_found_from_the_folder_above(source, tmp_path):
    """A clone is named jsra, like the package: a script beside it must not import the clone's folder as an empty package."""
    packed(source, "build_editable", tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import importlib.util, site, sys; site.addsitedir(sys.argv[1]); print(importlib.util.find_spec('jsra').origin)"
    )
    command = [sys.executable, "-S", "-c", code, str(tmp_path / "site")]  # -S: without this environment's own installation
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    run = subprocess.run(command, cwd=os.path.dirname(source), env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == os.path.join(source, "jsra", "__init__.py"), run.stderr


@in_a_checkout
def test_a_source_distribution_has_what_the_wheel_is_built_from(source, tmp_path):
    packed(source, "build_sdist", tmp_path)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not {path for folder in ("cuda_src", "jdet_configs", "jsra") for path in tracked(folder)} - names
