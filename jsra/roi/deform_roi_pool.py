"""Deformable RoI pooling with its learned offsets and masks ('DRoIPooling'; Dai et al. 2017, Zhu et al. 2019)."""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.ops import check
from jsra.ops.deform_roi_pool import deform_roi_pool
from jsra.registry import register


@register("roi_layer")
class DeformRoIPoolPack(jt.nn.Module):
    """The offsets come from the features of the original RoI: layer(features, rois, spatial_scale, levels) -> [K, C, h, w].

        F = RoI Align(X, b)                         aligned, average
        offset = offset_fc(F) [2, h, w]             three fully connected layers, the last one initially zero
        y = RoI Align(X, b), bin (p, q) shifted by gamma * (width(b) * offset[0, p, q], height(b) * offset[1, p, q])

    Args:
        output_size: h and w. in_channels: C. fc_channels: width of the two hidden layers.
        gamma: size of an offset of 1, relative to the RoI. sampling_ratio: samples per bin and axis, 0 is adaptive.

    In the SRA paper's tables each pyramid level has its own pack, as their parameters show: FPNRoIExtractor(per_level=True).
    Otherwise all levels share one pack. State: offset_fc (and mask_fc of the modulated pack), as in mmcv.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        in_channels: int = 256,
        fc_channels: int = 1024,
        gamma: float = 0.1,
        sampling_ratio: int = 0,
    ):
        super().__init__()
        self.bins = check.size_pair("output_size", output_size)
        self.gamma, self.sampling_ratio = float(gamma), int(sampling_ratio)
        self.in_channels = in_channels
        self.offset_fc = self._branch(2, fc_channels, (fc_channels,))

    def _branch(self, planes, fc_channels, hidden):
        """Linear layers with ReLUs between them, from the features of an RoI to `planes` numbers per bin (initially zero)."""
        cells = self.bins[0] * self.bins[1]
        widths = [self.in_channels * cells, fc_channels, *hidden, planes * cells]
        layers = []
        for i, o in zip(widths, widths[1:]):
            layers += [jt.nn.Linear(i, o), jt.nn.ReLU()]
        layers[-2].weight.assign(jt.zeros_like(layers[-2].weight))
        layers[-2].bias.assign(jt.zeros_like(layers[-2].bias))
        return jt.nn.Sequential(*layers[:-1])

    def shifts(self, features, rois, spatial_scale, levels=None):
        """The predictions for each RoI: offsets [K, 2, h, w] (plane 0: along x), and masks [K, h, w] or None."""
        flat = ops.roi_align(features, rois, self.bins, spatial_scale, self.sampling_ratio, True, "avg", levels)
        flat = flat.reshape(rois.shape[0], flat.shape[1] * self.bins[0] * self.bins[1])
        return self.offset_fc(flat).reshape((rois.shape[0], 2) + self.bins), self._masks(flat)

    def _masks(self, flat):
        return None

    def execute(self, features, rois, spatial_scale, levels=None):
        offset, mask = self.shifts(features, rois, spatial_scale, levels)
        return deform_roi_pool(
            features, rois, offset, self.bins, spatial_scale, self.sampling_ratio, self.gamma, mask, levels
        )


@register("roi_layer")
class ModulatedDeformRoIPoolPack(DeformRoIPoolPack):
    """The pack of Deformable ConvNets v2: bins are also multiplied by mask = sigmoid(mask_fc(F)) [h, w], initially 1/2.

    26.89 M weights for 7 x 7 bins of 256 channels. Arguments: see DeformRoIPoolPack.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        in_channels: int = 256,
        fc_channels: int = 1024,
        gamma: float = 0.1,
        sampling_ratio: int = 0,
    ):
        super().__init__(output_size, in_channels, fc_channels, gamma, sampling_ratio)
        self.mask_fc = self._branch(1, fc_channels, ())

    def _masks(self, flat):
        return self.mask_fc(flat).sigmoid().reshape((flat.shape[0],) + self.bins)
