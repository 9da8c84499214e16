"""A model, datasets and weights with different classes are refused before anything runs."""

import json
import os
import shutil

import jittor as jt
import numpy as np
import pytest
from jittor import nn

from jsra.cli import main
from jsra.config import load_config
from jsra.data.classes import check_model, check_same
from jsra.data.coco import COCODataset
from jsra.data.vid import VIDDataset
from jsra.data.voc import VOCDataset
from jsra.engine import checkpoint
from jsra.engine.build import build_run
from jsra.registry import ConfigError, build
from tests.data.tiny import voc_object, write_coco, write_voc
from tests.toy_detector import write_config


class Model(nn.Module):
    def __init__(self, count):
        self.head = nn.Linear(2, 2)
        self.head.num_classes = count


@pytest.mark.parametrize("count", [0, 1, 3, 80, np.int64(1), 3.0])
def test_another_number_than_the_datas(count):
    check_model(Model(2), ["cat", "dog"], "dataset.train")
    check_model(nn.Linear(2, 2), ["cat", "dog"], "dataset.train")
    words = rf"model\.head: num_classes is {count}, and dataset.train has 2 classes \(cat, dog\)"
    with pytest.raises(ConfigError, match=words):
        check_model(Model(count), ["cat", "dog"], "dataset.train")


def test_a_backbone_may_have_been_a_classifier():
    model = Model(2)
    model.backbone, model.rpn = Model(1000), Model(1)
    check_model(model, ["cat", "dog"], "dataset.train")


def test_a_real_head_says_how_many_it_has():
    head = build(
        dict(
            type="Shared2FCBBoxHead", num_classes=3, in_channels=2, roi_feat_size=1, fc_out_channels=4,
            box_coder=dict(type="DeltaXYWHBBoxCoder", means=[0.0] * 4, stds=[1.0] * 4),
            loss_cls=dict(type="CrossEntropyLoss"), loss_box=dict(type="L1Loss"),
        )
    )  # fmt: skip
    with pytest.raises(ConfigError, match="model: num_classes is 3"):
        check_model(head, ["a"], "dataset.val")


def test_names_for_inference(tmp_path, monkeypatch):
    from jsra import Detector
    from tests.toy_detector import ToyDetector

    monkeypatch.setattr(ToyDetector, "num_classes", 2, raising=False)
    config = write_config(tmp_path)
    assert Detector(config).classes == ("red", "green")
    with pytest.raises(ConfigError, match="num_classes is 2, and the list of names has 3 classes"):
        Detector(config, classes=["a", "b", "c"])


@pytest.mark.parametrize(
    "second, words",
    [
        (["dog", "cat"], "class 1 is 'cat' in a and 'dog' in b, the same names in another order: give both"),
        (["cat", "cow"], "class 2 is 'dog' in a and 'cow' in b: give both"),
        (["cat"], r"a has 2 classes \(cat, dog\), b 1 \(cat\)"),
    ],
)
def test_other_names(second, words):
    check_same(["cat", "dog"], ("cat", "dog"), "a", "b")
    with pytest.raises(ConfigError, match=words):
        check_same(["cat", "dog"], second, "a", "b")


@pytest.mark.parametrize("first, second", [(["Cat", "cat"], ["cat", "Cat"]), (["a-b", "a b", "c"], ["a b", "a-b", "C"])])
def test_names_that_differ_only_in_spelling_are_not_confused(first, second):
    with pytest.raises(ConfigError, match="class 1 is"):
        check_same(first, second, "a", "b", spelling=False)
    check_same(first, [first[0], *(name.upper() for name in first[1:])], "a", "b", spelling=False)


