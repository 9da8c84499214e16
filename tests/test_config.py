import argparse
import copy
import functools
import os
import pickle

import pytest

from jsra.config import KEYS, Config
from jsra.config import load_config as load_checked
from jsra.registry import ConfigError

load_config = functools.partial(load_checked, known=None)  # the language; which keys there are is tested below


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def test_python_file(write):
    path = write(
        "a.py", "import os\ndef f(): pass\nclass C: pass\n_x = 3\n__y = 4\nn = 2 * 3\nmodel = dict(a=[1, dict(b=2)])\n"
    )
    config = load_config(path)
    assert config == {"_x": 3, "n": 6, "model": {"a": [1, {"b": 2}]}, "name": "a", "work_dir": "work_dirs/a"}
    assert config.model.a[1].b == 2


def test_yaml_file_and_defaults(write):
    path = write("b.yaml", "name: hello\nlr: 0.1\n")
    assert load_config(path) == {"name": "hello", "lr": 0.1, "work_dir": "work_dirs/hello"}
    assert load_config(write("c.yml", "work_dir: w\n")).work_dir == "w"
    assert load_config(write("d.yaml", "")) == {"name": "d", "work_dir": "work_dirs/d"}


def test_python_runs_afresh(write):
    path = write("a.py", "a = 1")
    assert load_config(path).a == 1
    write("a.py", "a = 2")
    assert load_config(path).a == 2


def test_helper_module_beside_the_config(write):
    for value in (1, 2):
        write("helper_of_config.py", f"value = {value}")
        assert load_config(write("a.py", "from helper_of_config import value")).value == value


def test_bases_merge_in_order(write):
    write("one.py", "a = dict(x=1, y=dict(p=1, q=2)); b = [1, 2]; c = 1")
    write("sub/two.yaml", "a: {y: {q: 3}}\nc: 2\n")
    path = write("leaf.py", "_base_ = ['one.py', 'sub/two.yaml']\na = dict(y=dict(r=4))\nb = [3]")
    config = load_config(path)
    assert config.a == {"x": 1, "y": {"p": 1, "q": 3, "r": 4}}
    assert config.b == [3] and config.c == 2
    assert "_base_" not in config


def test_base_paths_are_relative_to_their_file(write):
    write("sub/root.py", "a = 1")
    write("sub/middle.py", "_base_ = 'root.py'")
    assert load_config(write("leaf.py", "_base_ = 'sub/middle.py'")).a == 1


def test_cover_replaces(write):
    write("base.py", "a = dict(x=1, y=dict(p=1)); b = dict(z=1)")
    config = load_config(
        write("leaf.py", "_base_ = 'base.py'\na = dict(_cover_=True, y=dict(_cover_=True, q=2))\nb = dict(w=1)")
    )
    assert config.a == {"y": {"q": 2}}
    assert config.b == {"z": 1, "w": 1}


def test_the_key_of_mmcv_that_replaces(write):
    write("base.py", "a = dict(x=1)")
    with pytest.raises(ConfigError, match="leaf.py: a._delete_ is of another library; here _cover_=True replaces"):
        load_config(write("leaf.py", "_base_ = 'base.py'\na = dict(_delete_=True, y=2)"))


def test_cover_at_the_top_and_of_any_value(write):
    write("base.py", "a = dict(x=1); b = 1")
    # As in JDet, it is the presence of the key that replaces.
    assert "b" not in load_config(write("top.py", "_base_ = 'base.py'\n_cover_ = True\na = dict(y=1)"))
    assert load_config(write("leaf.py", "_base_ = 'base.py'\na = dict(_cover_=False, y=1)")).a == {"y": 1}


def test_merging_leaves_the_base_alone(write):
    write("base.py", "shared = dict(x=1)\na = shared\nb = shared")
    config = load_config(write("leaf.py", "_base_ = 'base.py'\na = dict(x=2)"))
    assert config.a == {"x": 2}
    assert config.b == {"x": 1}


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("a.py", "a = 1\nb = c\n", r"a\.py, line 2: NameError"),
        ("a.py", "a = (1\n", r"a\.py, line 1: SyntaxError"),
        ("a.yaml", "a: [1\n", "not valid YAML"),
        ("a.yaml", "- 1\n", "a config is a dictionary, this is a list"),
        ("a.json", "{}", "must end in .py, .yaml or .yml"),
        ("a.py", "", r"a\.py: the file is empty"),
        ("a.py", "_base_ = 3", "must be a file name or a list"),
        ("a.py", "_base_ = 'a.py'", "refers to itself"),
        ("a.py", "_base_ = 'nowhere.py'", r"nowhere\.py: there is no such config file \(a _base_ of .*a\.py\)"),
    ],
)
def test_errors_name_the_file(write, name, text, words):
    with pytest.raises(ConfigError, match=words):
        load_config(write(name, text))


