# Table 3: descriptor from the concatenated positions, which needs a fixed grid.
model = dict(
    roi_head=dict(
        box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", grid=8, descriptor="concat")))
    )
)
