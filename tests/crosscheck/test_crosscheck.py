"""`jsra crosscheck`: differences are found and named at the right step; if a comparison is impossible, one line says so.

PyTorch is not needed: interpreters are replaced by stand-ins that return stored answers of the ports (tests/ports/vectors).
If JSRA_TORCH names a Python with PyTorch, the same tests also run with it.
"""

import json
import os
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from jsra.cli import main
from jsra.crosscheck import worker
from jsra.crosscheck.case import layer_settings
from jsra.crosscheck.compare import compare, first_difference, verdict
from jsra.crosscheck.run import WORKER, answer_here, answer_there, make_case
from jsra.registry import ConfigError
from tests.ports import cases, planted
from tests.ports.make_vectors import small_case, stored
from tests.ports.test_ports import live


@pytest.fixture(scope="module")
def here():
    """The case of the planted differences, and what jsra answers."""
    case = small_case(planted.settings(), f"{planted.__file__}:Gamma40")
    return case, answer_here(case)


@pytest.mark.parametrize("name, place", planted.PLANTED.items())
def test_planted_difference_is_found_at_its_place(here, name, place):
    rows = compare(here[1], stored(name))
    assert first_difference(rows).name == place, verdict(rows)
    assert verdict(rows).startswith(f"different: first at {place}, by ")


@pytest.mark.parametrize("name, place", planted.PLANTED.items())
def test_planted_difference_under_pytorch(here, name, place):
    case = here[0]._replace(request={**here[0].request, "module": f"{planted.__file__}:{name}"})
    assert first_difference(compare(here[1], answer_there(case, live()))).name == place


@pytest.mark.parametrize("relative, double, hint", [(3e-5, False, True), (3e-5, True, False), (1e-3, False, False)])
def test_a_small_difference_in_float32_may_be_rounding(here, relative, double, hint):
    theirs = {name: array.copy() for name, array in here[1].items()}
    theirs["output"].flat[0] += relative * abs(theirs["output"]).max()
    said = verdict(compare(here[1], theirs), double)
    assert said.startswith("different: first at output, by ") and ("this may be rounding" in said) == hint


def test_rows_in_order_and_the_worst_of_each(here):
    theirs = {name: array.copy() for name, array in here[1].items()}
    assert verdict(compare(here[1], theirs)) == "equal: forward within 1e-05, gradients within 0.0001"
    theirs["gradient/fc1.weight"][0, 0] += 10
    rows = compare(here[1], theirs)
    wrong = first_difference(rows)
    assert (wrong.name, wrong.difference) == ("gradient of fc1.weight", pytest.approx(10, rel=1e-4))
    names = [row.name for row in rows]
    for order in (
        ("grids", "masks", "output", "evaluation"),
        ("gradient of fc2.weight", "gradient of fc1.weight", "gradient of features/0"),
    ):
        assert sorted(order, key=names.index) == list(order)
    theirs["output"][0, 0, 0] = np.nan
    assert first_difference(compare(here[1], theirs)).name == "output"


def test_other_layouts_are_not_compared(here):
    theirs = {**here[1], "intermediate/norm1": here[1]["intermediate/norm1"].T}
    del theirs["intermediate/masks"]
    notes = {row.name: row.note for row in compare(here[1], theirs) if row.note}
    assert notes["masks"] == "not there" and notes["norm1"].endswith("not compared") and len(notes) == 2


def interpreter(folder, answer=None, error=None, text="", code=0):
    """A stand-in for a Python with PyTorch: it leaves an answer, or the error.json of the worker."""
    lines = ["#!/bin/sh"]
    if answer is not None:
        save_file({n: np.ascontiguousarray(a) for n, a in answer.items()}, folder / "answer")
        lines.append(f'cp {folder / "answer"} "$2/answer.safetensors"')
    if error is not None:
        (folder / "error").write_text(json.dumps(error))
        lines.append(f'cp {folder / "error"} "$2/error.json"')
    lines += [f"echo '{text}' >&2", f"exit {code}"]
    path = folder / "python"
    path.write_text("\n".join(lines))
    path.chmod(0o755)
    return str(path)


