"""Bad settings of every kind: one clear line that names the key, the value and what is expected."""

from __future__ import annotations

import math
import re
import typing

import pytest
from jittor import nn

from jsra import arguments
from jsra.arguments import _RANGE_OF, parameters, part
from jsra.cli import main
from jsra.losses.focal import FocalLoss
from jsra.necks.fpn import FPN
from jsra.registry import KINDS, ConfigError, build, construct, register, registered
from tests.toy_detector import write_config

# What a run gives, not a config.
GIVEN = {"params"}


def refused(*what, **extra):
    with pytest.raises(ConfigError) as caught:
        build(*what, **extra)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 700
    return text


def described(parameter):
    node = arguments.expected(parameter)
    return None if node is None else arguments.words(node)


@pytest.mark.parametrize("name, cls", sorted(registered().items()))
def test_every_part_refuses_wrong_types_and_unknown_keys(name, cls):
    for key, parameter in parameters(cls).items():
        expected = described(parameter)
        if key in GIVEN:
            continue
        assert expected, f"{name}.{key} does not say what it takes"
        # A dictionary without a type is nothing that a part takes, but for those that say so.
        wrong, shown = ("text", "'text'") if "dictionary" in expected else ({"no": 1}, "{'no': 1}")
        text = refused({"type": name, key: wrong}, "the.part")
        assert text == f"the.part.{key}: expected {expected}, got {shown}"
    assert f"the.part.wrog: {cls.__name__} takes no 'wrog'" in refused({"type": name, "wrog": 1}, "the.part")


@pytest.mark.parametrize("name, cls", sorted(registered().items()))
def test_every_part_is_of_one_kind(name, cls):
    (own,) = [kind for kind in KINDS if name in registered(kind)]
    for kind in KINDS:
        if kind != own:
            text = refused({"type": name}, "the.part", kind)
            assert text.startswith(f"the.part.type: {name!r} is {arguments.a(own)}, but must be {arguments.a(kind)}; ")


def test_no_two_names_differ_by_case_alone():
    assert len({name.lower() for name in registered()}) == len(registered())


@pytest.fixture
def entry():
    from jsra import registry

    @register("sampler", "TestOnlyPart")
    class Part:
        def __init__(
            self,
            sizes: tuple[int, ...],
            pair: tuple[float, float] = (0, 1),
            loss: part.loss | None = None,
            losses: list[part.loss] = (),
            way: str | int = "up",
            number=1.0,
            flag=False,
        ):
            if way == "down":
                raise ValueError("way: it goes up only")

    yield Part
    del registry._entries["TestOnlyPart"]


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(sizes=3), "p.sizes: expected a list, each item a whole number, got 3"),
        (dict(sizes=[1, 2.5]), "p.sizes[1]: expected a whole number, got 2.5"),
        (dict(sizes=[1, True]), "p.sizes[1]: expected a whole number, got True"),
        (dict(sizes=[], pair=[1, 2, 3]), "p.pair: expected a list of 2, each item a number, got [1, 2, 3]"),
        (dict(sizes=[], loss=3), "p.loss: expected a loss (a dict with its type) or None, got 3"),
        (dict(sizes=[], loss=dict(type="SGD")), "p.loss.type: 'SGD' is an optimizer, but must be a loss; known: Cross"),
        (dict(sizes=[], loss=dict(type="L1Los")), "p.loss.type: 'L1Los' is not registered; did you mean 'L1Loss'?"),
        (dict(sizes=[], losses=[dict(type="FPN")]), "p.losses[0].type: 'FPN' is a neck, but must be a loss; "),
        (dict(sizes=[], losses=[dict(type="L1Loss", loss_weight="1")]), "p.losses[0].loss_weight: expected a number"),
        (dict(sizes=[], way=1.5), "p.way: expected text or a whole number, got 1.5"),
        (dict(sizes=[], number="3"), "p.number: expected a number or a list or None, got '3'"),
        (dict(sizes=[], flag=1), "p.flag: expected True or False or None, got 1"),
        (dict(sizes=[], way="down"), "p: Part: way: it goes up only"),
        (dict(way="up"), "p: Part needs 'sizes'"),
    ],
)
def test_messages(entry, settings, message):
    assert refused(dict(settings, type="TestOnlyPart"), "p").startswith(message)


