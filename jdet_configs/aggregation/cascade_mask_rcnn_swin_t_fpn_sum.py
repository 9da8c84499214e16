# Table 6: Swin-T. The text gives no recipe for it; norms and position tables have no weight decay, as in Swin's recipe.
_base_ = ["../_base_/aggregation_cascade_mask_rcnn_r50_fpn.py", "../_base_/backbones/swin_t.py"]
pretrained_weights = "data/weights/swin_tiny_patch4_window7_224.pth"
parameter_groups_generator = dict(type="ParameterGroups", no_decay=["relative_position_bias_table", "norm"])
