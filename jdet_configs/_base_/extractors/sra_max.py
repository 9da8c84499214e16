# Table 3: descriptor from the maximum over positions.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", descriptor="max"))))
)
