# Table 2: aligned RoI pooling on boxes of twice the area.
_base_ = "../_base_/faster_rcnn_r50_c5_coco.py"
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(
                roi_layer=dict(
                    _cover_=True,
                    type="EnlargedRoI",
                    roi_layer=dict(type="RoIAlign"),
                )
            )
        )
    )
)
