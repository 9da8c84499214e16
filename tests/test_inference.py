from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jittor as jt
import numpy as np
import pytest
from PIL import Image

from jsra import Detector
from jsra.config import load_config
from jsra.inference import class_names
from jsra.registry import ConfigError
from tests.toy_detector import write_config


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path)


def test_path_array_and_picture_give_the_same(config, tmp_path):
    detector = Detector(config)
    path = str(tmp_path / "data" / "images" / "3.png")
    a, b, c = detector(path), detector(np.asarray(Image.open(path))), detector(Image.open(path))
    for key in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(a[key], b[key])
        np.testing.assert_array_equal(a[key], c[key])
    assert a["names"] == [("red", "green")[a["labels"][0] - 1]]
    assert len(detector([path, path])) == 2


def test_boxes_are_in_pixels_of_the_image_given(config, tmp_path):
    settings = load_config(config)
    path = str(tmp_path / "data" / "images" / "0.png")
    plain = Detector(settings)(path)["boxes"]
    settings["dataset"]["test"]["transforms"].insert(0, dict(type="Resize", min_size=200, max_size=240))
    np.testing.assert_allclose(Detector(settings)(path)["boxes"], plain, atol=0.51)


def test_classes_of_the_config_or_of_the_dataset_type(config):
    settings = load_config(config)
    assert Detector(settings).classes == ("red", "green")
    for split in settings["dataset"].values():
        del split["classes"]
    assert Detector(settings).classes[0] == "person" and len(Detector(settings).classes) == 80
    assert Detector(settings, classes=["a"]).name(2) == "class 2"
    settings["dataset"]["test"].update(type="VIDDataset", classes={"dog": "n02084071", "fox": "n02118333"})
    assert class_names(settings) == ("dog", "fox")


def test_names_that_are_not_the_models(config):
    with pytest.raises(ConfigError, match="expected a list of names, in the order of labels 1, 2, ..., got 'red'"):
        Detector(config, classes="red")
    with pytest.raises(ConfigError, match="the config has no 'dataset'"):
        Detector(config, overrides=["dataset=null"])
    for key, value in (("classes", "red"), ("classes", 5), ("transforms", "Resize"), ("transforms", 5)):
        with pytest.raises(ConfigError, match=f"dataset.test.{key}: expected a list"):
            Detector(config, overrides=[f"dataset.test.{key}={value}"])
    with pytest.raises(ConfigError, match="overrides: expected a list of texts"):
        Detector(config, overrides="seed=1")


def test_weights_that_are_not_there_are_missed_before_the_model_is_built(config, monkeypatch):
    monkeypatch.setattr("tests.toy_detector.ToyDetector.__init__", lambda self: pytest.fail("built"))
    with pytest.raises(FileNotFoundError, match="none.pth: these weights do not exist"):
        Detector(config, "none.pth")


def test_wrong_images(config, tmp_path):
    detector = Detector(config)
    with pytest.raises(ValueError, match=r"uint8 RGB"):
        detector(np.zeros((4, 4), np.float32))
    for wrong in (None, 5, b"x", {"image": 1}, [[1, 2], [3, 4]], jt.zeros((4, 4, 3))):
        with pytest.raises(ValueError, match="an image must be a path, a Pillow image or a uint8 RGB array"):
            detector.prepare(wrong)
    with pytest.raises(ValueError, match=r"this array is uint8 \[0, 4, 3\]"):
        detector(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(RuntimeError, match="absent.png is missing"):
        detector(str(tmp_path / "absent.png"))


def test_follow_gives_each_frame_with_its_own_detections(config, tmp_path):
    """Of a detector of single images, and of one that answers two frames late."""
    detector = Detector(config)
    frames = [np.asarray(Image.open(tmp_path / "data" / "images" / f"{i}.png")) for i in (3, 0, 3, 1)]
    alone = [detector(frame) for frame in frames]

    class Late:
        def __init__(self, model):
            self.model, self.waiting = model, []

        def push(self, images, targets):
            self.waiting.append((images.numpy(), targets))
            return self.model(jt.array(self.waiting[0][0]), self.waiting.pop(0)[1]) if len(self.waiting) > 2 else []

        def finish(self):
            return [self.model(jt.array(images), targets)[0] for images, targets in self.waiting]

    for stream in (None, lambda: Late(detector.model)):
        if stream:
            detector.model.stream = stream
        found = list(detector.follow(iter(frames)))
        assert [id(frame) for frame, _ in found] == [id(frame) for frame in frames]
        for (_, result), expected in zip(found, alone):
            np.testing.assert_allclose(result["boxes"], expected["boxes"], atol=1e-3)
            assert result["names"] == expected["names"]
    assert list(detector.follow([])) == []
    del detector.model.stream
    detector.model.train()  # as after a training in between
    assert [result["names"] for _, result in detector.follow(frames)] == [expected["names"] for expected in alone]


def test_another_file_in_the_folder_of_a_checkpoint(config, tmp_path):
    """It is read itself, and not the model next to it."""
    from safetensors.numpy import load_file, save_file

    from jsra.engine.checkpoint import save
    from jsra.inference import load_model

    no_optimizer = SimpleNamespace(state=dict, n_step=1)
    made = save(str(tmp_path / "run"), Detector(config).model, no_optimizer, {"iteration": 1})
    weights = load_file(f"{made}/model.safetensors")
    other = {name: array + 1 for name, array in weights.items()}
    save_file(other, f"{made}/other.safetensors")
    for path, expected in ((made, weights), (f"{made}/model.safetensors", weights), (f"{made}/other.safetensors", other)):
        loaded = load_model(load_config(config), path).state_dict()
        for name, array in expected.items():
            np.testing.assert_array_equal(loaded[name].numpy(), array)
    save_file({"exp_avg.x": np.zeros(2, np.float32)}, f"{made}/optimizer.safetensors")
    for name in ("state.json", "optimizer.safetensors"):
        with pytest.raises((ValueError, RuntimeError)):
            load_model(load_config(config), f"{made}/{name}")


def test_names_in_another_form(config):
    """A dict of names (number: name) was taken for its numbers."""
    for names in ({0: "a", 1: "b"}, [1, 2], {"a", "b"}, 5):
        with pytest.raises(ConfigError, match="expected a list of names, in the order of labels 1, 2, ..., got"):
            Detector(config, classes=names)
    assert Detector(config, classes=np.array(["a", "b"])).classes == ("a", "b")
    assert Detector(config, classes=[]).classes == ("red", "green")


def test_a_model_in_training_mode_detects_too(config, tmp_path):
    detector = Detector(config)
    path = str(tmp_path / "data" / "images" / "3.png")
    boxes = detector(path)["boxes"]
    detector.model.train()
    np.testing.assert_array_equal(detector(path)["boxes"], boxes)
    detector.model.train()
    ((_, found),) = detector.follow([path])
    np.testing.assert_array_equal(found["boxes"], boxes)


def test_threads_leave_gradients_as_they_were(config, tmp_path):
    """One thread took another's no_grad for the state before it: nothing could be trained afterwards."""
    detector = Detector(config)
    picture = np.asarray(Image.open(tmp_path / "data" / "images" / "3.png"))
    boxes = detector(picture)["boxes"]
    for _ in range(5):
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(detector, [picture] * 100))
        assert not jt.flags.no_grad
        assert all(np.array_equal(result["boxes"], boxes) for result in found)


def test_overrides_of_a_config_that_is_read_are_refused(config):
    with pytest.raises(ConfigError, match="give them to load_config"):
        Detector(load_config(config), overrides=["max_epoch=1"])
