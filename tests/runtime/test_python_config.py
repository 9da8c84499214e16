import os
import subprocess
import sys
import sysconfig

import pytest

from jsra.runtime import python_config


@pytest.fixture
def without_script(monkeypatch):
    monkeypatch.setenv("python_config_path", "x")
    monkeypatch.delenv("python_config_path")
    monkeypatch.setattr(python_config, "found", lambda: "")


def test_the_script_answers_what_jittor_asks(without_script, tmp_path):
    if not python_config.headers():
        pytest.skip("Python.h is not installed")
    assert python_config.provide(str(tmp_path)).startswith("generated")
    script = os.environ["python_config_path"]

    def answer(question):
        return subprocess.run([script, question], check=True, capture_output=True, text=True).stdout.strip()

    assert os.path.isfile(os.path.join(answer("--includes")[len("-I") :], "Python.h"))
    assert answer("--extension-suffix") == sysconfig.get_config_var("EXT_SUFFIX")


def test_an_existing_script_is_left_to_jittor(monkeypatch, tmp_path):
    script = tmp_path / f"python3.{sys.version_info.minor}-config"
    script.write_text("")
    monkeypatch.setenv("python_config_path", str(script))
    assert python_config.provide(str(tmp_path / "cache")) == str(script)
    assert not (tmp_path / "cache").exists()


def test_missing_headers_are_named(without_script, monkeypatch, tmp_path):
    monkeypatch.setattr(python_config, "headers", lambda: "")
    assert "apt-get install python3" in python_config.provide(str(tmp_path))
    assert "python_config_path" not in os.environ
