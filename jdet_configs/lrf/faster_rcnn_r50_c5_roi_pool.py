# Regular RoI pooling.
_base_ = "../_base_/faster_rcnn_r50_c5_coco.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="RoIPool")))))