def test_names_that_look_the_same_are_told_apart(tmp_path):
    """As macOS and Linux write an accent."""
    with pytest.raises(ConfigError, match=r"class 1 is 'caf\\xe9' in a and 'cafe\\u0301' in b"):
        check_same(["caf\u00e9"], ["cafe\u0301"], "a", "b")
    place = write_coco(str(tmp_path), categories=[{"id": i, "name": f"caf\u00e9{i}"} for i in (10, 20, 30)])
    words = r"no class 'cafe\u030110'; 'caf\\xe910' looks the same as this 'cafe\\u030110': copy it from there"
    with pytest.raises(ConfigError, match=words):
        COCODataset(**place, classes=["cafe\u030110"])


@pytest.mark.parametrize("classes", ["cat", [20, 10], ["cat", None], [["cat", "dog"]], {"cat", "dog"}])
def test_classes_given_in_python_are_a_list_of_names(tmp_path, classes):
    root = write_voc(str(tmp_path / "voc"), {1: [voc_object("cat", (1, 1, 9, 9))]})
    for made in (
        lambda: COCODataset(**write_coco(str(tmp_path)), classes=classes), lambda: VOCDataset(root, classes=classes),
        lambda: VIDDataset(root, anno_file="a.json", classes=classes),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="classes: expected a list of names"):
            made()


def other_order(config, split):
    """The annotation file of a split with its categories turned round, which use_anno_cats follows."""
    settings = config["dataset"][split]
    with open(settings["anno_file"]) as f:
        content = json.load(f)
    content["categories"].reverse()
    path = os.path.join(os.path.dirname(settings["anno_file"]), "turned.json")
    with open(path, "w") as f:
        json.dump(content, f)
    settings.update(anno_file=path, classes=None, use_anno_cats=True)


def test_validation_data_of_another_order_is_refused_at_the_start(tmp_path):
    config = load_config(write_config(tmp_path))
    other_order(config, "val")
    with pytest.raises(ConfigError, match="class 1 is 'red' in dataset.train and 'green' in dataset.val"):
        build_run(config)


def test_a_checkpoint_of_other_classes_is_not_resumed(tmp_path):
    config = load_config(write_config(tmp_path))
    run = build_run(config)
    run.save()
    run.close()
    for split in ("train", "val"):
        other_order(config, split)
    with pytest.raises(ConfigError, match="class 1 is 'green' in dataset.train and 'red' in the checkpoint"):
        build_run(config, resume="auto")
    jt.sync_all()


def test_weights_of_other_classes_are_not_evaluated(tmp_path, capsys):
    path = write_config(tmp_path)
    run = build_run(load_config(path))
    run.save()
    run.close()
    change = ["--set", "dataset.test.classes=[green, red]"]
    converted, copied = str(tmp_path / "a.safetensors"), str(tmp_path / "b.safetensors")
    assert main(["convert", str(tmp_path / "work"), converted, "--config", path]) == 0
    shutil.copy(checkpoint.weights_file(str(tmp_path / "work")), copied)
    capsys.readouterr()
    for weights in (str(tmp_path / "work"), converted, copied):  # each file keeps the names
        assert main(["test", path, weights, *change]) == 2
        assert "class 1 is 'green' in dataset.test and 'red' in the weights" in capsys.readouterr().err
    other_spelling = ["--set", "dataset.test.classes=[Red, green]"]
    with pytest.raises(ConfigError, match="class 1 is 'Red' in a and 'red' in b"):
        check_same(["Red", "green"], ["red", "green"], "a", "b")
    check_same(["Traffic light", "t-shirt"], ["traffic_light", "T shirt"], "a", "b", spelling=False)
    assert main(["test", path, str(tmp_path / "work"), *other_spelling]) == 2  # in a checkpoint they are exactly the data's


def test_a_class_that_the_categories_lack(tmp_path):
    """A validation file, say, of which no picture has an object of the class: exports list only what they have."""
    with pytest.raises(ConfigError, match="no class 'bird'.*; add it to the categories of this file"):
        COCODataset(**write_coco(str(tmp_path)), classes=["cat", "bird"])
    with pytest.raises(ConfigError, match="no class '.*; the default is COCO's 80 classes: name those of this file"):
        COCODataset(**write_coco(str(tmp_path)))
