# RetinaNet with nine anchors a position, by AlignDet's recipe.
_base_ = "../_base_/mini_retinanet.py"
