# Table 3, gamma 2nd: our text copy has no value, 10 is our choice.
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", gamma=10.0)))))
