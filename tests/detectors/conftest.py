"""For all comparisons with mmdet: the maps of Faster R-CNN R50-FPN, which are also those of its mask and cascade
detectors."""

import functools
import os

import jittor as jt
import pytest

from jsra import registry
from jsra.config import load_config
from jsra.resources import folder
from tests.conftest import shared
from tests.detectors import parity


def seed_weights(model, prefix=""):
    """Weights that depend on their names alone; prefix: of the model's own name in its detector."""
    for name, var in model.state_dict().items():
        var.update(jt.array(parity.seeded(prefix + name, tuple(var.shape))))
    return model


def model_settings(name="faster_rcnn_r50_fpn.py"):
    return load_config(os.path.join(folder("jdet_configs"), "_base_", "models", name))["model"]


def build_model(name="faster_rcnn_r50_fpn.py"):
    return registry.build(model_settings(name), "model")


@pytest.fixture(scope="session")
def faster_rcnn():
    return seed_weights(build_model()).eval()


@pytest.fixture(scope="session")
def maps_of(faster_rcnn):
    """Image id -> the pyramid's maps of the image, computed once."""

    @functools.lru_cache
    def maps(image_id):
        pixels, _, _ = parity.load_image(shared("data", "coco_mini"), image_id)
        with jt.no_grad():
            found = faster_rcnn.features(jt.array(pixels[None]))
        jt.sync(list(found))
        return found

    return maps
