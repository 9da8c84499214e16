"""`jsra convert`: the files that it writes, and the input that it refuses."""

import numpy as np
import pytest

from jsra.cli import main
from jsra.convert.files import read_weights, write_weights
from jsra.convert.origin import origin
from tests.toy_detector import write_config

WHOLE = {"fc.weight": np.full((3, 3), 2, np.float32), "fc.bias": np.zeros(3, np.float32)}


@pytest.fixture
def convert(tmp_path, capsys):
    """(arrays, further arguments) -> (exit code, what was printed)."""

    def run(arrays, *more):
        write_weights(tmp_path / "a.npz", arrays)
        code = main(["convert", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), *more])
        assert (tmp_path / "b.npz").exists() == (code == 0)
        return code, capsys.readouterr().out

    return run


def test_a_users_detector(convert, tmp_path):
    """Its layer has the name of a classifier's last one."""
    code, _ = convert(WHOLE, "--config", write_config(tmp_path))
    np.testing.assert_array_equal(read_weights(tmp_path / "b.npz")["fc.weight"], WHOLE["fc.weight"])
    assert code == 0


def test_weights_of_another_model(convert, tmp_path):
    config = write_config(tmp_path)
    code, said = convert({**WHOLE, "neck.weight": np.ones(2, np.float32)}, "--config", config)
    assert code == 1 and "not written: 1 weights have no place in the model of" in said
    code, said = convert({**WHOLE, "fc.bias": np.zeros(2, np.float32)}, "--config", config)
    assert code == 1 and "not written: 1 needed weights are missing or of another shape" in said


def test_settings_without_their_config(tmp_path, capsys):
    write_weights(tmp_path / "a.npz", WHOLE)
    assert main(["convert", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "--set", "model.depth=18"]) == 2
    assert "--set changes the settings of a config: give it with --config" in capsys.readouterr().err


def test_what_is_not_of_the_backbone_is_told(convert):
    arrays = {"backbone.conv1.weight": np.ones((1, 1, 1, 1), np.float32), "motion.a.weight": np.ones(2, np.float32)}
    code, said = convert(arrays, "--from", "jsra", "--to", "backbone")
    assert "1 weights are not of the backbone, left out: motion.a.weight" in said


def test_a_detector_with_a_backbone_of_another_kind(convert):
    """torchvision's detector on a MobileNet: the names of its heads alone are known."""
    arrays = {
        name: np.ones((1, 1, 1, 1), np.float32)
        for name in (
            "backbone.body.0.0.weight", "backbone.fpn.inner_blocks.0.0.weight", "backbone.fpn.layer_blocks.0.0.weight",
            "rpn.head.conv.0.0.weight", "rpn.head.cls_logits.weight", "rpn.head.bbox_pred.weight",
            "roi_heads.box_predictor.cls_score.weight",
        )
    }  # fmt: skip
    code, said = convert(arrays)
    assert code == 1 and "1 weights have no place in the detectors of jsra" in said and "backbone.0.0.weight" in said


def test_names_of_no_scheme(convert):
    arrays = {"encoder.stem.weight": np.ones(2, np.float32)}
    code, said = convert(arrays)
    assert code == 1 and "not written: the names (encoder.stem.weight, ...) follow no known scheme" in said
    assert convert(arrays, "--from", "jsra")[0] == 0


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_weights_that_are_not_finite(convert, value):
    """1e300 is none of float32's numbers."""
    code, said = convert({"motion.conv1.weight": np.array([1, value])}, "--from", "jsra")
    assert code == 1 and "1 weights contain NaN or infinity: motion.conv1.weight" in said


def test_the_source_is_not_replaced(tmp_path, capsys):
    source, link = tmp_path / "a.npz", tmp_path / "link.npz"
    write_weights(source, WHOLE)
    before = source.read_bytes()
    link.symlink_to(source)
    for target in (source, link):
        assert main(["convert", str(source), str(target), "--from", "jsra"]) == 2
        assert "is the input file itself, which would be overwritten: choose another name" in capsys.readouterr().err
        assert source.read_bytes() == before


def test_the_names_of_the_classes(tmp_path, capsys):
    """They are written to .safetensors; for other files, and another config, there is a line about them."""
    config = write_config(tmp_path)
    source = tmp_path / "a.safetensors"
    write_weights(source, WHOLE, ("green", "red"))
    for name, words in (("b.safetensors", "2 classes: green, red; warning: "), ("b.npz", "only a .safetensors file keeps")):
        assert main(["convert", str(source), str(tmp_path / name), "--config", config]) == 0
        said = capsys.readouterr().out
        assert words in said and f"{config} has other classes, or another order: red, green" in said
    assert origin(tmp_path / "b.safetensors").classes == ("green", "red")
    assert main(["convert", str(tmp_path / "b.npz"), str(tmp_path / "c.safetensors"), "--config", config]) == 0
    assert "classes:" not in capsys.readouterr().out and origin(tmp_path / "c.safetensors").classes == ()
