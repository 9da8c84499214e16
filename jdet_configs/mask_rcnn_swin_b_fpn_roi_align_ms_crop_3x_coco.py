_base_ = ["_base_/mask_rcnn_swin_b_fpn_ms_crop_3x_coco.py", "_base_/extractors/roi_align.py"]