def test_absent_file_suggests_the_nearest(write, tmp_path):
    write("faster_rcnn.py", "")
    with pytest.raises(ConfigError, match="did you mean 'faster_rcnn.py'"):
        load_config(str(tmp_path / "fster_rcnn.py"))


BASE = "model = dict(head=dict(lr=1, t=(1, 2)), items=[dict(size=3), 4])\nseed = 0\nnames = {1: 'a'}"


@pytest.mark.parametrize(
    "text, read, value",
    [
        ("seed=5", lambda c: c.seed, 5),
        ("model.head.lr=1e-4", lambda c: c.model.head.lr, 1e-4),
        ("model.head.lr=2.5E3", lambda c: c.model.head.lr, 2500.0),
        ("model.head.lr=None", lambda c: c.model.head.lr, None),
        ("model.head.lr=null", lambda c: c.model.head.lr, None),
        ("model.head.lr=true", lambda c: c.model.head.lr, True),
        ("model.head.lr=abc", lambda c: c.model.head.lr, "abc"),
        ("model.head.lr=a=b", lambda c: c.model.head.lr, "a=b"),
        ("model.head.lr='5'", lambda c: c.model.head.lr, "5"),
        ("model.head={type: X, a: [1, 2]}", lambda c: c.model.head.a, [1, 2]),
        ("model.head={_cover_: true, a: {_cover_: 1, b: 2}}", lambda c: c.model.head.to_dict(), {"a": {"b": 2}}),
        ("model.items.0.size=9", lambda c: c.model["items"][0].size, 9),
        ("model.items.-1=7", lambda c: c.model["items"][1], 7),
        ("model.head.t.1=7", lambda c: c.model.head.t, (1, 7)),
        ("names.1=b", lambda c: c.names[1], "b"),
        ("+model.head.new=1", lambda c: c.model.head.new, 1),
        ("+extra=[1]", lambda c: c.extra, [1]),
    ],
)
def test_overrides(write, text, read, value):
    got = read(load_config(write("a.py", BASE), [text]))
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("model.haed.lr=1", r"a\.py: override 'model.haed.lr=1': model has no 'haed'; did you mean 'head'"),
        ("sed=1", r"the config has no 'sed'; did you mean 'seed'.*\+sed="),
        ("model.items.2.size=1", "model.items is a list of 2 items; '2' is not an index"),
        ("model.items.size=1", "'size' is not an index"),
        ("seed.x=1", "seed is 0, which has no keys"),
        ("+model.haed.lr=1", "did you mean 'head'"),
        ("seed", "key.key=value"),
        ("=3", "key.key=value"),
        ("seed=[1", "not valid YAML"),
        ("work_dir=caf\udce9", r"caf..udce9.*bytes that are not letters in the encoding"),
    ],
)
def test_wrong_overrides_are_refused(write, text, words):
    with pytest.raises(ConfigError, match=words):
        load_config(write("a.py", BASE), [text])


def test_missing_attribute_names_the_nearest():
    config = Config(optimizer=1, max_epoch=2)
    with pytest.raises(AttributeError, match="did you mean 'max_epoch'"):
        config.max_epochs  # noqa: B018
    assert config.get("max_epochs") is None
    assert not hasattr(config, "max_epochs")


def test_config_behaves_as_a_dictionary():
    config = Config(a={"b": [{"c": 1}]})
    config.d = {"e": 2}
    config.update(f={"g": 3})
    assert (config.a.b[0].c, config.d.e, config.f.g) == (1, 2, 3)
    assert config.setdefault("h", {"i": 1}).i == 1
    for other in (copy.deepcopy(config), pickle.loads(pickle.dumps(config)), copy.copy(config)):
        assert other == config and isinstance(other, Config)
    deep = copy.deepcopy(config)
    deep.a.b[0].c = 5
    assert config.a.b[0].c == 1
    del config.d
    assert "d" not in config
    assert type(config.to_dict()["a"]) is dict


