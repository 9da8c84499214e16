"""The code conventions that can be checked automatically."""

import os
import re
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("jsra", "cuda_src", "tests", "tools", "jdet_configs")


def sources(*endings, folders=FOLDERS):
    for folder in folders:
        for place, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if name.endswith(endings):
                    yield os.path.join(place, name)


def test_ruff_is_clean():
    pytest.importorskip("ruff", reason="needs ruff: pip install 'jsra[test]'")
    run = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def test_files_are_short():
    long = {}
    for path in sources(".py", ".h", ".cuh", ".cu"):
        with open(path, encoding="utf8") as f:
            lines = sum(1 for _ in f)
        if lines > 400:
            long[os.path.relpath(path, ROOT)] = lines
    assert not long, f"over 400 lines, split by concept: {long}"


def test_nothing_that_python_3_8_lacks():
    newer = r"\.(removeprefix|removesuffix|bit_count|with_stem)\(|\bzip\([^\n]*strict=|functools\.cache\b|\w \| \{"
    users = {}
    for path in sources(".py", folders=("jsra", "tools")):
        with open(path, encoding="utf8") as f:
            found = [number for number, line in enumerate(f, start=1) if re.search(newer, line)]
        if found:
            users[os.path.relpath(path, ROOT)] = found
    assert not users


def test_the_names_of_tests_do_not_depend_on_the_time():
    """gzip stores the time: in a parameter of a test, two workers of pytest collect different names."""
    users = []
    for path in sources(".py", folders=("tests",)):
        with open(path, encoding="utf8") as f:
            users += [path for line in f if "gzip.compress" + "(" in line and "mtime=" not in line]
    assert not users


def test_only_the_gateway_calls_jt_code():
    callers = set()
    for path in sources(".py", folders=("jsra", "tools", "jdet_configs")):
        with open(path, encoding="utf8") as f:
            if re.search(r"\b(jt|jittor)\.code\(", f.read()):
                callers.add(os.path.relpath(path, ROOT))
    assert callers == {os.path.join("jsra", "ops", "kernel.py")}


def test_only_the_integration_imports_jdet():
    importers = set()
    for path in sources(".py"):
        with open(path, encoding="utf8") as f:
            if re.search(r"^\s*(import|from) jdet\b", f.read(), re.M):
                importers.add(os.path.relpath(path, ROOT))
    outside = [path for path in importers if not path.startswith(os.path.join("jsra", "integrations", "jdet", ""))]
    assert set(outside) <= {os.path.join("tests", "integrations", "jdet_check_inside.py")}


def test_operators_have_one_name_everywhere():
    """A kernel folder has a wrapper, a reference and a test of its name."""
    folders = [d for d in os.listdir(os.path.join(ROOT, "cuda_src")) if d != "common"]
    assert folders
    missing = [
        path
        for name in folders
        for path in (f"jsra/ops/{name}.py", f"jsra/ops/reference/{name}.py", f"tests/ops/test_{name}.py")
        if not os.path.isfile(os.path.join(ROOT, path))
    ]
    assert not missing, f"missing: {missing}"
