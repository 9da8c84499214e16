# Table 2: position embedding of the block's centre instead of the area embedding.
model = dict(
    roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", position="point"))))
)
