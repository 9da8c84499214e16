# The authors have not published a Mask R-CNN with Swin-B: drop_path_rate 0.3 is from their Cascade Mask R-CNN.
_base_ = "mask_rcnn_swin_s_fpn_ms_crop_3x_coco.py"
model = dict(
    backbone=dict(embed_dims=128, num_heads=[4, 8, 16, 32], drop_path_rate=0.3),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
pretrained_weights = "data/weights/swin_base_patch4_window7_224.pth"
