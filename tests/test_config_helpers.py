"""Helpers of a config, with an underscore, that are set again where they have no effect."""

import functools
import sys

import pytest

from jsra.config import load_config as load_checked
from jsra.registry import ConfigError

load_config = functools.partial(load_checked, known=None)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize("leaf", ["leaf.py", "leaf.yaml"])
def test_a_helper_of_a_base_that_is_set_again_in_vain(write, leaf, middle):
    write("base.py", "_size = 3\n_note = 'base'\na = dict(x=_size)")
    base = write("middle.py", "_base_ = 'base.py'") if middle else "base.py"
    lines = (f"_base_ = {base!r}\n", "_size = 5") if leaf.endswith("py") else (f"_base_: {base}\n", "_size: 5")
    with pytest.raises(ConfigError, match=f"{leaf}: _size has no effect: it is a helper of the base"):
        load_config(write(leaf, "".join(lines)))


@pytest.mark.parametrize("text", ["_size: int = 5", "_size, _more = 5, 6", "_size = _other = 5", "if True:\n    _size = 5"])
def test_every_form_of_an_assignment(write, text):
    write("base.py", "_size = 3\na = dict(x=_size)")
    with pytest.raises(ConfigError, match="_size has no effect"):
        load_config(write("leaf.py", f"_base_ = 'base.py'\n{text}"))


@pytest.mark.parametrize(
    "text, x",
    [
        ("_size = 5\na = dict(x=_size)", 5),  # read here
        ("_size = 3", 3),  # the same value
        ("_note = 'leaf'", 3),  # the base does not read it either
        ("_sizes = 5", 3),
        ("for _size in (4, 5): pass", 3),
        ("_size = 5\na = dict(x=eval('_size'))", 5),
        ("_cover_ = True\n_size = 5\na = dict(x=1)", 1),
        ("_size: int", 3),
        ("def _f():\n    _size = 5", 3),
        ("_more = {}\n_more['_size'] = 5", 3),
    ],
)
def test_helpers_that_a_file_may_set(write, text, x):
    write("base.py", "_size = 3\n_note = 'base'\na = dict(x=_size)")
    assert load_config(write("leaf.py", f"_base_ = 'base.py'\n{text}")).a.x == x


@pytest.mark.parametrize("name, start", [("a.py", "# coding: of-no-python\n"), ("a.py", "\ufeff"), ("a.yaml", "# \ufffd\n")])
def test_the_encoding_of_a_file_is_that_in_which_it_is_executed(tmp_path, name, start):
    text = start + ("seed = 3" if name.endswith("py") else "seed: 3")
    (tmp_path / name).write_bytes(text.encode("utf-8"))
    assert load_config(str(tmp_path / name)).seed == 3


@pytest.mark.parametrize(
    "text, words",
    [
        ("max_epoch = lambda: 3", r"max_epoch is a function, but also the name of a setting.*write max_epoch = max_epoch\("),
        ("class optimizer: pass", r"optimizer is a class, .*write optimizer = dict\("),
        ("from collections import OrderedDict as model", "model is a class"),
    ],
)
def test_code_with_the_name_of_a_setting_is_not_left_out(write, text, words):
    base = write("base.py", "max_epoch = 12\noptimizer = dict(type='SGD')\nmodel = dict(type='X')")
    with pytest.raises(ConfigError, match=f"leaf.py: {words}"):
        load_checked(write("leaf.py", f"_base_ = {base!r}\n{text}"))


def test_modules_and_functions_that_are_called_may_have_such_names(write):
    text = "import json as dataset\ndef max_epoch(n):\n    return 2 * n\nmax_epoch = max_epoch(4)\nmodel = dict(type='X')"
    found = load_checked(write("a.py", text))
    assert found["max_epoch"] == 8 and "dataset" not in found


@pytest.mark.parametrize("value", ["[(1, 2)]", "{a: (1, 2)}", "{a: [(1, 2), 3]}"])
def test_tuples_that_yaml_would_cut(tmp_path, value):
    path = tmp_path / "a.yaml"
    path.write_text(f"model: {value}")
    words = r"'\(1': within {...} and \[...\], write a tuple in brackets, as \[1, 2\]"
    with pytest.raises(ConfigError, match=words):
        load_config(path)
    path.write_text("model: {a: '(1, 2', b: [(x) y, (, )]}")
    assert load_config(path).model == {"a": "(1, 2", "b": ["(x) y", "(", ")"]}
    with pytest.raises(ConfigError, match=words):
        load_config(path, [f"model={value}"])


@pytest.mark.parametrize("text", ["model: {a: [\n (x,\n b]}", "model:\n- (x\n- b)", "model:\n  a: (x"])
def test_text_in_lines_of_its_own_may_begin_with_a_bracket(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    if "{" in text:
        with pytest.raises(ConfigError, match="write a tuple in brackets"):
            load_config(path)
    else:
        assert load_config(path).model in (["(x", "b)"], {"a": "(x"})


def test_a_dataclass_in_a_config(write):
    """dataclasses look for the module of a class: AttributeError: 'NoneType' object has no attribute '__dict__'."""
    before = set(sys.modules)
    text = "import dataclasses\n@dataclasses.dataclass\nclass Size:\n    side: int = 3\na = dict(x=Size().side)\n"
    assert load_config(write("sized.py", text))["a"]["x"] == 3
    assert "sized" not in set(sys.modules) - before
