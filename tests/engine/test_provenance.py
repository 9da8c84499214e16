import shlex

import pytest

from jsra.engine.provenance import command


@pytest.mark.parametrize(
    "program, typed", [("/some/where/bin/jsra", "jsra"), ("/some/where/jsra/__main__.py", "python -m jsra")]
)
def test_the_command_can_be_typed_again(monkeypatch, program, typed):
    monkeypatch.setattr("sys.argv", [program, "table", "1", "--rows", "RoI Align", "SRA"])
    assert command() == f"{typed} table 1 --rows 'RoI Align' SRA"
    assert shlex.split(command())[-2:] == ["RoI Align", "SRA"]
