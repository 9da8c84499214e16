_base_ = "coco_lite0_fpn_sra.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(initial_logit_std=None, position_gain=None)))))
