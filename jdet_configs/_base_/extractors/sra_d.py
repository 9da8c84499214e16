# Table 2: masks from the RoI descriptor only.
model = dict(
    roi_head=dict(
        box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", semantic=False, position="none")))
    )
)
