# The rotated RoI learner of RoI Transformer (Ding et al. 2019).
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="RoITransformer")))))
