"""Runs a model for inference, with each convolution and the norm, sum and ReLU after it fused into one pass.

The code of models does not contain this. The rules here, one per class, do it: a rule is a function that replaces a method
while the model runs and has the same result, up to rounding. Classes without a rule run unchanged.
"""

from __future__ import annotations

import os
import threading
import types

import jittor as jt
from jittor import nn

from jsra.backbones.resnet import BasicBlock, Bottleneck, ResNet
from jsra.heads.anchor_head import AnchorHead
from jsra.heads.mask_head import DoublingConv, FCNMaskHead, by_parts
from jsra.heads.rpn import RPNHead
from jsra.necks.fpn import FPN
from jsra.ops.conv import Conv2d
from jsra.ops.fused_conv import available, conv_norm_relu, fused_conv, fused_modules, hooked

_RULES = []  # (class, name of the method, the original method, its replacement)


# Threads take turns: Jittor's no_grad is one flag of the process, and one thread would leave it set for all later trainings.
_turn = threading.RLock()


def _new_turn():
    global _turn
    _turn = threading.RLock()


os.register_at_fork(after_in_child=_new_turn)  # another thread may have had its turn at the fork


def rule(cls, method: str):
    """Decorator: the function replaces cls.method, in objects of cls and of classes that inherit the method."""

    def add(function):
        _RULES.append((cls, method, getattr(cls, method), function))
        return function

    return add


class FusedModel:
    """fused(*args) is model(*args) without gradients and with the rules active while it runs. fused.run(function, *args) does
    the same for any function that runs parts of the model.

    The model's own weights are read at each call, so they may change between calls. The model itself is not changed. Objects
    with a method of their own (mixed precision, a user's) keep it, and what contains them runs unchanged.
    """

    def __init__(self, model: nn.Module):
        self.model, self._modules = model, model.modules()
        self._rules = [
            (module, method, types.MethodType(function, module))
            for module in model.modules()
            for cls, method, replaced, function in _RULES
            if isinstance(module, cls) and getattr(type(module), method) is replaced and method not in module.__dict__
        ]

    def __call__(self, *args):
        return self.run(self.model, *args)

    def run(self, function, *args):
        with _turn:
            rules = self._usable()
            try:
                for module, method, rule in rules:
                    setattr(module, method, rule)
                with jt.no_grad():
                    return function(*args)
            finally:
                for module, method, _ in rules:
                    module.__dict__.pop(method, None)

    def _usable(self):
        """The rules that replace no method of an object's own, and do not go round one."""
        own = {id(module) for module in self._modules if "execute" in module.__dict__}
        return [
            (module, method, rule)
            for module, method, rule in self._rules
            if method not in module.__dict__ and not (own and any(id(inner) in own for inner in module.modules()))
        ]


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
    made = block.downsample
    if made is None:
        return x
    known = type(made) is nn.Sequential and len(made) == 2 and not hooked(made)  # a user's own may have other parts
    return conv_norm_relu(x, *made) if known else made(x)


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
    if self.is_training() or not available(x) or type(self.upsample) is not DoublingConv or hooked(self.upsample):
        return nn.relu(self.upsample(x))
    return by_parts(fused_conv(x, *self.upsample.of_1x1(), relu=True))


@rule(AnchorHead, "tower")
def _tower(self, convs, x):
    for conv in convs:
        x = conv_norm_relu(x, conv, relu=True)
    return x
