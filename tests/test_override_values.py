"""Values of --set of which a part would be lost, and keys that cannot be added."""

import re

import pytest

from jsra.config import load_config
from jsra.registry import ConfigError


def override(tmp_path, text):
    path = tmp_path / "c.py"
    path.write_text("seed = 1\nmodel = dict(x=1)\nmax_epoch = 3")
    return load_config(path, [text])


@pytest.mark.parametrize(
    "value, cut",
    [("#1", "#1"), ("[1] # 2", "# 2"), ("[1]# 2", "# 2"), ('"a" # b c', "# b c"), (".nan #", "#"), ("'a'#b", "#b")],
)
def test_a_value_is_not_cut_at_a_comment(tmp_path, value, cut):
    with pytest.raises(ConfigError, match=f"'{cut}' would be a comment: put the whole value in quotes"):
        override(tmp_path, f"work_dir={value}")


@pytest.mark.parametrize("value, left", [("runs/a #1", "runs/a"), ("a  # b c", "a"), ("&a b", "b"), ("--- a", "a")])
def test_text_is_read_to_its_end(tmp_path, value, left):
    with pytest.raises(ConfigError, match=f"YAML reads only '{left}' of the value: put the whole value in quotes"):
        override(tmp_path, f"work_dir={value}")
    assert override(tmp_path, f'work_dir="{value}"')["work_dir"] == value


@pytest.mark.parametrize("value", ["&a", "--- &a"])
def test_text_of_which_nothing_is_left(tmp_path, value):
    with pytest.raises(ConfigError, match="YAML reads only None of the value: put the whole value in quotes"):
        override(tmp_path, f"work_dir={value}")


@pytest.mark.parametrize(
    "value",
    ["runs/a#1", "null#", "a\xa0", "a, b", "a&b", "C:\\\\a", '"runs/a #1"', "'a # b # c'", "'#'", '"a \\" # b"'],
)
def test_text_with_the_sign_of_a_comment(tmp_path, value):
    text = value.strip("'\"").replace('\\"', '"')
    assert override(tmp_path, f"work_dir={value}")["work_dir"] == text


@pytest.mark.parametrize("text", ["max_epoch=", "+ema=  ", "model.x="])
def test_an_empty_value_is_not_none(tmp_path, text):
    with pytest.raises(ConfigError, match="the value is empty .*None is written null"):
        override(tmp_path, text)


def test_none_and_empty_text_can_be_written(tmp_path):
    assert override(tmp_path, "max_epoch=null")["max_epoch"] is None
    assert override(tmp_path, 'model.x=""')["model"]["x"] == ""


@pytest.mark.parametrize("more", ["", "+"])
@pytest.mark.parametrize(
    "text, hint", [("batch=16", "known: amp"), ("MODEL.X=3", "did you mean 'model'"), ("resume=x", "--resume")]
)
def test_what_cannot_be_added_is_not_proposed(tmp_path, text, hint, more):
    with pytest.raises(ConfigError, match=f"there is no setting '{re.split('[.=]', text)[0]}'; .*{hint}") as caught:
        override(tmp_path, more + text)
    assert "to add" not in str(caught.value)
    for other in ("ema=True", "model.y=2"):
        with pytest.raises(ConfigError, match=rf"to add a new key, write \+{other.split('=')[0]}="):
            override(tmp_path, other)


@pytest.mark.parametrize("key", ["checkpoint_keep", "dataset.train.filter_empty_gt"])
def test_a_setting_that_the_file_leaves_out_is_named_as_such(tmp_path, key):
    """And not as a typing error for another one."""
    path, last = tmp_path / "c.py", key.split(".")[-1]
    path.write_text("checkpoint_interval = 1\ndataset = dict(train=dict(type='COCODataset', filter_min_size=8))")
    with pytest.raises(ConfigError, match=f"has no '{last}', so it has its default; to add a new key, write [+]{key}="):
        load_config(path, [f"{key}=0"])
    with pytest.raises(ConfigError, match=f"(has no|no setting) '{last}s'; did you mean"):
        load_config(path, [f"{key}s=0"])


def test_what_is_no_path_is_named():
    with pytest.raises(ConfigError, match="expected the path of a config file, or a Config from load_config, got a dict"):
        load_config({"model": 1})


def test_a_config_is_not_loaded_twice(tmp_path):
    with pytest.raises(ConfigError, match="load_config: .*got a Config, which is loaded already"):
        load_config(override(tmp_path, "seed=2"))
