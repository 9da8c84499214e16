_base_ = ["_base_/mask_rcnn_r50_fpn_ms_1x_lvis_v1.py", "_base_/extractors/roi_align.py"]
