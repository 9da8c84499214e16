_base_ = ["_base_/mask_rcnn_pvt_v2_b0_fpn_1x_coco.py", "_base_/extractors/sra.py"]
