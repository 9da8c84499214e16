"""The models that `jsra bench model` measures."""

# detector -> {name: (config in jdet_configs, families of peers with the same function, the model to compare it with)}.
DETECTORS = {
    "faster_rcnn": {
        "RoI Align": ("faster_rcnn_r50_fpn_roi_align_1x_coco.py", ("mmdet",), None),
        "RoI Align, torchvision's form": (
            "_base_/models/faster_rcnn_r50_fpn_torchvision.py", ("torchvision", "exported"), None,
        ),
        "SRA": ("faster_rcnn_r50_fpn_sra_1x_coco.py", (), "RoI Align"),
    },
    "mask_rcnn": {
        "RoI Align": ("mask_rcnn_r50_fpn_roi_align_1x_coco.py", ("mmdet",), None),
        "RoI Align, torchvision's form": ("_base_/models/mask_rcnn_r50_fpn_torchvision.py", ("torchvision",), None),
        "SRA": ("mask_rcnn_r50_fpn_sra_1x_coco.py", (), "RoI Align"),
    },
    "cascade_mask_rcnn": {
        "RoI Align": ("cascade_mask_rcnn_r50_fpn_roi_align_1x_coco.py", ("mmdet",), None),
        "SRA": ("cascade_mask_rcnn_r50_fpn_sra_1x_coco.py", (), "RoI Align"),
    },
    "mask_rcnn_swin_t": {
        "RoI Align": ("mask_rcnn_swin_t_fpn_roi_align_ms_crop_3x_coco.py", ("mmdet",), None),
        "SRA": ("mask_rcnn_swin_t_fpn_sra_ms_crop_3x_coco.py", (), "RoI Align"),
    },
    "retinanet": {
        "RetinaNet": ("retinanet_r50_fpn_1x_coco.py", ("mmdet",), None),
        "AlignDet, 3x3": ("aligndet/aligndet_r50_fpn_3x3_4conv.py", (), "RetinaNet"),
        "AlignDet, 7x7-dagger": ("aligndet/aligndet_r50_fpn_7x7_dagger.py", (), "RetinaNet"),
    },
}  # fmt: skip
