_base_ = ["_base_/mask_rcnn_vit_adapter_t_fpn_1x_coco.py", "_base_/extractors/roi_align.py"]
