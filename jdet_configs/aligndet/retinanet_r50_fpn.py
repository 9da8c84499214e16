# RetinaNet with nine anchors per position, with AlignDet's recipe.
_base_ = ["../_base_/models/retinanet_r50_fpn.py", "../_base_/aligndet_1x_coco.py"]
model = dict(head=dict(loss_box=dict(_cover_=True, type="SmoothL1Loss", beta=0.11)))
