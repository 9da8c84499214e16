_base_ = "coco_lite0_fpn_sra_init_logits.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(norm="layer")))))