def crosscheck(python, *options, module=f"{planted.__file__}:Gamma40"):
    small = [f"--set={key}={value}" for key, value in planted.settings().items() if key != "type"]
    return main(["crosscheck", "SemanticRoIAlign", "--torch", python, "--module", module, *small, "--boxes", "12",
                 "--size", "10", "14", "--degenerate", *options])  # fmt: skip


def test_command_says_where_they_part(tmp_path, here, capsys):
    assert crosscheck(interpreter(tmp_path, stored("Gamma40"))) == 1
    out = capsys.readouterr().out
    assert "different: first at masks, by " in out and "the steps before it agree: fc1, norm2, fc2" in out
    assert crosscheck(interpreter(tmp_path, here[1])) == 0
    assert "equal: forward within 1e-05, gradients within 0.0001" in capsys.readouterr().out


def test_command_shows_losses_side_by_side(tmp_path, here, capsys):
    answer = {**here[1], "losses": np.float32([1.5, 1.25])}
    assert crosscheck(interpreter(tmp_path, answer), "--steps", "2") == 1
    out = capsys.readouterr().out
    assert "first at losses" in out and "loss there" in out and "1.250000" in out


def test_renamed_steps_and_weights(here, tmp_path):
    renamed = [("fc2", "to_masks"), ("masks", "attention")]
    case = make_case(planted.settings(), "x.py:X", 12, (10, 14), renamed=renamed)
    assert case.request["weights"]["fc2.bias"] == "to_masks.bias" and case.request["weights"]["fc1.bias"] == "fc1.bias"
    theirs = dict(here[1])
    theirs["intermediate/attention"] = theirs.pop("intermediate/masks")
    found = answer_there(case, interpreter(tmp_path, theirs), renamed)
    assert not [row for row in compare(here[1], found) if row.note]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--map", "fc2"], "--map fc2: write each as OURS=THEIRS"),
        (["--set", "gama=3"], "takes no 'gama'; did you mean 'gamma'?"),
        (["--weights", "nowhere.npz"], "nowhere.npz: there is no such weights file"),
    ],
)
def test_wrong_options_in_one_line(options, message, capsys):
    assert crosscheck("python", *options) == 2
    err = capsys.readouterr().err.strip()
    assert message in err and "\n" not in err


def test_interpreters_that_do_not_work_in_one_line(tmp_path, capsys):
    assert crosscheck(str(tmp_path / "none")) == 2
    assert "none: cannot be run (No such file or directory)" in capsys.readouterr().err
    assert crosscheck(interpreter(tmp_path, error="this Python has no PyTorch")) == 2
    assert "planted.py:Gamma40 in " in (err := capsys.readouterr().err) and "this Python has no PyTorch" in err
    assert crosscheck(interpreter(tmp_path, text="Killed", code=137)) == 2
    assert "ended with code 137" in (err := capsys.readouterr().err) and err.strip().endswith(": Killed")
    assert crosscheck("python", module="port.py") == 2
    assert "--module port.py: write it as FILE.py:NAME" in capsys.readouterr().err


def test_an_interpreter_without_torch(tmp_path, here):
    """The worker itself, run by a Python in which `import torch` fails."""
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(ConfigError, match=r"this Python has no PyTorch \(No module named torch\)"):
        answer_there(here[0], str(python))


def test_worker_names_what_is_wrong_with_a_file(tmp_path):
    port = tmp_path / "port.py"
    with pytest.raises(worker.Wrong, match="there is no file"):
        worker.load_module(f"{port}:Layer", {})
    port.write_text("import nothing_of_this_name")
    with pytest.raises(worker.Wrong, match=r"cannot be imported raises ModuleNotFoundError: .*\(port.py, line 1\)"):
        worker.load_module(f"{port}:Layer", {})
    port.write_text("class Layer:\n    def __init__(self, gamma):\n        raise ValueError('two\\nlines')\n")
    with pytest.raises(worker.Wrong, match="does not define Lawyer"):
        worker.load_module(f"{port}:Lawyer", {})
    with pytest.raises(worker.Wrong, match=r"Layer\(gamma=3\) raises ValueError: two lines \(port.py, line 3\)"):
        worker.load_module(f"{port}:Layer", {"gamma": 3})


