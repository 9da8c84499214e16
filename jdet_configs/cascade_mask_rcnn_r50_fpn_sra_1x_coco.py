_base_ = ["_base_/cascade_mask_rcnn_r50_fpn_1x_coco.py", "_base_/extractors/cascade_sra.py"]
