# Semantic RoI Align with the paper's settings in each stage of a cascade.
_stage = dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign")))
model = dict(roi_head=dict(box=dict(stages=dict(s0=_stage, s1=_stage, s2=_stage))))
del _stage
