_base_ = "mask_rcnn_swin_t_fpn_ms_crop_3x_coco.py"
model = dict(backbone=dict(depths=[2, 2, 18, 2]))
pretrained_weights = "data/weights/swin_small_patch4_window7_224.pth"
