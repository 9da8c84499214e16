"""RoI feature extractors: the layers that turn a feature map and RoIs into RoI features, and the extractor of a pyramid."""

from jsra.roi.adaptive_roi_align import AdaptiveRoIAlign
from jsra.roi.conv_masks import ConvMasks
from jsra.roi.deform_roi_pool import DeformRoIPoolPack, ModulatedDeformRoIPoolPack
from jsra.roi.extractor import FPNRoIExtractor, SingleRoIExtractor
from jsra.roi.learned_region import LearnedRegionFeatures
from jsra.roi.precise_roi_align import PreciseRoIAlign
from jsra.roi.roi_align import RoIAlign
from jsra.roi.roi_attention import RoIAttention
from jsra.roi.roi_pool import RoIPool
from jsra.roi.roi_transformer import RoITransformer
from jsra.roi.self_attention import RoISelfAttention
from jsra.roi.sra import SemanticRoIAlign

__all__ = [
    "AdaptiveRoIAlign",
    "ConvMasks",
    "DeformRoIPoolPack",
    "FPNRoIExtractor",
    "LearnedRegionFeatures",
    "ModulatedDeformRoIPoolPack",
    "PreciseRoIAlign",
    "RoIAlign",
    "RoIAttention",
    "RoISelfAttention",
    "RoIPool",
    "RoITransformer",
    "SemanticRoIAlign",
    "SingleRoIExtractor",
]
