"""AlignDet's aligned detection module (Chen et al. 2019): features that follow the box of each position, and a dense head.

Shape letters: B images; A boxes per position; C classes; N boxes of all levels, ordered by level, position, box.
"""

from __future__ import annotations

from jittor import nn

from jsra.arguments import part
from jsra.heads.anchor_head import AnchorHead, initialise, square_convs
from jsra.ops.conv import Conv2d
from jsra.registry import register


@register("dense_head")
class AlignedHead(AnchorHead):
    """align: the first layer, e.g. RoIConv, shared by all levels. align_finest: a separate layer for the first level, or None
    (the 7x7-dagger variant of table 6: RoIConv 3x3 there, where most positions are). strides: image pixels per cell of each
    level. num_convs convolutions conv_kernel x conv_kernel follow, then the 1x1 outputs. separate_towers: classes and boxes
    use separate convolutions. Other arguments: see AnchorHead; if an anchor_generator is given, the boxes are its anchors.

    Assumption: in AlignDet classes and boxes share the convolutions. The paper does not say this; with separate towers the
    3x3 variant would not be faster than RetinaNet, which the paper reports.
    """

    def __init__(
        self,
        align: part.align_conv,
        strides: tuple[int, ...],
        num_convs: int = 1,
        conv_kernel: int = 1,
        align_finest: part.align_conv | None = None,
        separate_towers: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.align = align
        self.align_finest = align_finest
        self.strides = tuple(strides)
        channels = align.out_channels
        if align_finest is not None and align_finest.out_channels != channels:
            raise ValueError(
                f"AlignedHead: align gives {channels} channels but align_finest {align_finest.out_channels}; they must agree"
            )
        self.convs = square_convs([channels] * (num_convs + 1), conv_kernel)
        self.box_convs = square_convs([channels] * (num_convs + 1), conv_kernel) if separate_towers else None
        self.cls = Conv2d(channels, self.num_classes, 1)
        self.box = Conv2d(channels, 4, 1)
        initialise([*self.convs, *(self.box_convs or []), self.box], self.cls)

    def forward_levels(self, feats, boxes=None):
        """feats: levels of [B, in_channels, H, W]; boxes xyxy [B, N, 4] in image pixels, None: the anchors -> levels of
        logits [B, A * C, H, W] and deltas [B, A * 4, H, W]."""
        if len(feats) != len(self.strides):
            raise ValueError(f"AlignedHead: {len(self.strides)} strides but {len(feats)} feature maps")
        if boxes is None:
            anchors = self.anchors(feats)
            boxes = anchors.unsqueeze(0).broadcast([feats[0].shape[0], *anchors.shape])
        per_position = boxes.shape[1] // sum(x.shape[2] * x.shape[3] for x in feats)
        logits, deltas, first = [], [], 0
        for level, (x, stride) in enumerate(zip(feats, self.strides)):
            count = x.shape[2] * x.shape[3] * per_position
            aligned = nn.relu(self.align_of(level)(x, boxes[:, first : first + count], stride))
            first += count
            y = self.tower(self.convs, aligned)
            y_box = y if self.box_convs is None else self.tower(self.box_convs, aligned)
            logits.append(self.cls(y).reshape(x.shape[0], -1, *x.shape[2:]))
            deltas.append(self.box(y_box).reshape(x.shape[0], -1, *x.shape[2:]))
        return logits, deltas

    def align_of(self, level):
        """The first layer of a level."""
        return self.align_finest if level == 0 and self.align_finest is not None else self.align
