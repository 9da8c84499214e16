# The mini preset: Faster R-CNN R18-FPN on the puppets.
_base_ = ["models/mini_r18_fpn.py", "mini_training.py"]
