"""Run torchvision's ResNet-50 and Faster R-CNN on seeded weights and a real image, and keep what the tests compare with.

    PEER_PYTHON tests/detectors/reference/make_torchvision.py ../shared/data/coco_mini

PEER_PYTHON has torchvision 0.27 and PyTorch. Writes tests/detectors/reference/torchvision.npz and, as tests of reading,
small PyTorch files of both formats to tests/convert/files.
"""

import argparse
import os
import sys

import numpy as np
import torch
import torchvision

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path.insert(0, ROOT)

from jsra.convert.convert import from_jsra, to_jsra  # noqa: E402
from tests.detectors import parity  # noqa: E402

IMAGE = 724


def seed_weights(model, family):
    """Seeded weights by our names, written into a torchvision model through jsra.convert."""
    ours = to_jsra({name: tensor.numpy() for name, tensor in model.state_dict().items()}, family)
    weights = from_jsra({name: parity.seeded(name, array.shape) for name, array in ours.arrays.items()}, family).arrays
    missing, unexpected = model.load_state_dict(
        {n: torch.from_numpy(a.copy()) for n, a in weights.items()}, strict=False
    )
    assert not unexpected and all("num_batches" in n or n.startswith("fc.") for n in missing), (missing, unexpected)
    return model.eval()


def backbone(x, out):
    model = seed_weights(torchvision.models.resnet50(), "backbone")
    x = model.maxpool(model.relu(model.bn1(model.conv1(x))))
    for stage in range(1, 5):
        x = getattr(model, f"layer{stage}")(x)
        name = f"backbone{stage}"
        out[name] = parity.sampled(x.numpy(), name)
        out[f"{name}/scale"] = np.float32([x.mean(), x.std(), x.abs().max()])


def detector(x, size, out):
    from torchvision.models.detection.image_list import ImageList

    model = torchvision.models.detection.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=81)
    seed_weights(model, "torchvision")
    feats = model.backbone(x)
    proposals, _ = model.rpn(ImageList(x, [size[::-1]]), feats)
    (result,), _ = model.roi_heads(feats, proposals, [size[::-1]])
    out["proposals"] = proposals[0].numpy()
    for key, value in result.items():
        out[key] = value.numpy()
    print(len(proposals[0]), "proposals", len(result["scores"]), "detections", result["scores"][:4])


def torch_files(folder):
    """Views, strides, scalars and every dtype, in both formats."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 8, generator=generator)
    tensors = {
        "plain": base,
        "transposed": base.t(),
        "offset_and_stride": base[1::2, 3:7:2],
        "scalar_view": base[2, 3],
        "empty": torch.zeros(0, 4),
        "parameter": torch.nn.Parameter(torch.arange(5.0)),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "double": base.double(),
        "int64": torch.arange(-3, 3),
        "uint8": torch.arange(250, 256).to(torch.uint8),
        "bool": base > 0,
    }
    os.makedirs(folder, exist_ok=True)
    for name, zipped in (("zip.pth", True), ("legacy.pth", False)):
        checkpoint = {"meta": {"epoch": 3, "note": "x"}, "state_dict": tensors}
        torch.save(checkpoint, os.path.join(folder, name), _use_new_zipfile_serialization=zipped)
    np.savez(
        os.path.join(folder, "expected.npz"),
        **{name: (t.float() if t.dtype == torch.bfloat16 else t).detach().numpy() for name, t in tensors.items()},
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    args = parser.parse_args()
    pixels, size, _ = parity.load_image(args.coco_mini, IMAGE)
    out = {}
    with torch.no_grad():
        backbone(torch.from_numpy(pixels[None]), out)
        detector(torch.from_numpy(pixels[None]), size, out)
    np.savez_compressed(os.path.join(parity.FOLDER, "torchvision.npz"), **out)
    torch_files(os.path.join(ROOT, "tests", "convert", "files"))


if __name__ == "__main__":
    main()
