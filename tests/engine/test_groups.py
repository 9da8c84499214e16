import math

import jittor as jt
import pytest
from jittor import nn

from jsra.engine.groups import ParameterGroups, trainable
from jsra.registry import ConfigError


class Blocks(nn.Module):
    def __init__(self):
        self.embed = nn.Linear(2, 2)
        self.blocks = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2), nn.Linear(2, 2))
        self.head = nn.Linear(2, 2)
        self.again = self.head
        self.norm = nn.BatchNorm(2)
        self.embed.weight.stop_grad()
        self.table = jt.zeros((3, 2))


def test_trainable_leaves_out_statistics_frozen_and_repeated():
    names = [name for name, _ in trainable(Blocks())]
    assert "embed.weight" not in names and "norm.running_mean" not in names and "again.weight" not in names
    assert {"embed.bias", "head.weight", "norm.weight", "table"} <= set(names)
    assert len(names) == len(set(names))


def test_multipliers():
    g = ParameterGroups(
        no_decay=("table",), no_decay_1d=True, rules=[dict(match="head", lr_mult=10.0), dict(match="weight", decay_mult=0.5)],
        layer_decay=0.5, layers=("embed", "blocks.0", "blocks.2"),
    )  # fmt: skip
    assert g.multipliers("embed.bias", 1) == (0.125, 0.0)
    assert g.multipliers("blocks.0.weight", 2) == (0.25, 0.5)
    assert g.multipliers("blocks.2.weight", 2) == (0.5, 0.5)
    assert g.multipliers("head.weight", 2) == (10.0, 0.5)
    assert g.multipliers("table", 2) == (1.0, 0.0)
    groups = g.groups(Blocks())
    assert sum(len(group["params"]) for group in groups) == len(trainable(Blocks()))
    by_name = {n: (group["lr_mult"], group["decay_mult"]) for group in groups for n in group["names"]}
    assert by_name["head.weight"] == (10.0, 0.5) and by_name["blocks.0.bias"] == (0.25, 0.0)


def test_rules_that_match_nothing_are_errors():
    with pytest.raises(ConfigError, match="'relative_position'"):
        ParameterGroups(no_decay=("relative_position",)).groups(Blocks())
    with pytest.raises(ConfigError, match="'blocks.9'"):
        ParameterGroups(layer_decay=0.9, layers=("blocks.9",)).groups(Blocks())
    with pytest.raises(ConfigError, match="match="):
        ParameterGroups(rules=[dict(name="x")])
    with pytest.raises(ConfigError, match="an empty text in no_decay"):
        ParameterGroups(no_decay=("",))
    for wrong in (dict(match=""), dict(match=5), *(dict(match="x", lr_mult=v) for v in (-1, "0.1", True, None, math.nan))):
        with pytest.raises(ConfigError, match="factors of at least 0"):
            ParameterGroups(rules=[wrong])
    assert ParameterGroups(no_decay=("nothing",), must_match=False).groups(Blocks())
