# Table 4: RoI Align of size 10 x 10.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(
                roi_layer=dict(_cover_=True, type="RoIAlign", output_size=10, sampling_ratio=0, aligned=True)
            ),
            head=dict(roi_feat_size=10),
        )
    )
)