def test_worker_names_weights_that_do_not_fit():
    class Module:
        def state_dict(self):
            return {"a.weight": np.zeros((4, 3, 1, 1)), "other": np.zeros(2)}

        def load_state_dict(self, state, strict):
            self.loaded = state

    with pytest.raises(worker.Wrong, match=r"it lacks b.bias \(here c.bias\); jsra's layer has no other"):
        worker.set_weights(Module(), {}, {"a.weight": "a.weight", "c.bias": "b.bias"})
    module = Module()
    given = {"weight/a.weight": np.arange(12.0).reshape(4, 3), "weight/o": np.ones(2)}
    worker.set_weights(module, given, {"a.weight": "a.weight", "o": "other"})
    assert module.loaded["a.weight"].shape == (4, 3, 1, 1)
    with pytest.raises(worker.Wrong, match=r"o has the shape \[3\] here and \[2\] there"):
        worker.set_weights(Module(), {**given, "weight/o": np.ones(3)}, {"a.weight": "a.weight", "o": "other"})


BROKEN = """
import sys
sys.path.insert(0, {folder!r})
from semantic_roi_align import SemanticRoIAlign

class Raises(SemanticRoIAlign):
    def forward(self, features, rois, spatial_scale):
        raise RuntimeError("out of luck")

class Fewer(SemanticRoIAlign):
    def forward(self, features, rois, spatial_scale):
        return super().forward(features, rois, spatial_scale)[:-1]

class Lacks(SemanticRoIAlign):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.fc1.bias = None

class Wider(SemanticRoIAlign):
    def __init__(self, hidden_channels, **settings):
        super().__init__(hidden_channels=12, **settings)

def nothing(**settings):
    return 3
"""


@pytest.mark.parametrize(
    "name, message",
    [
        ("Raises", r"raises RuntimeError: out of luck \(broken.py, line 8\)$"),
        ("Fewer", r"the output has the shape \[21, 5, 4\] here and \[20, 5, 4\] there$"),
        ("Lacks", r"the module has different weights: it lacks fc1.bias"),
        ("Wider", r"fc1.weight has the shape \[10, 13\] here and \[12, 13\] there$"),
        ("nothing", r"makes int, not a torch.nn.Module$"),
    ],
)
def test_modules_that_do_not_work_under_pytorch(here, tmp_path, name, message):
    python = live()
    (tmp_path / "broken.py").write_text(BROKEN.format(folder=os.path.abspath(cases.PORTS)))
    case = here[0]._replace(request={**here[0].request, "module": f"{tmp_path / 'broken.py'}:{name}"})
    with pytest.raises(ConfigError, match=message) as caught:
        answer_there(case, python)
    assert "\n" not in str(caught.value)


def test_settings_of_a_config_and_of_a_layer(tmp_path):
    assert layer_settings("SemanticRoIAlign", ["gamma=3"]) == {"type": "SemanticRoIAlign", "gamma": 3}
    with pytest.raises(ConfigError, match="'SemanticRoiAlign' is not registered; did you mean 'SemanticRoIAlign'"):
        layer_settings("SemanticRoiAlign")
    config = tmp_path / "config.py"
    config.write_text("model = dict(type='X', head=[dict(roi_layer=dict(type='RoIPool', output_size=3))])")
    assert layer_settings(str(config)) == {"type": "RoIPool", "output_size": 3}
    config.write_text("model = dict(type='X')")
    with pytest.raises(ConfigError, match="this config has no roi_layer"):
        layer_settings(str(config))


def test_worker_stands_alone():
    with open(WORKER, encoding="utf8") as file:
        source = file.read()
    assert "import jsra" not in source and "from jsra" not in source and "numpy" not in source.split('"""', 2)[2]
