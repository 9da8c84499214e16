_base_ = "coco_lite0_fpn_sra.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(gamma=5.0)))))
