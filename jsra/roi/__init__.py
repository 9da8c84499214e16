"""RoI feature extractors: the layers that turn a feature map and RoIs into RoI features, and the extractor of a pyramid."""

from jsra.roi.extractor import FPNRoIExtractor, SingleRoIExtractor
from jsra.roi.roi_align import RoIAlign, ROIAlign
from jsra.roi.sra import SemanticRoIAlign

__all__ = ["FPNRoIExtractor", "ROIAlign", "RoIAlign", "SemanticRoIAlign", "SingleRoIExtractor"]
