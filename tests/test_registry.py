import subprocess
import sys

import pytest

from jsra import registry
from jsra.config import load_config
from jsra.explain import explain
from jsra.registry import ConfigError, build, get, nearest, register, registered


@pytest.fixture
def entry():
    """A class registered for the test alone."""

    @register("sampler", "TestOnlyBox")
    class Box:
        def __init__(self, size, inner=None, label="x"):
            self.size, self.inner, self.label = size, inner, label

    yield Box
    del registry._entries["TestOnlyBox"]


def test_nested_configs_become_objects(entry):
    box = build(dict(type="TestOnlyBox", size=1, inner=[dict(type="TestOnlyBox", size=2), dict(plain=3)]))
    assert isinstance(box, entry) and box.size == 1
    assert box.inner[0].size == 2 and box.inner[1] == {"plain": 3}


def test_extra_arguments(entry):
    assert build(dict(type="TestOnlyBox"), size=4).size == 4


def test_config_is_not_changed(entry):
    config = dict(type="TestOnlyBox", size=1, inner=dict(type="TestOnlyBox", size=2))
    build(config)
    assert config == dict(type="TestOnlyBox", size=1, inner=dict(type="TestOnlyBox", size=2))


@pytest.mark.parametrize(
    "config, words",
    [
        (dict(type="TestOnlyBxo", size=1), r"model\.type: 'TestOnlyBxo' is not registered; did you mean 'TestOnlyBox'"),
        (dict(type="TESTONLYBOX", size=1), r"'TESTONLYBOX' is not registered; did you mean 'TestOnlyBox'"),
        (dict(type="TestOnlyBox", sizes=1), r"model\.sizes: .* takes no 'sizes'; did you mean 'size'"),
        (dict(type="TestOnlyBox"), r"model: .* needs 'size'"),
        (dict(type="TestOnlyBox", size=1, inner=[dict(type="TestOnlyBox", sze=2)]), r"model\.inner\[0\]\.sze"),
    ],
)
def test_errors_name_path_and_nearest_key(entry, config, words):
    with pytest.raises(ConfigError, match=words):
        build(config, "model")


def test_kinds(entry):
    assert "TestOnlyBox" in registered("sampler")
    assert "TestOnlyBox" not in registered("loss")
    assert get("TestOnlyBox") is entry
    with pytest.raises(ValueError, match="did you mean 'loss'"):
        register("los")
    with pytest.raises(ValueError, match="register needs a kind, such as @register.'detector'., got <class"):

        @register
        class WithoutKind:
            pass


def test_a_name_is_taken_once(entry):
    with pytest.raises(ValueError, match="already registered"):
        register("sampler", "TestOnlyBox")(type("Other", (), {}))
    assert register("sampler", "TestOnlyBox")(entry) is entry


def test_a_name_of_this_package_is_taken_from_the_beginning():
    """Also by a script that registers its part before anything else of the package is imported."""
    code = (
        "from jsra.registry import register\n"
        "try:\n    register('backbone')(type('ResNet', (), {}))\n"
        "except ValueError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "'ResNet' is already registered as jsra.backbones.resnet.ResNet: choose another name" in done.stdout, done.stderr


PART = """
from jsra.registry import register

@register("sampler")
class TestOnlyOwn:
    def __init__(self, number: int = {number}):
        self.number = number
"""


def test_a_part_of_a_helper_module_at_each_load(tmp_path):
    """A config executes its helpers at each load: in a notebook, or in a command that loads it twice."""
    helper, config = tmp_path / "own_part.py", tmp_path / "config.py"
    config.write_text("import own_part\nmodel = dict(type='TestOnlyOwn')")
    try:
        for number in (1, 1, 2):
            helper.write_text(PART.format(number=number))
            assert build(load_config(config)["model"], "model", "sampler").number == number
        assert "TestOnlyOwn" in explain(str(config))
        other = tmp_path / "other"
        other.mkdir()
        (other / "own_part.py").write_text(PART.format(number=3))
        (other / "config.py").write_text(config.read_text())
        with pytest.raises(ConfigError, match="'TestOnlyOwn' is already registered as own_part.TestOnlyOwn"):
            load_config(other / "config.py")
    finally:
        registry._entries.pop("TestOnlyOwn", None)


def test_what_a_run_gives_is_not_proposed():
    with pytest.raises(ConfigError, match="takes no 'paramwise_cfg'; known: betas, eps, grad_clip, lr, weight_decay$"):
        build(dict(type="AdamW", lr=0.1, paramwise_cfg={}), "optimizer", params=[])


def test_a_setting_of_another_part_of_its_kind():
    """Often left from a base config, whose part has another type."""
    with pytest.raises(ConfigError, match="AdamW takes no 'momentum'; known: .*; SGD takes it: if a base .* _cover_=True"):
        build(dict(type="AdamW", lr=0.1, momentum=0.9), "optimizer", params=[])


@pytest.mark.parametrize(
    "word, known, meant",
    [
        ("rpn_head", ("backbone", "neck", "rpn", "roi_head"), "rpn"),  # not the more similar roi_head
        ("optimizer_config", ("optimizer", "scheduler"), "optimizer"),
        ("loss_weights", ("loss", "loss_weight"), "loss_weight"),
        ("out_size", ("output_size", "aligned"), "output_size"),
    ],
)
def test_the_nearest_name(word, known, meant):
    assert nearest(word, known) == f"; did you mean {meant!r}?"
