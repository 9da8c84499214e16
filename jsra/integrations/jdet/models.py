"""Detectors, backbones, necks, heads and losses with JDet's interface."""

from __future__ import annotations

import functools

import jittor as jt
from jdet.config import get_cfg
from jdet.utils.registry import BACKBONES, HEADS, LOSSES, MODELS, NECKS

from jsra.boxes.structures import Targets, proposals_of
from jsra.convert.load import load_arrays
from jsra.heads.roi_head import RoIHead
from jsra.heads.rpn import RPNHead
from jsra.integrations.jdet.names import add, make, own
from jsra.integrations.jdet.training import adopt
from jsra.integrations.jdet.values import arrays, for_jdet, targets_of_jdet
from jsra.registry import registered
from jsra.runtime.distributed import share_weights
from jsra.runtime.seed import set_seed


def add_parts():
    for name, cls in registered("detector").items():
        adapted = type(name, (Detector, cls), {"__doc__": cls.__doc__})
        add(MODELS, name, functools.partial(make, adapted), plain=functools.partial(build_run_model, adapted))
    for kind, registry in (("backbone", BACKBONES), ("neck", NECKS), *((kind, HEADS) for kind in _HEAD_KINDS)):
        for name, cls in registered(kind).items():
            add(registry, name, functools.partial(make, _HEADS.get(cls, cls)))
    for name, cls in registered("loss").items():
        add(LOSSES, name, functools.partial(Loss, cls))


def build_run_model(cls, **settings):
    """The model of a jsra config; JDet's Runner then reads the rest of that config as `jsra train` does."""
    config = get_cfg()
    if own(config.get("model")) != {"type": cls.__name__, **own(settings)}:
        return make(cls, **settings)  # a part of another model, so the config is not one of jsra
    adopt(config)
    set_seed(int(config.get("seed") or 0))
    model = make(cls, **settings)
    jt.sync_all()  # initial weights are drawn lazily: draw them now, before another seed is set
    share_weights(model)
    return model


class Detector:
    """A detector that accepts JDet's targets, returns results for JDet's Runner and loads weights of all families."""

    def execute(self, images, targets=None):
        images = images if isinstance(images, jt.Var) else jt.array(images)
        out = super().execute(images.stop_grad(), targets_of_jdet(targets))
        return out if self.is_training() else [for_jdet(result) for result in out]

    def load_parameters(self, params):
        """Called by Runner, for a checkpoint and for `pretrained_weights` (with names of jsra, mmdet or torchvision)."""
        weights = {name: arrays(value) for name, value in params.items() if hasattr(value, "shape")}
        own_shapes = {name: tuple(var.shape) for name, var in self.state_dict().items()}
        if own_shapes == {name: tuple(array.shape) for name, array in weights.items()}:
            super().load_parameters(weights)
        else:
            print(load_arrays(self, weights, "the weights given to JDet"))
        jt.sync_all()  # copy now: as a part of the first step, the copies would be fused with it and change its rounding


class RPNForJDet(RPNHead):
    """RPNHead with the interface of JDet's RCNN: rpn(features, targets) gives a list of proposals [n, 4], one per image."""

    def execute(self, feats, targets):
        proposals, losses = super().execute(feats, _batch(targets, self.is_training()))
        counts = proposals.valid.sum(dim=1).numpy()
        return [proposals.boxes[i, : int(n)] for i, n in enumerate(counts)], losses


class RoIHeadForJDet(RoIHead):
    """RoIHead with the interface of `bbox_head` in JDet's RCNN; proposals of JDet's RPNs may have a score as fifth column."""

    def execute(self, feats, proposals, targets):
        proposals = proposals_of([boxes[:, :4] for boxes in arrays(list(proposals))])
        out = super().execute(feats, proposals, _batch(targets, self.is_training()))
        return out if self.is_training() else [for_jdet(result) for result in out]


def _batch(targets, training):
    return Targets([{"ori_img_size": t["img_size"], **t} for t in targets_of_jdet(targets)], training)


_HEAD_KINDS = ("rpn", "roi_head", "box_branch", "branch", "box_head")
_HEADS = {RPNHead: RPNForJDet, RoIHead: RoIHeadForJDet}


class Loss(jt.nn.Module):
    """A loss of jsra with the interface that JDet's heads use."""

    def __init__(self, cls, **settings):
        super().__init__()
        self.loss = make(cls, **settings)

    def execute(self, pred, target, weight=None, avg_factor=None, reduction_override=None):
        """pred, target, weight: the same shape, or, for classes, target and weight [n]. Class labels are 1-based, 0 is the
        background, which has no logit in a sigmoid loss."""
        if reduction_override not in (None, "mean"):
            raise ValueError(
                f"{type(self.loss).__name__}: reduction_override {reduction_override!r} is not known; 'mean' is"
            )
        return self.loss(pred, target, weight, None if avg_factor is None else float(avg_factor))
