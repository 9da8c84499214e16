# Table 4: 100 masks, read as 10 x 10 by the head.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(_cover_=True, type="SemanticRoIAlign", num_masks=100)),
            head=dict(roi_feat_size=10),
        )
    )
)
