# Swin's recipe for Mask R-CNN: 36 epochs of AdamW. The rate is reduced after 27 and 33 epochs, as in the published configs;
# the SRA paper has 67% and 92%, which are epochs 8 and 11 of the 12 epochs of the 1x schedule.
_base_ = ["models/mask_rcnn_swin_t_fpn.py", "coco_instance_ms_crop.py", "schedule_1x.py"]
pretrained_weights = "data/weights/swin_tiny_patch4_window7_224.pth"
optimizer = dict(_cover_=True, type="AdamW", lr=0.0001, betas=[0.9, 0.999], weight_decay=0.05)
parameter_groups_generator = dict(type="ParameterGroups", no_decay=["relative_position_bias_table", "norm"])
scheduler = dict(milestones=[27, 33], warmup_iters=1000)
max_epoch = 36
