"""Run mmdet's Mask R-CNN and Cascade Mask R-CNN R50-FPN as make_mmdet.py runs its Faster R-CNN.

    PEER_PYTHON tests/detectors/reference/make_mmdet_masks.py ../shared/data/coco_mini [--out FOLDER] [--every N]

Writes mmdet_mask_rcnn.npz and mmdet_cascade_mask_rcnn.npz next to it, or in FOLDER. Backbone, pyramid and RPN are those of
mmdet.npz, because weights depend only on names; its proposals are used. Every Nth mask of the detections is stored.
"""

import argparse
import contextlib
import json
import os

import numpy as np
import torch
from make_mmdet import build, first_stage_losses, meta, parity, to_jsra, training_batch
from pycocotools import mask as coco_mask

DETECTORS = {
    "mask_rcnn": "mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    "cascade_mask_rcnn": "cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py",
}


@contextlib.contextmanager
def recorded(owner, method):
    """A list of what a method of an object answers from now on."""
    answers, original = [], getattr(owner, method)

    def call(*args, **kwargs):
        answers.append(original(*args, **kwargs))
        return answers[-1]

    setattr(owner, method, call)
    yield answers
    delattr(owner, method)


def keep(out, name, tensor):
    """parity.SAMPLES of the numbers, and their mean, deviation and largest."""
    array = tensor.detach().numpy()
    out[name] = parity.sampled(array, name)
    out[f"{name}/scale"] = np.float32([array.mean(), array.std(), np.abs(array).max()])


def encode(masks):
    rles = [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]
    return np.frombuffer(json.dumps([rle["counts"].decode("ascii") for rle in rles]).encode(), np.uint8)


def inference(model, folder, out, every):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    model.eval()
    head = model.roi_head
    with np.load(os.path.join(parity.FOLDER, "mmdet.npz")) as stored:
        proposals = {image_id: torch.from_numpy(stored[f"{image_id}/proposals"]) for image_id in parity.IMAGES}
    for image_id in parity.IMAGES:
        pixels, size, original = parity.load_image(folder, image_id)
        sample = DetDataSample(metainfo=meta(size, original, pixels.shape))
        feats = model.extract_feat(torch.from_numpy(pixels[None]))
        given = InstanceData(bboxes=proposals[image_id], scores=torch.ones(len(proposals[image_id])))
        with recorded(head, "_bbox_forward") as boxes, recorded(head, "_mask_forward") as masks:
            (found,) = head.predict(feats, [given], [sample], rescale=True)
        for stage, answer in enumerate(boxes):
            keep(out, f"{image_id}/cls{stage}", answer["cls_score"])
            keep(out, f"{image_id}/box{stage}", answer["bbox_pred"])
        for stage, answer in enumerate(masks):
            keep(out, f"{image_id}/mask{stage}", answer["mask_preds"])
        out[f"{image_id}/boxes"] = found.bboxes.numpy()
        out[f"{image_id}/scores"] = found.scores.numpy()
        out[f"{image_id}/labels"] = found.labels.numpy().astype(np.int32) + 1
        out[f"{image_id}/rles"] = encode(found.masks.numpy()[::every])
        print(image_id, len(found), "detections, scores", found.scores[:3], "filled", found.masks.float().mean().item())


def give_masks(samples, folder, padded):
    """The objects' bitmaps, padded like the images, which mmdet's data preprocessor does."""
    from mmdet.structures.mask import BitmapMasks

    for sample, image_id in zip(samples, parity.TRAINING):
        height, width = sample.metainfo["img_shape"]
        bitmaps = [
            coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))
            for polygons in parity.load_polygons(folder, image_id, (width, height))
        ]
        sample.gt_instances.masks = BitmapMasks(bitmaps, height, width).pad(padded)


def training(model, folder, out):
    """Losses, targets of the masks, and gradients of the heads and with respect to the pyramid's maps."""
    model.train()
    x, samples, given = training_batch(folder, **parity.FEW)
    give_masks(samples, folder, tuple(x.shape[-2:]))
    with torch.no_grad():
        feats = model.extract_feat(x)
    feats = [feat.requires_grad_() for feat in feats]
    losses = first_stage_losses(model, feats, samples)
    model.zero_grad()
    heads = model.roi_head.mask_head
    heads = list(heads) if isinstance(heads, torch.nn.ModuleList) else [heads]
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(recorded(head, "get_targets")) for head in heads]
        inputs = [stack.enter_context(recorded(head, "loss_and_target")) for head in heads]
        seconds = model.roi_head.loss(feats, given, samples)
    assert all(len(calls) == 1 for calls in inputs)
    seconds = {name.replace("bbox", "box"): value for name, value in seconds.items() if "loss" in name}
    sum(seconds.values()).backward()
    losses.update(seconds)
    for name, value in losses.items():
        out[name] = np.float64(value.item())
        print(name, value.item())
    for stage, (found,) in enumerate(targets):
        print("stage", stage, "positives", len(found), "filled", found.mean().item())
        out[f"targets{stage}/size"] = np.array(found.shape)
        out[f"targets{stage}"] = np.packbits(found.numpy().astype(bool))
    for level, feat in enumerate(feats[:4]):
        keep(out, f"grad/level{level}", feat.grad)
    gradients = {n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}
    for name, gradient in to_jsra(gradients, "mmdet").arrays.items():
        if name.startswith("roi_head") and name.endswith("weight"):
            out[f"grad/{name}"] = parity.sampled(gradient, name)
            out[f"grad/{name}/norm"] = np.float64(np.linalg.norm(gradient))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    parser.add_argument("--out", default=parity.FOLDER)
    parser.add_argument("--every", type=int, default=10)
    args = parser.parse_args()
    for name, config in DETECTORS.items():
        model = build(name=config)
        out = {"parameters": np.int64(sum(p.numel() for p in model.parameters()))}
        with torch.no_grad():
            inference(model, args.coco_mini, out, args.every)
        training(model, args.coco_mini, out)
        path = os.path.join(args.out, f"mmdet_{name}.npz")
        np.savez_compressed(path, **out)
        print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main()
