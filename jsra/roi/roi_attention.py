"""RoIAttn (Liang and Song 2022, Excavating RoI Attention for Underwater Object Detection): attention across RoIs."""

from __future__ import annotations

import jittor as jt

from jsra import ops
from jsra.ops import check
from jsra.ops.is_finite import is_finite
from jsra.ops.permute import permute
from jsra.ops.scatter import box_dtype
from jsra.registry import register

# _FAR is larger than any logit. _TINY avoids 0 / 0 for padding RoIs; the gradient divides by its square, which is not 0
# either.
_FAR, _TINY = 1e9, 1e-18


class ExternalAttention(jt.nn.Module):
    """x [K, D] -> x + M_v A, where A [K, S] = softmax over the RoIs of an image of M_k x, divided by its sum over S.

    S tokens; M_k: Linear(D, S), M_v: Linear(S, D), without biases.
    """

    def __init__(self, channels, num_tokens):
        super().__init__()
        self.M_k = jt.nn.Linear(channels, num_tokens, bias=False)
        self.M_v = jt.nn.Linear(num_tokens, channels, bias=False)

    def execute(self, x, member):
        """member [K, B]: 1 if the RoI belongs to the image, else 0; zeros for an invalid RoI."""
        logits = self.M_k(x).cast(box_dtype(str(x.dtype)))
        # The softmax over the RoIs of an image, without sorting: sums per image [B, S], then back to its RoIs.
        largest = (logits.unsqueeze(1) + (member.unsqueeze(2) - 1) * _FAR).max(dim=0).stop_grad()
        exps = jt.exp(logits - jt.matmul(member, largest)) * member.sum(1, keepdims=True)
        attention = exps / jt.maximum(jt.matmul(member, jt.matmul(permute(member, 1, 0), exps)), _TINY)
        attention = attention / jt.maximum(attention.sum(1, keepdims=True), _TINY)
        return x + self.M_v(attention.cast(str(x.dtype)))


@register("roi_layer")
class RoIAttention(jt.nn.Module):
    """External attention among the RoIs of an image, on their flattened RoI Align features.

        x = flatten(RoI Align(X, b)) [C * h * w];  depth times:  x = x + M_v A(x)         see ExternalAttention

    layer(features, rois, spatial_scale, levels) -> [K, C, h, w]. The features of an RoI depend on the other RoIs of its
    image. output_size: h and w, an int or (rows, columns). in_channels: C. num_tokens: S. sampling_ratio: of RoI Align.

    Included: the published module with its defaults: external attention, depth 2, 40 tokens. Not included: the second branch
    for regression (RoIs 1.3 times as large, features with coordinate channels), the DoubleConvFC head and the loss weights
    of 2. These change the head and the training, but the Semantic RoI Align paper compares extractors within one detector
    ("incorporates several self-attention layers on the RoI Align extracted feature") and does not say which parts it used.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int] = 7,
        in_channels: int = 256,
        num_tokens: int = 40,
        depth: int = 2,
        sampling_ratio: int = 0,
    ):
        super().__init__()
        self.bins, self.sampling_ratio = check.size_pair("output_size", output_size), int(sampling_ratio)
        width = in_channels * self.bins[0] * self.bins[1]
        self.blocks = jt.nn.ModuleList([ExternalAttention(width, num_tokens) for _ in range(depth)])

    def execute(self, features, rois, spatial_scale, levels=None):
        out = ops.roi_align(features, rois, self.bins, spatial_scale, self.sampling_ratio, True, "avg", levels)
        if rois.shape[0] == 0:
            return out
        batches = (features[0] if isinstance(features, (list, tuple)) else features).shape[0]
        # Under -Ofast, a comparison with NaN may be true.
        index = jt.ternary(is_finite(rois[:, :1]), rois[:, :1], jt.full_like(rois[:, :1], -1))
        member = (index == jt.arange(batches).float32().unsqueeze(0)).cast(box_dtype(str(out.dtype)))
        x = out.reshape(out.shape[0], -1)
        for block in self.blocks:
            x = block(x, member)
        return x.reshape(out.shape)
