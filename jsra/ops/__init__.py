"""Operators with CPU and CUDA kernels, under torchvision's names and signatures where torchvision has them."""

from jsra.ops.adaptive_roi_align import AdaptiveRoIAlign, adaptive_roi_align
from jsra.ops.anchor_grid import anchor_grid, anchor_valid
from jsra.ops.attention import attention
from jsra.ops.bmm import bmm
from jsra.ops.boxes import box_area, box_iou, clip_boxes_to_image, remove_small_boxes
from jsra.ops.dcn_v3 import dcn_v3
from jsra.ops.decode_boxes import decode_boxes
from jsra.ops.deform_conv2d import DeformConv2d, deform_conv2d
from jsra.ops.deform_roi_pool import DeformRoIPool, deform_roi_pool
from jsra.ops.dense_focal_loss import dense_focal_loss
from jsra.ops.dense_gather import dense_gather
from jsra.ops.dense_top_k import dense_top_k
from jsra.ops.depthwise_conv2d import depthwise_conv2d
from jsra.ops.dynamic_sampler import dynamic_sampler
from jsra.ops.encode_boxes import encode_boxes
from jsra.ops.flow_warp import flow_warp
from jsra.ops.gelu import GELU, gelu
from jsra.ops.layer_norm import LayerNorm, layer_norm
from jsra.ops.mask_targets import mask_targets
from jsra.ops.masked_sum import masked_sum
from jsra.ops.match_boxes import match_boxes
from jsra.ops.ms_deform_attn import ms_deform_attn
from jsra.ops.multiclass_nms import multiclass_nms
from jsra.ops.nms import batched_nms, nms, nms_batch
from jsra.ops.paste_masks import paste_masks
from jsra.ops.precise_roi_pool import PreciseRoIPool, precise_roi_pool
from jsra.ops.ps_roi_align import PSRoIAlign, ps_roi_align
from jsra.ops.ps_roi_pool import PSRoIPool, ps_roi_pool
from jsra.ops.roi_align import RoIAlign, roi_align
from jsra.ops.roi_align_rotated import RoIAlignRotated, roi_align_rotated
from jsra.ops.roi_levels import roi_levels
from jsra.ops.roi_pool import RoIPool, roi_pool
from jsra.ops.sample_matches import sample_matches
from jsra.ops.segment_matmul import segment_matmul
from jsra.runtime.headers import precompile

__all__ = [
    "AdaptiveRoIAlign",
    "DeformConv2d",
    "DeformRoIPool",
    "GELU",
    "LayerNorm",
    "PSRoIAlign",
    "PSRoIPool",
    "PreciseRoIPool",
    "RoIAlign",
    "RoIAlignRotated",
    "RoIPool",
    "adaptive_roi_align",
    "anchor_grid",
    "anchor_valid",
    "attention",
    "batched_nms",
    "bmm",
    "box_area",
    "box_iou",
    "clip_boxes_to_image",
    "dcn_v3",
    "decode_boxes",
    "deform_conv2d",
    "deform_roi_pool",
    "dense_focal_loss",
    "dense_gather",
    "dense_top_k",
    "depthwise_conv2d",
    "dynamic_sampler",
    "encode_boxes",
    "flow_warp",
    "gelu",
    "layer_norm",
    "mask_targets",
    "masked_sum",
    "match_boxes",
    "ms_deform_attn",
    "multiclass_nms",
    "nms",
    "nms_batch",
    "paste_masks",
    "precise_roi_pool",
    "ps_roi_align",
    "ps_roi_pool",
    "remove_small_boxes",
    "roi_align",
    "roi_align_rotated",
    "roi_levels",
    "roi_pool",
    "sample_matches",
    "segment_matmul",
]

precompile()