def test_dump_reads_back(write):
    config = load_config(write("a.py", "import numpy as np\na = dict(t=(1, 2), n=np.float32(0.5), s=None)\nlr = 1e-4"))
    assert load_config(write("b.yaml", config.dump())) == {**config, "a": {"t": [1, 2], "n": 0.5, "s": None}}


def test_imports_that_are_no_settings(write):
    lines = "from __future__ import annotations\nfrom typing import List, Optional\nfrom pathlib import Path\nseed = 3"
    assert load_checked(write("a.py", lines)) == {"seed": 3, "name": "a", "work_dir": "work_dirs/a"}


def test_a_file_may_replace_the_path_of_modules(write):
    assert load_config(write("a.py", "import sys\nsys.path = list(sys.path[1:])\nseed = 3")).seed == 3


def test_numbers_and_tuples_as_people_write_them_in_yaml(write):
    text = "a: {lr: 1e-4, size: '(7, 7)', none: None, quoted: '1e-4', one: !!str 1}\n"
    text += "b: (7, 7)\nc: [1E5, -2e+3, e4]\nd: (7,)\ne: (a, b)"
    config = load_config(write("a.yaml", text), ["b=(3, 0.5)"], known=None)
    assert config.a == {"lr": 1e-4, "size": "(7, 7)", "none": None, "quoted": "1e-4", "one": "1"}
    assert config.b == [3, 0.5] and config.c == [1e5, -2000.0, "e4"] and config.d == [7] and config.e == "(a, b)"
    assert load_config(write("b.yaml", config.dump()), known=None) == config


def test_numbers_of_yaml_are_read_as_people_read_them(write):
    """In YAML 1.1, 010 is eight and 1:30 ninety."""
    text = "a: [010, -012, 08, 0x10, 0b11, 0o17, 1_000]\nb: [1:30, 16:9, 1:30.5, 1.2.3, '010']\nc: [1., .5, -.5e-3, .inf]"
    config = load_config(write("a.yaml", text), ["+d=010"], known=None)
    assert config.a == [10, -12, 8, 16, 3, 15, 1000] and config.d == 10
    assert config.b == ["1:30", "16:9", "1:30.5", "1.2.3", "010"]
    assert config.c == [1, 0.5, -5e-4, float("inf")]
    assert load_config(write("b.yaml", config.dump()), known=None) == {**config, "name": "a", "work_dir": "work_dirs/a"}


def test_paths_are_text(write):
    text = "work_dir = Path('runs') / 'a'\ndataset = dict(train=dict(root=[Path('x')]))\n_here = Path('.')"
    config = load_config(write("a.py", f"from pathlib import Path\n{text}"))
    assert config.work_dir == "runs/a" and config.dataset.train.root == ["x"] and config._here == "."


def test_numpy_numbers_are_numbers(write):
    text = "import numpy as np\noptimizer = dict(lr=np.float32(0.5), n=np.int64(3))\nmodel = dict(mean=np.arange(3.0))"
    config = load_config(write("a.py", text))
    assert type(config.optimizer.lr) is float and type(config.optimizer.n) is int and config.model.mean == [0.0, 1.0, 2.0]


