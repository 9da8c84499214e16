"""Run mmdet's Faster R-CNN R50-FPN on seeded weights and real images, and keep what tests/detectors compares with.

    PEER_PYTHON tests/detectors/reference/make_mmdet.py ../shared/data/coco_mini [--checkpoint FILE.pth]

PEER_PYTHON has mmdet 3.3, mmcv 2.1 and PyTorch. The weights are made from their names and a seed, so only mmdet's results are
written: tests/detectors/reference/mmdet.npz.
"""

import argparse
import copy
import os
import sys

import numpy as np
import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
sys.path.insert(0, ROOT)

from jsra.convert.convert import from_jsra, to_jsra  # noqa: E402
from jsra.convert.names import current  # noqa: E402
from tests.detectors import parity  # noqa: E402


def build(extractor=None, seeded=parity.seeded, name="faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"):
    """mmdet's model of one of its configs, which takes all samples; extractor: settings that replace those of its RoI
    extractor; seeded(our name, shape): its weights."""
    import mmdet
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    register_all_modules()
    configs = os.path.join(os.path.dirname(mmdet.__file__), ".mim", "configs")
    config = Config.fromfile(os.path.join(configs, *name.split("/")))
    config.model.backbone.init_cfg = None
    # All samples instead of random ones, so that the training losses are a function of the inputs.
    seconds = config.model.train_cfg.rcnn
    for stage in [config.model.train_cfg.rpn, *(seconds if isinstance(seconds, list) else [seconds])]:
        stage.sampler.update(num=10**7, pos_fraction=1.0)
    if extractor is not None:
        config.model.roi_head.bbox_roi_extractor = extractor
    model = MODELS.build(config.model)
    names = {name: tensor for name, tensor in model.state_dict().items()}
    ours = to_jsra({name: tensor.numpy() for name, tensor in names.items()}, "mmdet")
    if ours.unexpected:
        raise SystemExit(f"mmdet has weights that jsra.convert does not know: {ours.unexpected}")
    weights = from_jsra({name: seeded(name, array.shape) for name, array in ours.arrays.items()}, "mmdet").arrays
    missing, unexpected = model.load_state_dict(
        {n: torch.from_numpy(a.copy()) for n, a in weights.items()}, strict=False
    )
    assert not unexpected and all(n.endswith("num_batches_tracked") for n in missing), (missing, unexpected)
    return model


def meta(size, original, padded):
    return dict(
        img_shape=size[::-1], ori_shape=original[::-1], pad_shape=padded[-2:], batch_input_shape=padded[-2:],
        scale_factor=(size[0] / original[0], size[1] / original[1]),
    )  # fmt: skip


def inference(model, folder, out):
    from mmdet.structures import DetDataSample

    model.eval()
    for image_id in parity.IMAGES:
        pixels, size, original = parity.load_image(folder, image_id)
        sample = DetDataSample(metainfo=meta(size, original, pixels.shape))
        x = torch.from_numpy(pixels[None])
        feats = model.extract_feat(x)
        cls, reg = model.rpn_head(feats)
        found = model.rpn_head.predict(feats, [sample], rescale=False)
        results = model.roi_head.predict(feats, found, [sample], rescale=True)[0]
        for kind, levels in (("fpn", feats), ("rpn_cls", cls), ("rpn_box", reg)):
            for level, tensor in enumerate(levels):
                name = f"{image_id}/{kind}{level}"
                array = tensor.numpy()
                out[name] = parity.sampled(array, name)
                out[f"{name}/scale"] = np.float32([array.mean(), array.std(), np.abs(array).max()])
        out[f"{image_id}/proposals"] = found[0].bboxes.numpy()
        out[f"{image_id}/proposal_scores"] = found[0].scores.numpy()
        out[f"{image_id}/boxes"] = results.bboxes.numpy()
        out[f"{image_id}/scores"] = results.scores.numpy()
        out[f"{image_id}/labels"] = results.labels.numpy().astype(np.int32) + 1
        scores = out[f"{image_id}/scores"]
        print(
            image_id, x.shape, len(found[0]), "proposals,", len(scores), "detections, scores", scores[:4], scores[-1:]
        )


def training_batch(folder, **number):
    """(images, samples, proposals) of parity.TRAINING; number: of the proposals, see parity.proposals."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    images, samples, given = [], [], []
    for image_id in parity.TRAINING:
        pixels, size, original = parity.load_image(folder, image_id)
        boxes, labels, crowd = parity.load_boxes(folder, image_id)
        sample = DetDataSample(metainfo=meta(size, original, pixels.shape))
        sample.gt_instances = InstanceData(bboxes=torch.from_numpy(boxes), labels=torch.from_numpy(labels - 1))
        sample.ignored_instances = InstanceData(
            bboxes=torch.from_numpy(crowd), labels=torch.zeros(len(crowd), dtype=torch.int64)
        )
        images.append(pixels)
        samples.append(sample)
        around = torch.from_numpy(parity.proposals(boxes, size, image_id, **number))
        given.append(
            InstanceData(bboxes=around, scores=torch.ones(len(around)), labels=torch.zeros(len(around)).long())
        )
    x = torch.from_numpy(parity.batch(images))
    for sample in samples:
        sample.set_metainfo(dict(batch_input_shape=tuple(x.shape[-2:])))
    return x, samples, given


def losses_of(model, x, samples, given):
    """The four losses by our names; the second stage on the given proposals."""
    feats = model.extract_feat(x)
    losses = first_stage_losses(model, feats, samples)
    roi = model.roi_head.loss(feats, copy.deepcopy(given), samples)
    losses.update(loss_cls=roi["loss_cls"], loss_box=roi["loss_bbox"])
    return losses


def first_stage_losses(model, feats, samples):
    first_stage = copy.deepcopy(samples)
    for sample in first_stage:  # as TwoStageDetector.loss does: objects of any class are class 0 to the RPN
        sample.gt_instances.labels = torch.zeros_like(sample.gt_instances.labels)
    rpn = model.rpn_head.loss(feats, first_stage)
    return {"loss_rpn_cls": sum(rpn["loss_rpn_cls"]), "loss_rpn_box": sum(rpn["loss_rpn_bbox"])}


def training(model, folder, out):
    model.train()
    losses = losses_of(model, *training_batch(folder))
    sum(losses.values()).backward()
    for name, value in losses.items():
        out[name] = np.float64(value.item())
        print(name, value.item())
    gradients = {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}
    gradients = to_jsra(gradients, "mmdet").arrays
    for name in parity.GRADIENTS:
        gradient = gradients[current(name)]
        out[f"grad/{name}"] = parity.sampled(gradient, name)
        out[f"grad/{name}/norm"] = np.float64(np.linalg.norm(gradient))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    parser.add_argument("--checkpoint", help="also save the weights as an mmdet checkpoint, for `jsra convert`")
    args = parser.parse_args()
    model = build()
    if args.checkpoint:
        torch.save({"meta": {"dataset_meta": {}}, "state_dict": model.state_dict()}, args.checkpoint)
    out = {}
    with torch.no_grad():
        inference(model, args.coco_mini, out)
    training(model, args.coco_mini, out)
    os.makedirs(parity.FOLDER, exist_ok=True)
    path = os.path.join(parity.FOLDER, "mmdet.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main()
