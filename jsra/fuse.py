"""A finished model, run for inference with its convolutions, norms, sums and ReLUs in one pass each.

Models are written plainly. A rule for each class says here what can be done in one pass: a function that takes the
place of a method while the model runs, and gives what the method gives, up to rounding. A class without a rule runs as it is.
"""

from __future__ import annotations

import types

import jittor as jt
from jittor import nn

from jsra.backbones.resnet import BasicBlock, Bottleneck, ResNet
from jsra.heads.anchor_head import AnchorHead
from jsra.heads.mask_head import FCNMaskHead, by_parts
from jsra.heads.rpn import RPNHead
from jsra.necks.fpn import FPN
from jsra.ops.conv import Conv2d
from jsra.ops.fused_conv import available, conv_norm_relu, fused_conv, fused_modules

_RULES = []  # (class, name of the method, the function in its place)


def rule(cls, method: str):
    """Decorator: the function runs in place of cls.method, in objects of cls and of classes that inherit the method."""

    def add(function):
        _RULES.append((cls, method, getattr(cls, method), function))
        return function

    return add


class FusedModel:
    """fused(*args) is model(*args) in evaluation, without gradients, and with the rules in place while it runs; so is
    fused.run(function, *args) of any function that runs parts of the model.

    Weights are the model's own and read at each call, so they may change in between. The model itself is not changed.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self._rules = [
            (module, method, types.MethodType(function, module))
            for module in model.modules()
            for cls, method, replaced, function in _RULES
            if isinstance(module, cls) and getattr(type(module), method) is replaced
        ]

    def __call__(self, *args):
        return self.run(self.model, *args)

    def run(self, function, *args):
        try:
            for module, method, rule in self._rules:
                setattr(module, method, rule)
            with jt.no_grad():
                return function(*args)
        finally:
            for module, method, _ in self._rules:
                module.__dict__.pop(method, None)


@rule(Conv2d, "execute")
def _conv(self, x):
    out = fused_modules(x, self)
    return Conv2d.execute(self, x) if out is None else out


@rule(BasicBlock, "execute")
def _basic_block(self, x):
    out = conv_norm_relu(x, self.conv1, self.bn1, relu=True)
    return conv_norm_relu(out, self.conv2, self.bn2, added=_identity(self, x), relu=True)


@rule(Bottleneck, "execute")
def _bottleneck(self, x):
    out = conv_norm_relu(x, self.conv1, self.bn1, relu=True)
    out = conv_norm_relu(out, self.conv2, self.bn2, relu=True)
    return conv_norm_relu(out, self.conv3, self.bn3, added=_identity(self, x), relu=True)


def _identity(block, x):
    return x if block.downsample is None else conv_norm_relu(x, *block.downsample)


@rule(ResNet, "stem")
def _stem(self, images):
    return self.maxpool(conv_norm_relu(images, self.conv1, self.bn1, relu=True))


@rule(FPN, "laterals")
def _laterals(self, maps):
    laterals = []
    for conv, x in reversed(list(zip(self.lateral_convs, maps))):
        laterals.insert(0, conv_norm_relu(x, conv, added=laterals[0] if laterals else None))
    return laterals


@rule(RPNHead, "shared")
def _shared(self, x):
    for conv in self.convs:
        x = conv_norm_relu(x, conv, relu=True)
    return x


@rule(FCNMaskHead, "trunk")
def _trunk(self, x):
    for conv in self.convs:
        x = conv_norm_relu(x, conv, relu=True)
    return x


@rule(FCNMaskHead, "shared")
def _mask_features(self, features):
    x = self.trunk(features)
    if self.is_training() or not available(x):
        return nn.relu(self.upsample(x))
    return by_parts(fused_conv(x, *self.upsample.of_1x1(), relu=True))


@rule(AnchorHead, "tower")
def _tower(self, convs, x):
    for conv in convs:
        x = conv_norm_relu(x, conv, relu=True)
    return x
