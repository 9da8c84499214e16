"""What the processes of a run must have in common."""

import json

import numpy as np
import pytest

from jsra.agreement import compare, summary
from jsra.data.dataset import Record
from jsra.registry import ConfigError


def texts(*values):
    return [json.dumps(value) for value in values]


def test_equal_settings_pass():
    one = {"config": {"optimizer": {"lr": 0.1, "x": float("nan")}}, "seed": None}
    compare("settings", texts(one, one, one))


def test_the_process_and_the_setting_are_named():
    one, other = {"config": {"optimizer": {"lr": 0.1}}}, {"config": {"optimizer": {"lr": 0.2}}}
    message = "different settings: config.optimizer.lr is 0.1 in process 0, in process 2 0.2; give all the same"
    with pytest.raises(ConfigError, match=message):
        compare("settings", texts(one, one, other))

    with pytest.raises(ConfigError, match='title is "it was, now it is" in process 0, in process 1 "other"'):
        compare("settings", texts({"title": "it was, now it is"}, {"title": "other"}))


def test_data_are_told_apart_by_images_boxes_and_labels():
    class Data:
        def __init__(self, *records):
            self.records = records

    first = Record(1, "a.png", 9, 9, [[0, 0, 5, 5]], [1])
    same = Record(1, "elsewhere/a.png", 9, 9, [[0, 0, 5, 5]], [1])
    assert summary(Data(first)) == summary(Data(same))
    for other in (Record(2, "", 9, 9, [[0, 0, 5, 5]], [1]), Record(1, "", 9, 9, np.ones((1, 4)), [1]),
                  Record(1, "", 9, 9, [[0, 0, 5, 5]], [2])):  # fmt: skip
        assert summary(Data(first)) != summary(Data(other))
    assert summary(Data(first, first))["images"] == 2
