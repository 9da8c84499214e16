# RoI Align (He et al. 2017), 7 x 7, adaptive sampling: the baseline.
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(_cover_=True, type="RoIAlign", output_size=7, sampling_ratio=0, aligned=True))
        )
    )
)