def test_strange_config_files(write):
    path = write("a.py", "\ufeffseed = 3")
    assert load_checked(path).seed == 3
    for encoding in ("utf-8-sig", "utf-16"):
        path = write("a.yaml", "")
        with open(path, "w", encoding=encoding) as f:
            f.write("seed: 3")
        assert load_checked(path).seed == 3
    with open(path, "wb") as f:
        f.write(b"name: \xe9")
    with pytest.raises(ConfigError, match=r"a\.yaml: not valid YAML"):
        load_checked(path)
    with pytest.raises(ConfigError, match=r"(?s)d\.yaml: not valid YAML: 'seed' is written 2 times.*line 1"):
        load_checked(write("d.yaml", "seed: 1\nseed: 2"))
    with pytest.raises(ConfigError, match="a list or a dictionary contains itself"):
        load_checked(write("c.py", "_a = []\n_a.append(_a)\nmodel = _a"))
    path = write("i.yaml", "seed: 1")
    for text in ("seed: 2026-13-45", "seed: 2026-01-01 99:99:99", "seed: 0b_"):
        with pytest.raises(ConfigError, match=r"h\.yaml: not valid YAML"):
            load_checked(write("h.yaml", text))
        with pytest.raises(ConfigError, match="not valid YAML"):
            load_config(path, [text.replace(": ", "=", 1)])
    with pytest.raises(ConfigError, match="override 'seed=&x .*contains itself"):
        load_config(path, ["seed=&x [*x]"])
    with pytest.raises(ConfigError, match="a folder, no config file"):
        load_config(os.path.dirname(path))
    with pytest.raises(ConfigError, match="_base_ and _cover_ act in config files alone"):
        load_config(path, ["+_base_=x.py"])
    letters = "abcdefgh"
    aliases = [f"_{x}: &{x} [{', '.join([f'*{y}'] * 9)}]" for y, x in zip(letters, letters[1:])]
    for name, text, words in (
        ("e.yaml", "\n".join(["_a: &a [1, 1, 1]", *aliases]), "e.yaml: more than 2000000 values"),
        ("g.py", "_a = [1]\nfor _ in range(7):\n    _a = [_a] * 10\nmodel = dict(a=_a)", "g.py: more than 2000000 values"),
    ):
        with pytest.raises(ConfigError, match=words):
            load_checked(write(name, text))
    with pytest.raises(ConfigError, match=r"b\.py, line 2: SystemExit: 3"):
        load_checked(write("b.py", "import sys\nsys.exit(3)"))


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("a.yaml", "work_dir: 2026-11-27", "work_dir: 2026-11-27 is a date: write it as text, in quotes"),
        ("a.py", "model = dict(a=[dict(b={3})])", r"model\.a\[0\]\.b: \{3\} is a set: write a list"),
        ("a.py", "import re\nmodel = dict(a=re.compile('x'))", r"a\.py: model\.a: a config contains .*not Pattern"),
        ("a.yaml", "work_dir: 5", r"a\.yaml: work_dir: expected text, got 5"),
        ("a.yaml", "work_dir: [a]", r"a\.yaml: work_dir: expected text, got \['a'\]"),
        ("a.yaml", 'work_dir: "a\\0"', r"a\.yaml: work_dir: 'a\\x00' has a null character"),
        ("a.yaml", "work_dir: ''", r"a\.yaml: work_dir: expected text, got ''"),
        ("a.py", "name = b'x'", "name: a config contains numbers, text, lists and dictionaries, not bytes"),
    ],
)
def test_what_a_config_cannot_hold(write, name, text, words):
    with pytest.raises(ConfigError, match=words):
        load_config(write(name, text))
    assert "_x" not in load_config(write("b.py", "import re\n_x = re.compile('x')"))  # a file's own helper may be anything


@pytest.mark.parametrize(
    "text, words",
    [
        ("load_from = 'x.pth'", r"a\.py: there is no setting 'load_from'; pretrained_weights is"),
        ("resume_from = 'x.pth'", r"no setting 'resume_from'; `jsra train CONFIG --resume` continues a run"),
        ("pretrain_weights = 'x.pth'", "no setting 'pretrain_weights'; did you mean 'pretrained_weights'"),
        ("max_epochs = 3", "no setting 'max_epochs'; did you mean 'max_epoch'"),
        ("dataset = []", r"dataset: expected a dictionary of splits .*got \[\]"),
        ("classes = 3", "helper names begin with an underscore"),
        ("dataset = dict(val=dict(metrics=['bbox']))", r"dataset\.val\.metrics no longer exists; write evaluator="),
        ("dataset = dict(test=dict(ap_mode='area'))", r"dataset\.test\.ap_mode .*type='VOCBoxAP', mode="),
    ],
)
def test_unknown_settings_are_refused(write, text, words):
    with pytest.raises(ConfigError, match=words):
        load_checked(write("a.py", text))


def test_an_override_cannot_add_an_unknown_setting(write):
    with pytest.raises(ConfigError, match="no setting 'sed'; did you mean 'seed'"):
        load_checked(write("a.py", "seed = 0"), ["+sed=1"])


def test_known_settings_and_helpers_pass(write):
    assert load_checked(write("a.py", "_helper = 3\nseed = _helper")).seed == 3
    assert "amp" in KEYS


