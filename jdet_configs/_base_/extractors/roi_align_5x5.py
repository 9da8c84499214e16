# Table 4: RoI Align of size 5 x 5.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(
                roi_layer=dict(_cover_=True, type="RoIAlign", output_size=5, sampling_ratio=0, aligned=True)
            ),
            head=dict(roi_feat_size=5),
        )
    )
)
