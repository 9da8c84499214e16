# Mask R-CNN Swin-T FPN, after mmdet's mask-rcnn_swin-t-p4-w7_fpn: as Mask R-CNN R50-FPN, with Swin as the backbone.
_base_ = ["mask_rcnn_r50_fpn.py", "../backbones/swin_t.py"]
