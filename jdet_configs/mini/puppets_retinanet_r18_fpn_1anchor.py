# RetinaNet with one anchor per position, only AlignDet's DPM (table 3, 'w/o ADM').
_base_ = "../_base_/mini_retinanet.py"
model = dict(
    head=dict(
        anchor_generator=dict(_cover_=True, type="AnchorGenerator", scales=[4], ratios=[1.0], strides=[8, 16, 32, 64, 128])
    )
)
