# Geometry and appearance, the whole image at sparse positions, at most 196 inside and outside.
_base_ = "../_base_/mini_c5.py"
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(
                roi_layer=dict(
                    _cover_=True,
                    type="LearnedRegionFeatures",
                    in_channels=64,
                )
            )
        )
    )
)
