# RetinaNet with nine anchors per position, with AlignDet's recipe.
_base_ = "../_base_/mini_retinanet.py"
