"""'w/ SA', a baseline of Semantic RoI Align: multi-head self-attention over the RoI Align features (arXiv:2312.09609)."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra import ops
from jsra.ops import check
from jsra.ops.masked_sum import masked_sum
from jsra.ops.permute import permute
from jsra.ops.segment_matmul import segment_matmul
from jsra.registry import register


@register("roi_layer")
class RoISelfAttention(jt.nn.Module):
    """A standard multi-head self-attention layer (Vaswani et al. 2017) among the h * w positions of an RoI.

        F = RoI Align(X, b) [h * w, C]
        q, k, v = Linear(F), H heads of D channels each
        y = Linear(concat over heads of softmax_p'(q[p] . k[p'] / sqrt(D)) v[p'])        no residual, no norm, no dropout

    layer(features, rois, spatial_scale, levels) -> [K, C, h, w].

    The paper gives no widths. H = 8 and D = 55 are assumed: with them the FLOPs are the printed 348.1 G, with 42.2 M
    parameters (printed: 42.7 M). No standard layer has both: each weight is used at all 49 positions, so 0.95 M weights would
    need twice the FLOPs of the printed difference.

    output_size: h and w, an int or (rows, columns). in_channels: C. num_heads: H. head_channels: D. sampling_ratio: as
    RoIAlign.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        in_channels: int = 256,
        num_heads: int = 8,
        head_channels: int = 55,
        sampling_ratio: int = 0,
    ):
        super().__init__()
        self.bins = check.size_pair("output_size", output_size)
        self.cells = self.bins[0] * self.bins[1]
        self.num_heads, self.head_channels, self.sampling_ratio = (
            int(num_heads),
            int(head_channels),
            int(sampling_ratio),
        )
        width = self.num_heads * self.head_channels
        self.qkv = jt.nn.Linear(in_channels, 3 * width)
        self.proj = jt.nn.Linear(width, in_channels)

    def _attention(self, features, rois, spatial_scale, levels):
        """The inputs of masked_sum, with one segment per RoI and head: logits [K H cells, cells], values, offsets."""
        sampled = ops.roi_align(features, rois, self.bins, spatial_scale, self.sampling_ratio, True, "avg", levels)
        count, channels = sampled.shape[:2]
        tokens = permute(sampled.reshape(count, channels, self.cells), 0, 2, 1).reshape(count * self.cells, channels)
        parts = self.qkv(tokens).reshape(count, self.cells, 3, self.num_heads, self.head_channels)
        q, k, v = (parts[:, :, i].permute(0, 2, 1, 3) for i in range(3))
        q = q.reshape(count * self.num_heads, self.cells, self.head_channels) * self.head_channels**-0.5
        k, v = (x.reshape(count * self.num_heads * self.cells, self.head_channels) for x in (k, v))
        offsets = jt.array(np.arange(count * self.num_heads + 1, dtype=np.int32) * self.cells)
        return segment_matmul(k, q, offsets), v, offsets

    def execute(self, features, rois, spatial_scale, levels=None):
        count = rois.shape[0]
        heads = masked_sum(*self._attention(features, rois, spatial_scale, levels))
        heads = heads.reshape(count, self.num_heads, self.cells, self.head_channels).permute(0, 2, 1, 3)
        out = self.proj(heads.reshape(count * self.cells, self.num_heads * self.head_channels))
        out = permute(out.reshape(count, self.cells, out.shape[1]), 0, 2, 1)
        return out.reshape((count, out.shape[1]) + self.bins)

    def masks(self, features, rois, spatial_scale, levels=None):
        """The attention maps for drawing: NumPy [K, heads * queries, h, w]; each sums to 1."""
        attention = masked_sum(*self._attention(features, rois, spatial_scale, levels), return_masks=True)[1].numpy()
        attention = attention.reshape(-1, self.num_heads, self.cells, self.cells).transpose(0, 1, 3, 2)
        return attention.reshape(-1, self.num_heads * self.cells, *self.bins)
