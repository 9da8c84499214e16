# Adaptive RoI Align (Jung et al. 2018).
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="AdaptiveRoIAlign")))))
