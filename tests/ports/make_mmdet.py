"""Run mmdet's Faster R-CNN R50-FPN with ports/mmdet_sra.py on seeded weights and real images, for tests/ports/test_mmdet.py.

    PYTHONPATH=ports:ports/torch PEER_PYTHON tests/ports/make_mmdet.py ../shared/data/coco_mini [--checkpoint FILE.pth]

PEER_PYTHON has mmdet 3.3, mmcv 2.1 and PyTorch. Writes tests/ports/vectors/mmdet.npz.
"""

import argparse
import os
import sys

import numpy as np
import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, ROOT)

try:
    import torchvision  # noqa: F401
except ImportError:  # mmcv's RoI Align stands in for the same of torchvision, the only thing that the port takes from it
    from types import ModuleType

    from mmcv.ops import roi_align

    def aligned_roi_align(input, boxes, output_size, spatial_scale, sampling_ratio, aligned):
        return roi_align(input, boxes, output_size, spatial_scale, sampling_ratio, "avg", aligned)

    sys.modules["torchvision"] = torchvision = ModuleType("torchvision")
    sys.modules["torchvision.ops"] = torchvision.ops = ModuleType("torchvision.ops")
    torchvision.ops.roi_align = aligned_roi_align

import mmdet_sra  # noqa: E402, F401

from jsra.convert.convert import to_jsra  # noqa: E402
from tests.detectors import parity  # noqa: E402
from tests.detectors.reference import make_mmdet  # noqa: E402
from tests.ports import mmdet_model  # noqa: E402

EXTRACTOR = dict(
    type="SemanticRoIExtractor",
    roi_layer=dict(type="SemanticRoIAlign"),
    out_channels=256,
    featmap_strides=[4, 8, 16, 32],
)


def steps(model, folder, out):
    """The losses of steps of SGD on one batch, whose samples are always all."""
    model.train()
    batch = make_mmdet.training_batch(folder)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=mmdet_model.RATE, momentum=0.9)
    losses = []
    for _ in range(mmdet_model.STEPS):
        found = make_mmdet.losses_of(model, *batch)
        optimizer.zero_grad()
        sum(found.values()).backward()
        optimizer.step()
        losses.append([found[name].item() for name in ("loss_rpn_cls", "loss_rpn_box", "loss_cls", "loss_box")])
        print(losses[-1], flush=True)
    out["steps"] = np.array(losses)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    parser.add_argument("--checkpoint", help="also save the weights as an mmdet checkpoint, for `jsra convert`")
    args = parser.parse_args()
    model = make_mmdet.build(EXTRACTOR, mmdet_model.seeded)
    if args.checkpoint:
        torch.save({"meta": {"dataset_meta": {}}, "state_dict": model.state_dict()}, args.checkpoint)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    out = {}
    with torch.no_grad():
        make_mmdet.inference(model, args.coco_mini, out)
    make_mmdet.training(model, args.coco_mini, out)
    gradients = to_jsra({n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}, "mmdet").arrays
    for name in mmdet_model.GRADIENTS:
        out[f"grad/{name}"] = parity.sampled(gradients[name], name)
        out[f"grad/{name}/norm"] = np.float64(np.linalg.norm(gradients[name]))
    model.load_state_dict(state)
    steps(model, args.coco_mini, out)
    kept = {name: array for name, array in out.items() if "/fpn" not in name and "/rpn_" not in name}
    np.savez_compressed(mmdet_model.VECTORS, **kept)
    print(mmdet_model.VECTORS, os.path.getsize(mmdet_model.VECTORS) // 1024, "KB")


if __name__ == "__main__":
    main()
