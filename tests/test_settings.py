"""The settings that belong to the identity of a result, and those that do not."""

import os

import pytest

from jsra import registry, resources
from jsra.config import load_config
from jsra.defaults import defaults, differences
from jsra.registry import register
from jsra.settings import fingerprint, resolved

CONFIG = os.path.join(resources.folder("jdet_configs"), "bccd", "faster_rcnn_r18_fpn_sra_bccd.py")


@pytest.fixture
def part():
    @register("sampler", "TestOnlyPart")
    class Part:
        def __init__(self, size, inner=None, label="x", num_workers=3):
            pass

    yield Part
    del registry._entries["TestOnlyPart"]


def model(**settings):
    return resolved({"model": dict(type="TestOnlyPart", **settings)})["model"]


def test_defaults_are_filled_in(part):
    written = model(size=1, inner=[dict(type="TestOnlyPart", size=(1, 2))], label="x")
    assert written == model(size=1.0, inner=[dict(type="TestOnlyPart", size=[1, 2])])
    assert written["inner"][0] == {"type": "TestOnlyPart", "size": [1, 2], "inner": None, "label": "x", "code": 1}


def test_a_version_of_the_code_is_part_of_it(part):
    before = model(size=1)
    part.version = 2
    assert model(size=1) == {**before, "code": 2}
    assert fingerprint(model(size=1)) != fingerprint(before)


def test_a_changed_default_is_another_identity(part, monkeypatch):
    before = model(size=1)
    monkeypatch.setattr(part.__init__, "__defaults__", (None, "y", 3))
    assert differences(before, model(size=1)) == 'label was "x", now "y"'


@pytest.mark.parametrize(
    "change",
    [
        "optimizer.lr=0.001", "+amp=true", "+amp={dtype: bfloat16}", "evaluator.0.mode=11point", "max_epoch=25",
        "+scale_lr_base_batch=8", "dataset.val.image_set=test", "+scheduler.gamma=0.5", "+optimizer.betas=[0.8, 0.999]",
        "+pretrained_weights=x.pth", "+dataset.train.repeat=2", "+feature_cache={folder: x}",
    ],
)  # fmt: skip
def test_what_changes_a_result_changes_the_identity(change):
    assert resolved(load_config(CONFIG, [change])) != resolved(load_config(CONFIG))


@pytest.mark.parametrize(
    "change",
    [
        "work_dir=elsewhere", "seed=5", "eval_interval=1", "checkpoint_interval=1", "log_interval=1", "name=x",
        "dataset.train.num_workers=7", "+amp=false", "+best_metric=voc_AP50", "optimizer.weight_decay=5e-2",
        "+scheduler.gamma=0.1", "+dataset.val.drop_last=false",
    ],
)  # fmt: skip
def test_what_changes_no_result_does_not(change):
    assert resolved(load_config(CONFIG, [change])) == resolved(load_config(CONFIG))


def test_where_features_are_kept_changes_no_result():
    places = ("{folder: a, max_gib: 1}", "{folder: b, max_gib: 2}")
    one, other = (resolved(load_config(CONFIG, [f"+feature_cache={place}"])) for place in places)
    assert one == other


def test_defaults_pass_through_keyword_arguments():
    class Base:
        def __init__(self, a=1, b=2):
            pass

    class Child(Base):
        def __init__(self, b=3, **more):
            pass

    assert defaults(Child) == {"a": 1, "b": 3}
    assert defaults(lambda x, y=2: 0) == {"y": 2}


def test_differences_are_short():
    old, new = {"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"b": 2, "c": [1, 3]}, "e": 2}
    assert differences(old, new) == (
        "a.b was 1, now 2; a.c.1 was 2, now 3; d was 1, now null; e was null, now 2"
    )
    assert differences(old, new, most=1) == "a.b was 1, now 2; and 3 more"