class Free:
    """Annotations and names as users write them."""

    def __init__(self, one=None, two=3, three="x", four=None, five=None, width: float = 1.0, beta=0.0, **more):
        self.more = more

    __init__.__annotations__.update(
        one="Optional[int]", two="typing.Union[int, typing.Tuple[int, int]]", three="Literal['x', 'y']",
        four="typing.Dict[str, int]", five="a name",
    )  # fmt: skip


class Evaluated:
    """As from a file without `from __future__ import annotations`."""

    def __init__(self, size=640, ratio=1.0, count=2): ...

    __init__.__annotations__ = {"size": typing.Any, "ratio": typing.Any, "count": int}


@pytest.mark.parametrize(
    "cls, settings",
    [(Free, s) for s in (dict(one=3), dict(two=5), dict(two=[3, 4]), dict(three="y"), dict(four={"a": 1}), dict(five="x"),
                         dict(width=0.5), dict(beta=-10.0), dict(other=1), dict(width=math.inf), dict(two=-math.inf))]
    + [(Evaluated, s) for s in (dict(size=[640, 480]), dict(ratio=None))],
)  # fmt: skip
def test_own_parts_with_any_annotation_name_and_further_arguments(cls, settings):
    made = construct(cls, settings, "p")
    assert getattr(made, "more", {}) == {key: v for key, v in settings.items() if key == "other"}


class Bare:
    """Without a constructor: object takes anything by its signature, and Jittor's Module really does."""


class BareModule(nn.Module): ...


def test_a_users_class_may_give_arguments_of_its_parent():
    class Parent:
        def __init__(self, root, file, size=1):
            self.given = root, file, size

    class Child(Parent):
        def __init__(self, folder, **more):
            super().__init__(root=folder, **more)

    class Whole(Parent):
        def __init__(self, **more):
            super().__init__(**{"root": 1, "file": 2, **more})

    assert construct(Child, dict(folder="a", file="b"), "p").given == ("a", "b", 1)
    assert construct(Whole, dict(size=3), "p").given == (1, 2, 3)
    for cls, settings, words in (
        (Child, dict(folder="a"), "p: Child needs 'file'"), (Child, dict(file="a"), "p: Child needs 'folder'"),
        (Child, dict(folder="a", files="b"), "p.files: Child takes no 'files'; did you mean 'file'?"),
        (Child, dict(folder="a", file="b", root="c"), "p: Child gives 'root' to its parent, and gets one from the config or"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=re.escape(words)):
            construct(cls, settings, "p")


def test_own_parts_whose_settings_are_wrong():
    for cls, settings, words in (
        (Bare, dict(size=1), "p.size: Bare takes no 'size'"),
        (BareModule, dict(size=1), "p.size: BareModule takes no 'size'"),
        (Evaluated, dict(count=1.5), "p.count: expected a whole number, got 1.5"),
        (Free, dict(width="1"), "p.width: expected a number, got '1'"), (Free, dict(width=math.nan), "got nan"),
        (Evaluated, dict(count=math.inf), "p.count: expected a whole number, got inf"),
        (FPN, dict(in_channels=[1], out_channels=math.inf, num_outs=1), "p.out_channels: expected a whole number, got inf"),
        (FocalLoss, dict(gamma=math.inf), "p.gamma: expected a number, got inf"),
        (Evaluated, dict(sise=1), "p.sise: Evaluated takes no 'sise'; did you mean 'size'?"),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)):
            construct(cls, settings, "p")


