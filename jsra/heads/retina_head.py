"""RetinaNet's head (Lin et al. 2017): a tower of convolutions for the classes and one for the boxes, shared by all levels."""

from __future__ import annotations

from jsra.arguments import part
from jsra.heads.anchor_head import AnchorHead, initialise, square_convs
from jsra.ops.conv import Conv2d
from jsra.registry import register


@register("dense_head")
class RetinaHead(AnchorHead):
    """anchor_generator: a built object. in_channels: of the maps. stacked_convs, feat_channels: 3x3 convolutions per tower,
    and their channels. Other arguments: see AnchorHead."""

    def __init__(
        self,
        anchor_generator: part.anchor_generator,
        in_channels: int = 256,
        feat_channels: int = 256,
        stacked_convs: int = 4,
        **kwargs,
    ):
        super().__init__(anchor_generator=anchor_generator, **kwargs)
        widths = [in_channels] + [feat_channels] * stacked_convs
        self.cls_convs = square_convs(widths)
        self.box_convs = square_convs(widths)
        anchors = anchor_generator.num_base_anchors
        self.cls = Conv2d(widths[-1], anchors * self.num_classes, 3, padding=1)
        self.box = Conv2d(widths[-1], anchors * 4, 3, padding=1)
        initialise([*self.cls_convs, *self.box_convs, self.box], self.cls)

    def forward_levels(self, feats):
        """feats: levels of [B, in_channels, H, W] -> levels of logits [B, A * C, H, W] and deltas [B, A * 4, H, W]."""
        return self.logits(feats), self.deltas(feats)

    def logits(self, feats):
        """Only the logits: levels of [B, A * C, H, W]."""
        return [self.cls(self.tower(self.cls_convs, x)) for x in feats]

    def deltas(self, feats):
        """Only the deltas: levels of [B, A * 4, H, W]."""
        return [self.box(self.tower(self.box_convs, x)) for x in feats]
