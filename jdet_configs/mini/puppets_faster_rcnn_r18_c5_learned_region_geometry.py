# Table 4: only geometry.
_base_ = "puppets_faster_rcnn_r18_c5_learned_region.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(appearance=False)))))
