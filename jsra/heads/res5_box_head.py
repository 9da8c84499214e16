"""The box head of a Faster R-CNN on C4: the last ResNet stage runs on the features of each RoI (He et al. 2016)."""

from __future__ import annotations

import functools

from jsra.arguments import part
from jsra.backbones.norm import BatchNorm2d
from jsra.backbones.resnet import DEPTHS, resnet_stage
from jsra.heads.box_head import BoxHead
from jsra.registry import register


@register("box_head")
class Res5BoxHead(BoxHead):
    """The blocks of ResNet's conv5, the mean over positions, and the outputs. Parameters: those of BoxHead, and

    depth, base_channels: of the ResNet whose first three stages are the backbone. stride: of the first block; 2 for RoI
    features of 14 x 14 (mmdet, detectron2), 1 for 7 x 7. norm_eval: batch statistics are frozen.

    Source: mmdet 3.3, configs/_base_/models/faster-rcnn_r50-caffe-c4.py, with the stride on the 3x3 convolution.
    """

    def __init__(
        self,
        box_coder: part.box_coder,
        loss_cls: part.loss,
        loss_box: part.loss,
        num_classes: int = 80,
        depth: int = 50,
        base_channels: int = 64,
        stride: int = 2,
        norm_eval: bool = True,
        reg_class_agnostic: bool = False,
    ):
        if depth not in DEPTHS:
            raise ValueError(f"Res5BoxHead: depth must be one of {', '.join(map(str, DEPTHS))}, got {depth!r}")
        block, _ = DEPTHS[depth]
        planes = 8 * base_channels
        super().__init__(box_coder, loss_cls, loss_box, num_classes, reg_class_agnostic)
        self.in_channels = planes // 2 * block.expansion
        norm = functools.partial(BatchNorm2d, frozen=norm_eval)
        self.layer4 = resnet_stage(depth, 3, self.in_channels, planes, stride, 1, 1, 64, norm, True)
        self.make_outputs(planes * block.expansion)

    def execute(self, features):
        """[K, in_channels, h, w] -> logits [K, C + 1] (or as many columns as the loss needs), deltas [K, 4 C] or [K, 4]."""
        if features.ndim != 4 or features.shape[1] != self.in_channels:
            raise ValueError(
                f"Res5BoxHead: RoI features must be [K, {self.in_channels}, h, w], got {list(features.shape)}; set depth and "
                "base_channels to the backbone's, and an extractor that returns maps"
            )
        x = self.layer4(features).mean(dims=(2, 3))
        return self.cls(x), self.box(x)
