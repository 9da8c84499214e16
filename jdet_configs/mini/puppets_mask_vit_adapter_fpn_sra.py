_base_ = [
    "../_base_/mini_sra.py",
    "../_base_/mini_mask.py",
    "../_base_/backbones/mini_vit_adapter.py",
    "../_base_/extractors/sra.py",
]
model = dict(roi_head=dict(box=dict(extractor=dict(roi_layer=dict(in_channels=64)))))
