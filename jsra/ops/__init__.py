"""Operators with CPU and CUDA kernels, under torchvision's names and signatures where torchvision has them."""
from jsra.ops.roi_align import RoIAlign, roi_align

__all__ = ["RoIAlign", "roi_align"]
