_base_ = "../_base_/bccd_r18_fpn.py"
model = dict(
    roi_head=dict(
        box=dict(
            extractor=dict(roi_layer=dict(type="SemanticRoIAlign", _cover_=True, in_channels=128, num_masks=49)),
        )
    )
)
