"""Run torchvision's Faster R-CNN with ports/torchvision_sra.py on seeded weights and a real image, for test_torchvision.py;
and compare ports/detectron2_sra.py, with stand-ins for detectron2, with it.

    PYTHONPATH=ports:ports/torch PEER_PYTHON tests/ports/make_torchvision.py ../shared/data/coco_mini

PEER_PYTHON has torchvision 0.27 and PyTorch. Writes tests/ports/vectors/torchvision.npz.
"""

import os
import sys
from types import SimpleNamespace

import numpy as np
import torch
import torchvision

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

from detectron2_sra import SemanticROIPooler  # noqa: E402
from torchvision_sra import SemanticRoIPool  # noqa: E402

from jsra.convert.convert import from_jsra, to_jsra  # noqa: E402
from tests.detectors import parity  # noqa: E402
from tests.ports import mmdet_model  # noqa: E402

IMAGE = 724


def build():
    build = torchvision.models.detection.fasterrcnn_resnet50_fpn
    model = build(weights=None, weights_backbone=None, num_classes=81, box_roi_pool=SemanticRoIPool())
    ours = to_jsra({name: tensor.numpy() for name, tensor in model.state_dict().items()}, "torchvision")
    assert not ours.unexpected, ours.unexpected
    arrays = {name: mmdet_model.seeded(name, array.shape) for name, array in ours.arrays.items()}
    weights = {name: torch.from_numpy(a.copy()) for name, a in from_jsra(arrays, "torchvision").arrays.items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    return model.eval()


def check_detectron2(pool, maps, boxes, shapes):
    """The same features from the pooler that takes the place of a detectron2 ROIPooler."""
    levels = [SimpleNamespace(spatial_scale=1 / stride) for stride in (4, 8, 16, 32)]
    theirs = SimpleNamespace(level_poolers=levels, canonical_box_size=224, canonical_level=4)
    pooler = SemanticROIPooler.like(theirs).eval()
    pooler.roi_layer.load_state_dict(pool.roi_layer.state_dict())
    found = pooler([maps[name] for name in "0123"], [SimpleNamespace(tensor=b) for b in boxes])
    assert found.shape[2:] == pooler.output_size and torch.equal(found, pool(maps, boxes, shapes))


@torch.no_grad()
def main(folder):
    from torchvision.models.detection.image_list import ImageList

    model, out = build(), {}
    pixels, size, _ = parity.load_image(folder, IMAGE)
    x, shapes = torch.from_numpy(pixels[None]), [size[::-1]]
    maps = model.backbone(x)
    proposals, _ = model.rpn(ImageList(x, shapes), maps)
    (result,), _ = model.roi_heads(maps, proposals, shapes)
    for key, value in result.items():
        out[key] = value.numpy()
    check_detectron2(model.roi_heads.box_roi_pool, maps, proposals, shapes)
    print(len(proposals[0]), "proposals", len(result["scores"]), "detections", result["scores"][:4])
    path = os.path.join(os.path.dirname(mmdet_model.VECTORS), "torchvision.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main(sys.argv[1])
