# Table 2: semantic map and area embedding, no descriptor.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", descriptor="none"))))
)
