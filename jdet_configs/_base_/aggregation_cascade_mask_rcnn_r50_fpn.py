_base_ = ["cascade_mask_rcnn_r50_fpn_1x_coco.py", "aggregation_schedule.py"]
