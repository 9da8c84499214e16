# Table 4: 9 masks, read as 3 x 3 by the head.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", num_masks=9)),
            head=dict(roi_feat_size=3),
        )
    )
)
