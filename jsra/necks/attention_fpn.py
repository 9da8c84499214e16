"""MSSA and MSCA: feature pyramids that aggregate by attention (Attention-based Feature Aggregation, under review, ICLR 2022).

Shape letters: F_i is the 1x1 convolution of the backbone's map i, P_i the aggregated map, both [B, C, H_i, W_i]; i = 0 is the
finest.

Where the paper (or our text copy of it) leaves something open, this is assumed:

- The two pooling strides, printed as 'r and r2i', are r_i and r_i / 2. The other reading, r_i squared, would add one key to
  256 at P0, and single-scale pooling could not be as much faster as section 4.3 says.
- The coarsest map has no coarser one to aggregate with, yet the paper has four modules: this map attends to itself
  (MSSA: R = F; MSCA: P = F + MS-Att(F, F)).
- Layer normalisation comes before pooling and before the linear layers; MSCA has one norm for each of its two maps. The sums
  of equation 7 use the map before normalisation. The MLP's input is not normalised. Linear layers have biases. No linear
  layer follows the heads: equations 5 to 7 have none.
- Equations 4 and 7 both add F: MSCA gives 2 F + DW-MLP(F + Att).
- 'Up' is bilinear with half-pixel centres. Weights are initialised as in PVTv2: truncated normal with deviation 0.02, the
  depth-wise ones normal with deviation sqrt(2 / 9).
- Everything else is as in FPN: 3x3 convolutions after the aggregation, and a pooled coarsest level.
"""

from __future__ import annotations

from jsra.necks.fpn import FPN
from jsra.necks.multi_scale_attention import MultiScaleAttention
from jsra.ops.bmm import bmm
from jsra.ops.permute import permute
from jsra.ops.resample import upsample_bilinear
from jsra.ops.upsample import upsample_nearest
from jsra.registry import register


class AttentionFPN(FPN):
    """The common part of MSSA and MSCA: an FPN with attention modules in its top-down path; execute: as FPN.

    strides: pooling strides in cells, one for each map from start_level on, finest first (r_0 to r_3).
    attention_levels: which of these maps a module aggregates (None: all); the others use FPN's sum. () gives FPN.
    num_heads, expansion, pooling, pool_size: as in MultiScaleAttention.
    """

    cross = False

    def __init__(
        self,
        in_channels: tuple[int, ...],
        out_channels: int = 256,
        num_outs: int = 5,
        start_level: int = 0,
        strides: tuple[int, ...] = (16, 8, 4, 2),
        attention_levels: tuple[int, ...] | None = None,
        num_heads: int = 4,
        expansion: int = 2,
        pooling: str = "multi_scale",
        pool_size: int = 7,
    ):
        super().__init__(in_channels, out_channels, num_outs, start_level)
        name, count = type(self).__name__, len(self.lateral_convs)
        if len(strides) != count:
            raise ValueError(f"{name}: strides must have one number for each of the {count} maps, got {list(strides)}")
        self.attention_levels = tuple(range(count) if attention_levels is None else attention_levels)
        if not set(self.attention_levels) <= set(range(count)):
            raise ValueError(f"{name}: attention_levels must be of 0 to {count - 1}, got {list(attention_levels)}")
        for i in self.attention_levels:
            module = MultiScaleAttention(out_channels, strides[i], self.cross, num_heads, expansion, pooling, pool_size)
            setattr(self, f"attention{i}", module)

    def laterals(self, maps):
        """The maps P_i, each made from F_i and P_(i + 1), from the coarsest to the finest."""
        aggregated, above = [], None  # `above`: P_(i + 1), channels last
        for i, (conv, x) in reversed(list(enumerate(zip(self.lateral_convs, maps)))):
            if i in self.attention_levels:
                if aggregated and above is None:
                    above = permute(aggregated[0], 0, 2, 3, 1)
                lateral = _lateral(conv, x)
                above = None if above is None else upsample_bilinear(above, x.shape[2:])
                above = self.aggregate(getattr(self, f"attention{i}"), lateral, above)
                merged = permute(above, 0, 3, 1, 2)
            else:
                merged, above = conv(x), None
                if aggregated:
                    merged = merged + upsample_nearest(aggregated[0], merged.shape[2:])
            aggregated.insert(0, merged)
        return aggregated

    def aggregate(self, module, lateral, above):
        """F and Up(P) [B, H, W, C], channels last (None at the coarsest map) -> P, of the same shape."""
        raise NotImplementedError


def _lateral(conv, x):
    """A 1x1 convolution, [B, C, H, W] -> [B, H, W, O]: a matrix product that also makes the map channels-last."""
    b, c, h, w = x.shape
    out = bmm(x.reshape(b, c, h * w), conv.weight.reshape(1, conv.weight.shape[0], c), trans_a=True, trans_b=True)
    return out.reshape(b, h, w, out.shape[2]) + conv.bias


@register("neck")
class MSSA(AttentionFPN):
    """Multi-scale self-attention: P_i = MS-Att(R_i), R_i = F_i + Up(P_(i + 1)) (equations 1 and 2)."""

    def aggregate(self, module, lateral, above):
        return module(lateral if above is None else lateral + above)


@register("neck")
class MSCA(AttentionFPN):
    """Multi-scale cross-attention: P_i = F_i + MS-Att(F_i, Up(P_(i + 1))) with F_i as queries (equations 3 and 4)."""

    cross = True

    def aggregate(self, module, lateral, above):
        return lateral + module(lateral, lateral if above is None else above)
