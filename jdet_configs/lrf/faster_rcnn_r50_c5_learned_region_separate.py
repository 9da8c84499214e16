# As published: a separate network for proposals. All other configs train proposals and detections in one network.
_base_ = "faster_rcnn_r50_c5_learned_region.py"
model = dict(
    type="SeparateRPN",
    rpn_backbone=dict(type="ResNet", depth=50, out_indices=[2], frozen_stages=1, norm_eval=True),
)
