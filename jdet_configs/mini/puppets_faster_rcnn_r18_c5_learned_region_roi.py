# Table 2: every position of the RoI.
_base_ = "../_base_/mini_c5.py"
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(
                roi_layer=dict(
                    _cover_=True,
                    type="LearnedRegionFeatures",
                    support="roi",
                    max_inside=None,
                    max_outside=None,
                    in_channels=64,
                )
            )
        )
    )
)
