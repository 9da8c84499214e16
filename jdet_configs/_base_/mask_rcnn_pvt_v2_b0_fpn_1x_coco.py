# PVTv2's recipe for Mask R-CNN (whai362/PVT): 12 epochs of AdamW, weight decay for all weights.
_base_ = ["models/mask_rcnn_r50_fpn.py", "coco_instance.py", "schedule_1x.py"]
model = dict(backbone=dict(_cover_=True, type="PVTv2", variant="b0"), neck=dict(in_channels=[32, 64, 160, 256]))
pretrained_weights = "data/weights/pvt_v2_b0.pth"
optimizer = dict(_cover_=True, type="AdamW", lr=0.0002, betas=[0.9, 0.999], weight_decay=0.0001)
