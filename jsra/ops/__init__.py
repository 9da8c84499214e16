"""Operators with CPU and CUDA kernels, under torchvision's names and signatures where torchvision has them."""

from jsra.ops.boxes import box_area, box_iou, clip_boxes_to_image, remove_small_boxes
from jsra.ops.dynamic_sampler import dynamic_sampler
from jsra.ops.masked_sum import masked_sum
from jsra.ops.nms import batched_nms, nms
from jsra.ops.roi_align import RoIAlign, roi_align
from jsra.ops.roi_pool import RoIPool, roi_pool

__all__ = [
    "RoIAlign",
    "RoIPool",
    "batched_nms",
    "box_area",
    "box_iou",
    "clip_boxes_to_image",
    "dynamic_sampler",
    "masked_sum",
    "nms",
    "remove_small_boxes",
    "roi_align",
    "roi_pool",
]
