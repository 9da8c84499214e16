_base_ = ["_base_/mask_rcnn_swin_t_fpn_ms_crop_3x_coco.py", "_base_/extractors/roi_align.py"]
