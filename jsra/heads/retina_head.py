"""RetinaNet's head (Lin et al. 2017): a tower of convolutions for the classes and one for the boxes, shared by all levels."""

from __future__ import annotations

from jittor import nn

from jsra.arguments import part
from jsra.heads.anchor_head import AnchorHead, initialise
from jsra.ops.conv import Conv2d
from jsra.registry import register


@register("dense_head")
class RetinaHead(AnchorHead):
    """anchor_generator: a built object. stacked_convs: 3x3 convolutions of a tower. The rest: see AnchorHead."""

    def __init__(
        self,
        anchor_generator: part.anchor_generator,
        in_channels: int = 256,
        feat_channels: int = 256,
        stacked_convs: int = 4,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.anchor_generator = anchor_generator
        widths = [in_channels] + [feat_channels] * stacked_convs
        pairs = list(zip(widths, widths[1:]))
        self.cls_convs = nn.ModuleList([Conv2d(i, o, 3, padding=1) for i, o in pairs])
        self.box_convs = nn.ModuleList([Conv2d(i, o, 3, padding=1) for i, o in pairs])
        anchors = anchor_generator.num_base_anchors
        self.cls = Conv2d(widths[-1], anchors * self.num_classes, 3, padding=1)
        self.box = Conv2d(widths[-1], anchors * 4, 3, padding=1)
        initialise([*self.cls_convs, *self.box_convs, self.box], self.cls)

    def tower(self, convs, x):
        """The convolutions of a tower, each with its ReLU: [B, in_channels, H, W] -> [B, feat_channels, H, W]."""
        for conv in convs:
            x = nn.relu(conv(x))
        return x

    def logits(self, feats):
        """Levels of [B, in_channels, H, W] -> levels of [B, A * C, H, W]."""
        return [self.cls(self.tower(self.cls_convs, x)) for x in feats]

    def deltas(self, feats):
        """Levels of [B, in_channels, H, W] -> levels of [B, A * 4, H, W]."""
        return [self.box(self.tower(self.box_convs, x)) for x in feats]

    def anchors(self, feats):
        """[N, 4]: the anchors of the maps."""
        return self.anchor_generator.grids([x.shape[2:] for x in feats])

    def valid(self, feats, targets):
        """int32 [B, N]: 0 where an anchor lies outside its own image's padded size."""
        return self.anchor_generator.valid([x.shape[2:] for x in feats], targets.pad_sizes)
