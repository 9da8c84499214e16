# Deformable RoI pooling (Dai et al. 2017).
_base_ = "../_base_/mini_c5.py"
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(_cover_=True, type="DeformRoIPoolPack", in_channels=64)))))
