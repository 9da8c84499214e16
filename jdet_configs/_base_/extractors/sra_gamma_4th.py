# Table 3, gamma 4th: our text copy has no value, 250 is our choice.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", gamma=250.0))))
)
