# Table 2: descriptor and area embedding, no semantic map.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", semantic=False))))
)
