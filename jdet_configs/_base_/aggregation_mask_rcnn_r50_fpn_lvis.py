# 'The same values of hyper-parameters' as on COCO, says the text. Scales and oversampling, of which it says nothing, are
# those of the usual recipe.
_base_ = ["mask_rcnn_r50_fpn_ms_1x_lvis_v1.py", "aggregation_coco.py"]
