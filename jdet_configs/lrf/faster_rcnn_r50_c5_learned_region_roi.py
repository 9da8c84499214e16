# Table 2: every position of the RoI.
_base_ = "faster_rcnn_r50_c5_learned_region_dense.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(support="roi")))))
