# Table 4: 25 masks, read as 5 x 5 by the head.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", num_masks=25)),
            head=dict(roi_feat_size=5),
        )
    )
)
