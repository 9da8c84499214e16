_base_ = [
    "../_base_/mini_mask.py",
    "../_base_/backbones/mini_vit_adapter.py",
    "../_base_/extractors/roi_align.py",
]
