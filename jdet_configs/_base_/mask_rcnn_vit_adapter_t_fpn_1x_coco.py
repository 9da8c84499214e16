# ViT-Adapter-T's recipe for Mask R-CNN (czczup/ViT-Adapter): 12 epochs of AdamW. Without factors of the blocks' branches
# (layer_scale), as in the published weights; the authors' config has had them since June 2025.
_base_ = ["models/mask_rcnn_r50_fpn.py", "coco_instance.py", "schedule_1x.py"]
model = dict(
    backbone=dict(_cover_=True, type="ViTAdapter", layer_scale=False, drop_path_rate=0.1),
    neck=dict(in_channels=[192, 192, 192, 192]),
)
pretrained_weights = "data/weights/deit_tiny_patch16_224-a1311bcf.pth"
optimizer = dict(_cover_=True, type="AdamW", lr=0.0002, betas=[0.9, 0.999], weight_decay=0.01)
parameter_groups_generator = dict(type="ParameterGroups", no_decay=["level_embed", "pos_embed", "norm", "bias"])