ANCHORS = dict(type="AnchorGenerator", strides=[4], ratios=[1.0], scales=[8])
ASSIGNER = dict(type="MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(ANCHORS, ratios=[1.0, -1.0]), "p.ratios[1]: expected a number above 0, got -1.0"),
        (dict(ANCHORS, ratios=[]), "p.ratios: expected a list, each item a number above 0, got []"),
        (dict(ANCHORS, strides=[0]), "p.strides[0]: expected a whole number of at least 1, got 0"),
        (dict(ANCHORS, center_offset=float("nan")), "p.center_offset: expected a number, got nan"),
        (dict(ASSIGNER, pos_iou_thr=1.5), "p.pos_iou_thr: expected a number from 0 to 1, got 1.5"),
        (dict(ASSIGNER, neg_iou_thr=[0.1, -0.2]), "p.neg_iou_thr[1]: expected a number from 0 to 1, got -0.2"),
        (dict(ASSIGNER, neg_iou_thr=[0.2, 0.1]), "p: MaxIoUAssigner: neg_iou_thr [0.2, 0.1] must be in rising order"),
        (dict(ASSIGNER, ignore_iof_thr=1.5), "p: MaxIoUAssigner: ignore_iof_thr must be a share of the box"),
        (dict(ASSIGNER, pos_iou_thr=0.2), "p: MaxIoUAssigner: neg_iou_thr 0.3 must be in rising order and not above"),
        (dict(type="RandomSampler", num=0, pos_fraction=0.5), "p.num: expected a whole number of at least 1, got 0"),
        (dict(type="DetectionSelector", max_per_img=-1), "p.max_per_img: expected a whole number of at least 1, got -1"),
        (dict(type="L1Loss", loss_weight=-1.0), "p.loss_weight: expected a number of at least 0, got -1.0"),
        (dict(type="RoITransformer", samples=0), "p.samples: expected a whole number of at least 1, got 0"),
        (dict(type="FlowNetS", std=[0.0, 1.0, 1.0]), "p.std[0]: expected a number above 0, got 0.0"),
        (dict(type="FPN", in_channels=[4, 8], start_level=-1), "p.start_level: expected a number of at least 0, got -1"),
        (dict(type="L1Loss", loss_weight=float("inf")), "p.loss_weight: expected a number, got inf"),
    ],
)
def test_numbers_out_of_their_range(settings, message):
    assert refused(settings, "p").startswith(message)


# Numbers that may be anything, or whose range a constructor checks itself.
OWN_RANGE = """allowed_border attention_levels batch_size betas center_offset conv_inplane crop_size dampening depth eps
    filter_min_size frozen_stages grid ignore_iof_thr init_value initial_logit_std interaction_indexes layer_scale lr max_size
    mean means milestones min_lr_ratio momentum neg_pos_ub num_workers offset_scale out_indices oversample_threshold
    position_gain prob repeat sampling_ratio seed size_divisor variant warmup_iters warmup_ratio weight_decay window
    window_blocks""".split()


def test_every_number_has_a_range():
    """Otherwise a new part would take 0 or -1 where they make no sense, and give results without a message."""
    parts = {name: cls for name, cls in registered().items() if cls.__module__.startswith("jsra.")}
    open_ended = {
        f"{name}.{key}"
        for name, cls in parts.items()
        for key, parameter in parameters(cls).items()
        if re.search("int|float", str(parameter.annotation)) and key not in _RANGE_OF and key not in OWN_RANGE
    }
    assert open_ended == set()


def test_what_is_right_passes(entry):
    loss = build(dict(type="L1Loss"))
    for more in (dict(loss=loss), dict(losses=(loss, dict(type="L1Loss"))), dict(pair=(0, 0.5)), dict(way=2), dict(number=3)):
        assert isinstance(build(dict(type="TestOnlyPart", sizes=(1, 2), **more)), entry)


