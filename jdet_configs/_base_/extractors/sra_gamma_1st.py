# Table 3, gamma 1st: our text copy has no value, 2 is our choice.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", gamma=2.0)))))
