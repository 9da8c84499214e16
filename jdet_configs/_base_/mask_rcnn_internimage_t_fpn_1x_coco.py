# InternImage-T's recipe for Mask R-CNN (OpenGVLab/InternImage): 12 epochs of AdamW, no weight decay for 1-d parameters.
_base_ = ["models/mask_rcnn_r50_fpn.py", "coco_instance.py", "schedule_1x.py"]
model = dict(backbone=dict(_cover_=True, type="InternImage", drop_path_rate=0.2), neck=dict(in_channels=[64, 128, 256, 512]))
pretrained_weights = "data/weights/internimage_t_1k_224.pth"
optimizer = dict(_cover_=True, type="AdamW", lr=0.0001, betas=[0.9, 0.999], weight_decay=0.05)
parameter_groups_generator = dict(type="ParameterGroups", no_decay_1d=True, no_decay=["norm"])
