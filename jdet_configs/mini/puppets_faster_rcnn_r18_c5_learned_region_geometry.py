# Table 4: geometry alone.
_base_ = "../_base_/mini_c5.py"
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(
                roi_layer=dict(
                    _cover_=True,
                    type="LearnedRegionFeatures",
                    appearance=False,
                    in_channels=64,
                )
            )
        )
    )
)