def test_helpers_cannot_be_set(write):
    """They were used when the file was executed: a change would be without effect."""
    path = write("a.py", "_batch = dict(batch_size=2)\ndataset = dict(train=dict(_batch))")
    for text in ("_batch.batch_size=4", "_batch={}", "+_other=1"):
        with pytest.raises(ConfigError, match="is a helper, which was used when the file was executed: set the values that"):
            load_checked(path, [text])
    assert load_checked(path, ["dataset.train.batch_size=4"]).dataset.train.batch_size == 4


def test_empty_dictionaries(write):
    """All defaults where there are some; a part without its type is an error, not silently the default."""
    config = load_checked(write("a.py", "amp = dict()\nema = dict()"))
    assert config.amp is True and config.ema is True
    for key in ("model", "optimizer", "scheduler", "parameter_groups_generator", "feature_cache"):
        with pytest.raises(ConfigError, match=f"{key}: an empty dictionary: give its settings, or leave {key} out"):
            load_checked(write("b.py", f"{key} = dict()"))


def test_the_users_folder(write, monkeypatch):
    from jsra.cli import _with_home
    from jsra.data.paths import data_path

    monkeypatch.setenv("HOME", "/home/me")
    assert load_checked(write("a.yaml", "work_dir: ~/runs/a")).work_dir == "/home/me/runs/a"
    assert data_path("~/weights.pth") == "/home/me/weights.pth" and data_path("a/~/b") == "a/~/b"
    args = _with_home(argparse.Namespace(out="~/x", number=3, name="a~", many=["b"], none=None))
    assert vars(args) == dict(out="/home/me/x", number=3, name="a~", many=["b"], none=None)
    for text in ("$HOME/runs", "${HOME}/runs"):
        with pytest.raises(ConfigError, match="work_dir: variables such as those in .* are not replaced"):
            load_checked(write("b.yaml", f"work_dir: {text}"))
    assert load_checked(write("c.yaml", "work_dir: runs/$no_such_variable")).work_dir == "runs/$no_such_variable"


def test_code_inside_a_setting_is_refused(tmp_path):
    """It was left out without a word; a helper may have any value."""
    path = tmp_path / "c.py"
    for value, words in (
        ("dict(type=dict)", r"model.type: .*, not the class dict: a part is named by text, type='dict'"),
        ("dict(type='X', act=len)", "model.act: .*, not the function len"),
        ("dict(type='X', layers=[1, os])", "model.layers.1: .*, not the module os"),
        ("dict(type='X', f=lambda x: x)", "model.f: .*, not the function <lambda>"),
    ):
        path.write_text(f"import os\nmodel = {value}\n")
        with pytest.raises(ConfigError, match=words):
            load_config(str(path))
    path.write_text("import os\n_helper = dict(f=len, m=os)\ndef f():\n    return 3\nmax_epoch = f()\n")
    assert load_config(str(path))["max_epoch"] == 3


@pytest.mark.parametrize("key", ["_BASE_", "__base__", "_base", "_Base_"])
def test_bases_spelled_as_in_other_libraries(tmp_path, key):
    (tmp_path / "c.yaml").write_text(f"{key}: b.yaml\nmax_epoch: 1\n")
    with pytest.raises(ConfigError, match=f"'{key}' is not read: the bases of a config are in _base_"):
        load_config(str(tmp_path / "c.yaml"))
    (tmp_path / "c.yaml").write_text(f"{key}: {{batch_size: 2}}\nmax_epoch: 1\n")  # a helper
    assert load_config(str(tmp_path / "c.yaml"))["max_epoch"] == 1


def test_an_override_below_a_key_that_is_not_there(tmp_path):
    (tmp_path / "c.yaml").write_text("optimizer: {type: SGD}\n")
    for text, cure in (
        ("+optimizer.grad_clip.max_norm=35", r"write \+optimizer.grad_clip=\{max_norm: 35\}$"),
        ("+a.b.c.d=1", r"write \+a=\.\.\.$"),
        ("optimizer.lr=1", r"write \+optimizer.lr=\.\.\.$"),
    ):
        with pytest.raises(ConfigError, match=cure):
            load_config(str(tmp_path / "c.yaml"), [text])
    config = load_config(str(tmp_path / "c.yaml"), ["+optimizer.grad_clip={max_norm: 35}"])
    assert config["optimizer"]["grad_clip"]["max_norm"] == 35
