# Table 2: descriptor and semantic map, no position.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", position="none"))))
)
