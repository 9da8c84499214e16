# Semantic RoI Align in each stage of a cascade.
_extractor = dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign")))
model = dict(roi_head=dict(box=dict(stages=dict(s0=_extractor, s1=_extractor, s2=_extractor))))
del _extractor