@pytest.fixture
def users_parts():
    """Parts as users write them: with any annotations, and arguments that have another meaning than jsra's of this name."""
    from jsra import registry

    class Written:
        def __init__(self, mode="a", size=1, table=(), way="up", pairs=(), alpha=0.5):
            self.given = mode, size, table, way, pairs, alpha

    class Evaluated:
        def __init__(self, mode="a", size=1, flag=True, std=1.0, share=0.5):
            self.given = mode, size, flag, std, share

    # As with and without `from __future__ import annotations`.
    Written.__init__.__annotations__.update(
        mode="Optional[str]", size="typing.Union[int, str]", table="Dict[str, int]", way="Literal['up', 'down']",
        pairs="tuple[Literal[1, 2], ...]", alpha="float",
    )  # fmt: skip
    Evaluated.__init__.__annotations__.update(mode=typing.Optional[str], share=float)  # noqa: UP045
    for cls in (Written, Evaluated):
        register("transform")(cls)
    yield
    for cls in (Written, Evaluated):
        del registry._entries[cls.__name__]


def test_arguments_of_users_parts(users_parts):
    def given(**settings):
        return build(settings, "p", "transform").given

    settings = dict(mode=None, size="x", table={"a": 1}, way="down", pairs=[1], alpha=2.0)
    assert given(type="Written", **settings) == (None, "x", {"a": 1}, "down", [1], 2.0)
    assert given(type="Evaluated", mode=None, size=[640, 480], flag=None, std=0) == (None, [640, 480], None, 0, 0.5)
    assert refused(dict(type="Written", pairs=1), "p") == "p.pairs: expected a list, each item something else, got 1"
    assert refused(dict(type="Evaluated", share="1"), "p") == "p.share: expected a number, got '1'"


def test_a_range_holds_for_arguments_that_jsra_defines(users_parts):
    from jsra import registry

    @register("loss")
    class OwnFocal(FocalLoss):
        def __init__(self, alpha: float = 0.5, **more):
            super().__init__(alpha=alpha, **more)

    try:
        assert refused(dict(type="OwnFocal", alpha=2.0), "p") == "p.alpha: expected a number from 0 to 1, got 2.0"
    finally:
        del registry._entries["OwnFocal"]


def test_what_the_run_gives_is_no_setting():
    text = refused(dict(type="SGD", lr=0.1, params=[1]), "optimizer", params=[2])
    assert text == "optimizer.params: not a setting: the run gives it"


def test_arguments_that_are_passed_on_are_checked_too():
    settings = dict(type="ResNeXt", depth=50)
    assert refused({**settings, "norm_evl": 1}, "b") == "b.norm_evl: ResNeXt takes no 'norm_evl'; did you mean 'norm_eval'?"
    assert refused({**settings, "norm_eval": "yes"}, "b") == "b.norm_eval: expected True or False, got 'yes'"


@pytest.mark.parametrize(
    "override, message",
    [
        ("model.type=SGD", "model.type: 'SGD' is an optimizer, but must be a detector; known: "),
        ("model=3", "model: expected a detector (a dict with its type), got 3"),
        ("optimizer.lr=fast", "optimizer.lr must be a number"),
        ("max_epoch=ten", "max_epoch"),
        ("+max_epochs=10", "max_epoch"),
        ("eval_interval=often", "eval_interval"),
        ("dataset=3", "dataset: expected a dictionary of splits (train, val, ...), got 3"),
        ("dataset.val=3", "dataset.val: expected a dataset (a dict with its type), got 3"),
        ("evaluator=3", "evaluator"),
        ("optimizer.momentum={a: 1}", "optimizer.momentum: expected a number, got {'a': 1}"),
        ("scheduler.type=StepLRR", "scheduler.type: 'StepLRR' is not registered; did you mean 'StepLR'?"),
        ("scheduler.milestones=[8, x]", "scheduler.milestones[1]: expected a whole number, got 'x'"),
        ("dataset.train.batch_size=two", "dataset.train.batch_size: expected a "),
        ("dataset.train.transforms.0.mean=3", "dataset.train.transforms[0]"),
        ("dataset.train.type=FPN", "dataset.train.type: 'FPN' is a neck, but must be a dataset; known: COCODataset"),
    ],
)
def test_the_command_line_says_one_line(tmp_path, capsys, override, message):
    assert main(["train", write_config(tmp_path), "--set", override]) == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("jsra train: ")]
    assert message in line
