# Table 4: only geometry.
_base_ = "faster_rcnn_r50_c5_learned_region.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(appearance=False)))))
