"""The aggregation of FGFA: a mean of maps, weighted by the similarity of their embeddings to that of the key frame."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.ops.conv import Conv2d
from jsra.registry import register

EPSILON = 1e-12  # smallest squared length: an embedding of zeros has no direction


@register("aggregator")
class EmbedAggregator(nn.Module):
    """execute(key, others, counts) -> [B, C, H, W], the mean of the other maps, weighted differently at each position.

    key: [B, C, H, W]; others: [B, R, C, H, W], warped to it. The weights are a softmax, over the R maps, of the cosine of
    both embeddings. counts: [B, R], how often each map counts; None: once.
    Source: Zhu et al. 2017 (arXiv:1703.10025), equations 2 and 3; an embedding of one convolution as in mmtracking.

    channels: C, also of the embedding. num_convs, kernel_size: convolutions of the embedding, with ReLUs between them.
    """

    def __init__(self, channels: int = 256, num_convs: int = 1, kernel_size: int = 3):
        super().__init__()
        if num_convs < 1:
            raise ValueError(f"EmbedAggregator: num_convs must be at least 1, not {num_convs}")
        convs = [Conv2d(channels, channels, kernel_size, 1, kernel_size // 2) for _ in range(num_convs)]
        for conv in convs:
            jt.init.xavier_uniform_(conv.weight)
            jt.init.constant_(conv.bias, 0.0)
        self.embed_convs = nn.ModuleList(convs)

    def embed(self, maps):
        """[N, C, H, W] -> embeddings of the same shape, normalised to length 1."""
        for i, conv in enumerate(self.embed_convs):
            maps = conv(nn.relu(maps) if i else maps)
        return maps / jt.sqrt((maps * maps).sum(dim=1, keepdims=True) + EPSILON)

    def execute(self, key, others, counts=None):
        batches, references = others.shape[:2]
        embedded = self.embed(others.reshape(-1, *others.shape[2:])).reshape(others.shape)
        cosine = (embedded * self.embed(key).unsqueeze(1)).sum(dim=2)
        weights = jt.exp(cosine)  # a cosine is between -1 and 1, so exp cannot overflow
        if counts is not None:
            weights = weights * counts.reshape(batches, references, 1, 1)
        weights = weights / weights.sum(dim=1, keepdims=True)
        return (others * weights.unsqueeze(2)).sum(dim=1)
