# COCO 2017 with masks, the recipe of Mask R-CNN 1x; images and boxes as in coco_detection.py.
_base_ = "coco_detection.py"
dataset = dict(train=dict(with_masks=True))
evaluator = [dict(type="COCOBoxAP"), dict(type="COCOMaskAP")]
