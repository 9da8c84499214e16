# Table 2: masks from the semantic map only.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", descriptor="none", position="none"))
        )
    )
)
