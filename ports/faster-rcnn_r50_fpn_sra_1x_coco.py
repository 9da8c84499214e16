# Faster R-CNN R50-FPN with Semantic RoI Align for mmdet 3.x, schedule 1x:
#   PYTHONPATH=ports:ports/torch mim train mmdet ports/faster-rcnn_r50_fpn_sra_1x_coco.py
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["mmdet_sra"], allow_failed_imports=False)
model = dict(
    roi_head=dict(
        bbox_roi_extractor=dict(
            type="SemanticRoIExtractor",
            roi_layer=dict(_delete_=True, type="SemanticRoIAlign", in_channels=256, num_masks=49),
        )
    )
)
