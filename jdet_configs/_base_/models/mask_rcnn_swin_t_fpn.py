# Mask R-CNN Swin-T FPN, after mmdet's mask-rcnn_swin-t-p4-w7_fpn: the R-50's, on the maps of Swin.
_base_ = ["mask_rcnn_r50_fpn.py", "../backbones/swin_t.py"]
