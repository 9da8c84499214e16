# Geometry and appearance; sparse positions of the whole image, at most 196 inside and 196 outside the RoI.
_base_ = "../_base_/faster_rcnn_r50_c5_coco.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="LearnedRegionFeatures")))))
