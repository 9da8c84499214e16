# Table 5: deformable RoI pooling of 2017, without modulation (other than in SRA's tables); one pack for each level.
_base_ = "../faster_rcnn_r50_fpn_deform_roi_pool_1x_coco.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="DeformRoIPoolPack")))))
