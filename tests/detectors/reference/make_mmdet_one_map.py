"""Run mmdet's Faster R-CNN R50 on one map, with seeded weights and a real image, for test_parity_mmdet_one_map.py.

    PEER_PYTHON tests/detectors/reference/make_mmdet_one_map.py ../shared/data/coco_mini {c4,dc5}

PEER_PYTHON: as for make_mmdet.py. c4 is mmdet's faster-rcnn_r50-caffe_c4 with the stride on the 3x3 convolutions, dc5
mmtracking's faster_rcnn_r50_dc5. Only results are written: mmdet_c4.npz, mmdet_dc5.npz.
"""

import argparse
import os

import numpy as np
import torch
from make_mmdet import from_jsra, meta, parity, to_jsra


def c4(read):
    model = read("faster-rcnn_r50-caffe_c4-1x_coco.py")
    model.backbone.update(init_cfg=None, style="pytorch")
    model.roi_head.shared_head.update(init_cfg=None, style="pytorch")
    model.test_cfg.rpn.update(max_per_img=40)  # a ResNet's last stage on each is costly
    return model


def dc5(read):
    model = read("faster-rcnn_r50_fpn_1x_coco.py")
    model.backbone.update(init_cfg=None, out_indices=(3,), strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    model.neck = dict(type="ChannelMapper", in_channels=[2048], out_channels=512, kernel_size=3)
    model.rpn_head.update(in_channels=512, feat_channels=512)
    model.rpn_head.anchor_generator.update(scales=[4, 8, 16, 32], strides=[16])
    model.rpn_head.loss_bbox = dict(type="SmoothL1Loss", beta=1 / 9, loss_weight=1.0)
    extractor, head = model.roi_head.bbox_roi_extractor, model.roi_head.bbox_head
    extractor.update(out_channels=512, featmap_strides=[16])
    extractor.roi_layer.update(sampling_ratio=2)
    head.update(in_channels=512, num_classes=30, loss_bbox=dict(type="SmoothL1Loss", beta=1.0, loss_weight=1.0))
    head.bbox_coder.update(target_stds=[0.2] * 4)
    model.train_cfg.rpn.update(allowed_border=0)
    model.train_cfg.rcnn.assigner.update(match_low_quality=True)
    model.test_cfg.rpn.update(nms_pre=6000, max_per_img=300)
    model.test_cfg.rcnn.update(score_thr=0.0001)
    return model


def build(settings):
    import mmdet
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    register_all_modules()
    configs = os.path.join(os.path.dirname(mmdet.__file__), ".mim", "configs")
    model = settings(lambda name: Config.fromfile(os.path.join(configs, "faster_rcnn", name)).model)
    # All samples instead of random ones, so that the training losses are a function of the inputs.
    for stage in (model.train_cfg.rpn, model.train_cfg.rcnn):
        stage.sampler.update(num=10**7, pos_fraction=1.0)
    model = MODELS.build(model)
    ours = to_jsra({name: tensor.numpy() for name, tensor in model.state_dict().items()}, "mmdet")
    assert not ours.unexpected, ours.unexpected
    weights = from_jsra({name: parity.modest(name, array.shape) for name, array in ours.arrays.items()}, "mmdet").arrays
    model.load_state_dict({n: torch.from_numpy(a.copy()) for n, a in weights.items()}, strict=False)
    return model


def inference(model, folder, out):
    from mmdet.structures import DetDataSample

    model.eval()
    image_id = parity.TRAINING[1]
    pixels, size, original = parity.load_image(folder, image_id)
    sample = DetDataSample(metainfo=meta(size, original, pixels.shape))
    (x,) = feats = model.extract_feat(torch.from_numpy(pixels[None]))
    out["map"], out["map/scale"] = parity.sampled(x.numpy(), "map"), np.float32([x.abs().max()])
    found = model.rpn_head.predict(feats, [sample], rescale=False)
    out["proposals"] = found[0].bboxes.numpy()
    results = model.roi_head.predict(feats, found, [sample], rescale=True)[0]
    out["boxes"], out["scores"] = results.bboxes.numpy(), results.scores.numpy()
    out["labels"] = results.labels.numpy().astype(np.int32) + 1
    print(len(out["proposals"]), "proposals,", len(out["scores"]), "detections, scores", out["scores"][:4])


def training(model, folder, out, few, gradient_names):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    model.train()
    image_id = parity.TRAINING[1]
    pixels, size, original = parity.load_image(folder, image_id)
    boxes, labels, _ = parity.load_boxes(folder, image_id)
    boxes, labels = torch.from_numpy(boxes), torch.from_numpy(labels % 30)
    sample = DetDataSample(metainfo=meta(size, original, pixels.shape))
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0).long())
    feats = model.extract_feat(torch.from_numpy(pixels[None]))
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.zeros_like(labels))
    rpn = model.rpn_head.loss(feats, [sample])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    around = torch.from_numpy(parity.proposals(boxes.numpy(), size, image_id, **few))
    given = InstanceData(bboxes=around, scores=torch.ones(len(around)), labels=torch.zeros(len(around)).long())
    roi = model.roi_head.loss(feats, [given], [sample])
    losses = {
        "loss_rpn_cls": sum(rpn["loss_rpn_cls"]), "loss_rpn_box": sum(rpn["loss_rpn_bbox"]),
        "loss_cls": roi["loss_cls"], "loss_box": roi["loss_bbox"],
    }  # fmt: skip
    sum(losses.values()).backward()
    out.update({name: np.float64(value.item()) for name, value in losses.items()})
    print({name: value.item() for name, value in losses.items()})
    gradients = to_jsra({n: p.grad.numpy() for n, p in model.named_parameters() if p.grad is not None}, "mmdet").arrays
    for name in gradient_names:
        out[f"grad/{name}"] = parity.sampled(gradients[name], name)
        out[f"grad/{name}/norm"] = np.float64(np.linalg.norm(gradients[name]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("coco_mini")
    parser.add_argument("model", choices=parity.ONE_MAP)
    args = parser.parse_args()
    model, out = build({"c4": c4, "dc5": dc5}[args.model]), {}
    with torch.no_grad():
        inference(model, args.coco_mini, out)
    training(model, args.coco_mini, out, *parity.ONE_MAP[args.model])
    path = os.path.join(parity.FOLDER, f"mmdet_{args.model}.npz")
    np.savez_compressed(path, **out)
    print(path, os.path.getsize(path) // 1024, "KB")


if __name__ == "__main__":
    main()
