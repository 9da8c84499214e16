import shlex
import subprocess

import pytest

from jsra.engine import provenance
from jsra.engine.provenance import command


@pytest.mark.parametrize(
    "program, typed", [("/some/where/bin/jsra", "jsra"), ("/some/where/jsra/__main__.py", "python -m jsra")]
)
def test_the_command_can_be_typed_again(monkeypatch, program, typed):
    monkeypatch.setattr("sys.argv", [program, "table", "1", "--rows", "RoI Align", "SRA"])
    assert command() == f"{typed} table 1 --rows 'RoI Align' SRA"
    assert shlex.split(command())[-2:] == ["RoI Align", "SRA"]


def test_the_commit_of_a_checkout_around_the_environment_is_not_ours(tmp_path, monkeypatch):
    def git(*words):
        about = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(["git", "-C", str(tmp_path), *about, *words], check=True, capture_output=True, text=True).stdout

    folder = tmp_path / "env" / "jsra" / "engine"
    folder.mkdir(parents=True)
    (folder / "provenance.py").write_text("")
    (tmp_path / ".gitignore").write_text("env\n")
    git("init", "-q")
    git("add", ".gitignore")
    git("commit", "-qm", "one")
    monkeypatch.setattr(provenance, "__file__", str(folder / "provenance.py"))
    assert provenance.commit.__wrapped__() == "unknown"
    git("add", "-f", "env")
    assert provenance.commit.__wrapped__() == git("rev-parse", "HEAD").strip() + "+changes"
