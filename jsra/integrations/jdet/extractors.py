"""RoI feature extractors for JDet's detectors, with every RoI layer of jsra, on the CPU too.

JDet's extractors make one layer for each level and find its class among JDet's own; these share one layer, as in the paper,
and build it with jsra's registry. The arguments and the assignment of levels are JDet's.
"""

from __future__ import annotations

import functools

import jittor as jt
from jdet.utils.registry import ROI_EXTRACTORS

from jsra.integrations.jdet.names import add, make
from jsra.integrations.jdet.roi_layers import ROIAlignRotated
from jsra.ops import roi_levels
from jsra.registry import registered
from jsra.roi.extractor import FPNRoIExtractor, SingleRoIExtractor


def add_parts():
    parts = dict(registered("extractor"))
    parts.update(SingleRoIExtractor=SingleForJDet, OrientedSingleRoIExtractor=OrientedForJDet)
    for name, cls in parts.items():
        # With the additional methods that JDet's detectors call.
        add(ROI_EXTRACTORS, name, functools.partial(make, type(cls.__name__, (_Asked, cls), {})))


class _Asked:
    @property
    def num_inputs(self):
        """The number of pyramid maps that are read."""
        return len(self.featmap_strides)

    def init_weights(self):
        """Does nothing: weights are initialised when the layer is built."""


class SingleForJDet(SingleRoIExtractor):
    """SingleRoIExtractor with JDet's rule for levels, in which the sides of a box are x1 - x0 + 1 and y1 - y0 + 1."""

    def execute(self, feats, rois):
        if rois.shape[1] != 5:
            raise ValueError(
                f"JSRASingleRoIExtractor needs horizontal RoIs [K, 5], but these are {list(rois.shape)}; for rotated ones "
                "[K, 6] use JSRAOrientedSingleRoIExtractor"
            )
        return super().execute(feats, rois)

    def levels(self, rois, num_levels):
        return roi_levels(jt.concat([rois[:, :3], rois[:, 3:] + 1], dim=1), num_levels, self.finest_scale)


class OrientedForJDet(FPNRoIExtractor):
    """Rotated RoIs [K, 6] (batch index, centre x, y, width, height, angle in radians) -> [K, C, h, w].

    roi_layer: ROIAlignRotated_v1 or ROIAlignRotated, or, with enclosing=True, a layer for horizontal boxes, such as
    SemanticRoIAlign, which reads the upright box around each RoI. extend_factor: factors of (height, width) of every RoI.
    """

    def __init__(
        self, roi_layer, out_channels, featmap_strides, extend_factor=(1.0, 1.0), finest_scale=56, enclosing=False
    ):
        super().__init__(roi_layer, out_channels, featmap_strides, finest_scale)
        if isinstance(self.roi_layer, ROIAlignRotated) == bool(enclosing):
            raise ValueError(
                f"JSRAOrientedSingleRoIExtractor: {type(self.roi_layer).__name__} with enclosing={enclosing}. Rotated RoIs "
                "are read by roi_layer=dict(type='ROIAlignRotated_v1', output_size=7, sampling_ratio=2), or, with "
                "enclosing=True, as the upright boxes around them by any layer for horizontal boxes"
            )
        self.extend_factor = tuple(extend_factor)
        self.enclosing = bool(enclosing)

    def execute(self, feats, rois):
        if rois.shape[1] != 6:
            raise ValueError(
                f"JSRAOrientedSingleRoIExtractor needs rotated RoIs [K, 6], but these are {list(rois.shape)}; for "
                "horizontal ones [K, 5] use JSRASingleRoIExtractor"
            )
        height, width = self.extend_factor
        rois = jt.concat([rois[:, :3], rois[:, 3:4] * width, rois[:, 4:5] * height, rois[:, 5:]], dim=1)
        return super().execute(feats, enclosing_boxes(rois) if self.enclosing else rois)

    def levels(self, rois, num_levels):
        """int32 Var [K], from the sides of the box that is read, a rotated or an upright one."""
        if rois.shape[1] == 6:
            rois = jt.concat([rois[:, :1], jt.zeros_like(rois[:, 1:3]), rois[:, 3:5]], dim=1)
        return roi_levels(rois, num_levels, self.finest_scale)


def enclosing_boxes(rois):
    """Rotated RoIs [K, 6] -> the smallest upright RoIs [K, 5] that contain them."""
    index, x, y, width, height, angle = (rois[:, i : i + 1] for i in range(6))
    cos, sin = jt.abs(jt.cos(angle)), jt.abs(jt.sin(angle))
    half_x, half_y = (width * cos + height * sin) * 0.5, (width * sin + height * cos) * 0.5
    return jt.concat([index, x - half_x, y - half_y, x + half_x, y + half_y], dim=1)
