"""Run mmdet's RetinaNet R50-FPN on seeded weights and real images, and keep what tests/detectors compares with.

    PEER_PYTHON tests/detectors/reference/make_retinanet.py ../shared/data/coco_mini [--checkpoint FILE.pth]

PEER_PYTHON has mmdet 3.3, mmcv 2.1 and PyTorch. The weights are made from their names and a seed, so only mmdet's results are
written: tests/detectors/reference/retinanet.npz.
"""

import argparse
import os
import sys

import numpy as np
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.structures import InstanceData

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path.insert(0, ROOT)

from jsra.convert.convert import from_jsra, to_jsra  # noqa: E402
from tests.detectors import parity  # noqa: E402

GRADIENTS = parity.RETINANET_GRADIENTS


def build():
    import mmdet

    register_all_modules()
    configs = os.path.join(os.path.dirname(mmdet.__file__), ".mim", "configs")
    config = Config.fromfile(os.path.join(configs, "retinanet", "retinanet_r50_fpn_1x_coco.py"))
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model)
    ours = to_jsra({name: tensor.numpy() for name, tensor in model.state_dict().items()}, "mmdet")
    if ours.unexpected:
        raise SystemExit(f"mmdet has weights that jsra.convert does not know: {ours.unexpected}")
    weights = from_jsra({name: parity.seeded(name, array.shape) for name, array in ours.arrays.items()}, "mmdet").arrays
    found = model.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in weights.items()}, strict=False)
    assert not found.unexpected_keys and all(n.endswith("num_batches_tracked") for n in found.missing_keys), found
    return model


def sample_of(size, original, padded):
    return DetDataSample(
        metainfo=dict(
            img_shape=size[::-1], ori_shape=original[::-1], pad_shape=padded[-2:], batch_input_shape=padded[-2:],
            scale_factor=(size[0] / original[0], size[1] / original[1]),
        )
    )  # fmt: skip


def inference(model, folder, out):
    model.eval()
    for image_id in parity.RETINANET_IMAGES:
        pixels, size, original = parity.load_image(folder, image_id)
        feats = model.extract_feat(torch.from_numpy(pixels[None]))
        cls, box = model.bbox_head(feats)
        sample = sample_of(size, original, pixels.shape)
        (found,) = model.bbox_head.predict(feats, [sample], rescale=True)
        for kind, levels in (("fpn", feats), ("cls", cls), ("box", box)):
            for level, tensor in enumerate(levels):
                name, array = f"{image_id}/{kind}{level}", tensor.numpy()
                out[name] = parity.sampled(array, name)
                out[f"{name}/scale"] = np.float32([array.mean(), array.std(), np.abs(array).max()])
        out[f"{image_id}/boxes"], out[f"{image_id}/scores"] = found.bboxes.numpy(), found.scores.numpy()
        out[f"{image_id}/labels"] = found.labels.numpy().astype(np.int32) + 1
        print(image_id, pixels.shape, len(found), "detections, scores", out[f"{image_id}/scores"][[0, -1]])


def training(model, folder, out):
    model.train()
    images, samples = [], []
    for image_id in parity.TRAINING:
        pixels, size, original = parity.load_image(folder, image_id)
        boxes, labels, crowd = parity.load_boxes(folder, image_id)
        sample = sample_of(size, original, pixels.shape)
        sample.gt_instances = InstanceData(bboxes=torch.from_numpy(boxes), labels=torch.from_numpy(labels - 1))
        sample.ignored_instances = InstanceData(
            bboxes=torch.from_numpy(crowd), labels=torch.zeros(len(crowd), dtype=torch.int64)
        )
        images.append(pixels)
        samples.append(sample)
    x = torch.from_numpy(parity.batch(images))
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=tuple(x.shape[-2:])))
    found = model.bbox_head.loss(model.extract_feat(x), samples)
    losses = {"loss_cls": sum(found["loss_cls"]), "loss_box": sum(found["loss_bbox"])}
    sum(losses.values()).backward()
    for name, value in losses.items():
        out[name] = np.float64(value.item())
        print(name, value.item())
    gradients = {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}
    gradients = to_jsra(gradients, "mmdet").arrays
    for name in GRADIENTS:
        out[f"grad/{name}"] = parity.sampled(gradients[name], name)
        out[f"grad/{name}/norm"] = np.float64(np.linalg.norm(gradients[name]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    parser.add_argument("--checkpoint", help="also save the weights as an mmdet checkpoint, for `jsra convert`")
    args = parser.parse_args()
    model, out = build(), {}
    print(sum(p.numel() for p in model.parameters()), "parameters")
    if args.checkpoint:
        torch.save({"meta": {"dataset_meta": {}}, "state_dict": model.state_dict()}, args.checkpoint)
    with torch.no_grad():
        inference(model, args.coco_mini, out)
    training(model, args.coco_mini, out)
    path = os.path.join(parity.FOLDER, "retinanet.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main()
