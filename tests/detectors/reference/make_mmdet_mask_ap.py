"""mmdet's result file of Mask R-CNN R50-FPN on coco_masks val, with the inputs of tests/detectors/mask_ap.py.

    PEER_PYTHON tests/detectors/reference/make_mmdet_mask_ap.py ../shared/data/coco_masks OUT.json
"""

import json
import sys

import numpy as np
import torch
from make_mmdet import build, meta
from make_mmdet_masks import DETECTORS
from pycocotools import mask as coco_mask

from tests.detectors import mask_ap


def main(folder, path):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    model = build(seeded=mask_ap.seeded, name=DETECTORS["mask_rcnn"]).eval()
    truth, results = mask_ap.ground_truth(folder), []
    for image_id, pixels, size, proposals in mask_ap.images(folder, truth):
        sample = DetDataSample(metainfo=meta(size, size, pixels.shape))
        given = InstanceData(bboxes=torch.from_numpy(proposals), scores=torch.ones(len(proposals)))
        with torch.no_grad():
            feats = model.extract_feat(torch.from_numpy(pixels[None]))
            (found,) = model.roi_head.predict(feats, [given], [sample], rescale=True)
        rles = []
        for mask in found.masks.numpy():
            rle = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
            rles.append({"size": rle["size"], "counts": rle["counts"].decode("ascii")})
        results += mask_ap.submission(truth, image_id, found.bboxes.numpy(), found.scores.numpy(), rles)
    with open(path, "w", encoding="utf8") as file:
        json.dump(results, file)
    print(len(results), "detections")


if __name__ == "__main__":
    main(*sys.argv[1:])
