"""Run torchvision's Mask R-CNN as make_torchvision.py runs its Faster R-CNN: tests/detectors/reference/torchvision_masks.npz.

    PEER_PYTHON tests/detectors/reference/make_torchvision_masks.py ../shared/data/coco_mini

PEER_PYTHON has torchvision 0.27, PyTorch and pycocotools.
"""

import argparse
import os

import numpy as np
import torch
import torchvision
from make_torchvision import IMAGE, parity, seed_weights
from pycocotools import mask as coco_mask
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import maskrcnn_loss, paste_masks_in_image


def inference(model, x, size, out):
    feats = model.backbone(x)
    proposals, _ = model.rpn(ImageList(x, [size[::-1]]), feats)
    logits = []
    hook = model.roi_heads.mask_predictor.register_forward_hook(lambda module, given, answer: logits.append(answer))
    (result,), _ = model.roi_heads(feats, proposals, [size[::-1]])
    hook.remove()
    array = logits[0][:, 1:].numpy()  # the first is the background's
    out["mask"] = parity.sampled(array, "mask")
    out["mask/scale"] = np.float32([array.mean(), array.std(), np.abs(array).max()])
    pasted = paste_masks_in_image(result.pop("masks"), result["boxes"], size[::-1])[:, 0] >= 0.5
    rles = [coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))["counts"] for mask in pasted]
    out["rles"] = np.frombuffer(b"\n".join(rles), np.uint8)
    for key, value in result.items():
        out[key] = value.numpy()
    print(len(result["scores"]), "detections", result["scores"][:4])


def mask_loss(model, x, size, folder, out):
    """Of the positives among the proposals of parity.FEW: proposals, labels and their objects are kept too."""
    boxes, labels, _ = parity.load_boxes(folder, IMAGE)
    bitmaps = [
        coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size[::-1])))
        for polygons in parity.load_polygons(folder, IMAGE, size)
    ]
    given = torch.from_numpy(np.concatenate([boxes, parity.proposals(boxes, size, IMAGE, **parity.FEW)]))
    overlap, matched = torchvision.ops.box_iou(given, torch.from_numpy(boxes)).max(dim=1)
    given, matched = given[overlap >= 0.5], matched[overlap >= 0.5]
    heads = model.roi_heads
    with torch.no_grad():
        feats = model.backbone(x)
    logits = heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(feats, [given], [size[::-1]])))
    truth = torch.from_numpy(np.stack(bitmaps))
    loss = maskrcnn_loss(logits, [given], [truth], [torch.from_numpy(labels)], [matched])
    loss.backward()
    gradient = model.roi_heads.mask_predictor.conv5_mask.weight.grad.numpy()
    out.update(positives=given.numpy(), matched=matched.numpy(), loss_mask=np.float64(loss.item()))
    out["grad"] = parity.sampled(gradient, "grad")
    out["grad/norm"] = np.float64(np.linalg.norm(gradient))
    print("loss_mask", loss.item(), "of", len(given))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    folder = parser.parse_args().coco_mini
    pixels, size, _ = parity.load_image(folder, IMAGE)
    build = torchvision.models.detection.maskrcnn_resnet50_fpn
    model = seed_weights(build(weights=None, weights_backbone=None, num_classes=81), "torchvision")
    x, out = torch.from_numpy(pixels[None]), {"parameters": np.int64(sum(p.numel() for p in model.parameters()))}
    with torch.no_grad():
        inference(model, x, size, out)
    mask_loss(model, x, size, folder, out)
    path = os.path.join(parity.FOLDER, "torchvision_masks.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main()
