"""'w/ Conv.', a baseline of Semantic RoI Align: masks from a convolution over the RoI Align features (arXiv:2312.09609)."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra import ops
from jsra.ops import check
from jsra.ops.masked_sum import masked_sum
from jsra.ops.permute import permute
from jsra.registry import register


@register("roi_layer")
class ConvMasks(jt.nn.Module):
    """Weighted sums of RoI Align's features F [C, h, w], with masks that a convolution predicts from them.

        logits [h * w, N] = conv(F), with a kernel as large as F, so it has one output position: N masks over h * w positions
        y[n] = sum over positions p of softmax_p(logits[p, n]) * F[p]

    layer(features, rois, spatial_scale, levels) -> [K, C, N]. N = h * w by default: 30.12 M weights for 7 x 7 and 256
    channels, which agrees with the paper's Params column. The paper says "a convolutional layer"; the kernel's size and the
    softmax are assumptions (the softmax is as in SRA).

    conv.weight [h * w * N, C * h * w]: the convolution is stored as the equivalent linear layer.

    output_size: h and w, an int or (rows, columns). in_channels: C. num_masks: N. sampling_ratio: samples per bin and axis of
    RoI Align, 0 for adaptive.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        in_channels: int = 256,
        num_masks: int | None = None,
        sampling_ratio: int = 0,
    ):
        super().__init__()
        self.bins = check.size_pair("output_size", output_size)
        self.cells = self.bins[0] * self.bins[1]
        self.num_masks = self.cells if num_masks is None else int(num_masks)
        self.sampling_ratio = int(sampling_ratio)
        self.conv = jt.nn.Linear(in_channels * self.cells, self.cells * self.num_masks)

    def _logits(self, features, rois, spatial_scale, levels):
        """Logits [K * cells, N] and F [K * cells, C], both packed by RoI; offsets [K + 1]."""
        sampled = ops.roi_align(features, rois, self.bins, spatial_scale, self.sampling_ratio, True, "avg", levels)
        count, channels = sampled.shape[:2]
        logits = self.conv(sampled.reshape(count, channels * self.cells)).reshape(count * self.cells, self.num_masks)
        packed = permute(sampled.reshape(count, channels, self.cells), 0, 2, 1).reshape(count * self.cells, channels)
        return logits, packed, jt.array(np.arange(count + 1, dtype=np.int32) * self.cells)

    def execute(self, features, rois, spatial_scale, levels=None):
        return masked_sum(*self._logits(features, rois, spatial_scale, levels), channels_first=True)

    def masks(self, features, rois, spatial_scale, levels=None):
        """The masks for drawing: NumPy [K, N, h, w]; each sums to 1."""
        logits, packed, offsets = self._logits(features, rois, spatial_scale, levels)
        masks = masked_sum(logits, packed, offsets, return_masks=True)[1].numpy()
        return masks.reshape(-1, self.cells, self.num_masks).transpose(0, 2, 1).reshape(-1, self.num_masks, *self.bins)
