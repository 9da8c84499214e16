# Geometry and appearance; sparse positions of the whole image, at most 196 inside and 196 outside the RoI.
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
