_base_ = ["_base_/mask_rcnn_internimage_t_fpn_1x_coco.py", "_base_/extractors/sra.py"]
