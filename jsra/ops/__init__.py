"""Operators with CPU and CUDA kernels, under torchvision's names and signatures where torchvision has them."""

from jsra.ops.boxes import box_area, box_iou, clip_boxes_to_image, remove_small_boxes
from jsra.ops.nms import batched_nms, nms
from jsra.ops.roi_align import RoIAlign, roi_align

__all__ = [
    "RoIAlign",
    "batched_nms",
    "box_area",
    "box_iou",
    "clip_boxes_to_image",
    "nms",
    "remove_small_boxes",
    "roi_align",
]
