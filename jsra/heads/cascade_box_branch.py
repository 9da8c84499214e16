"""Cascade R-CNN's box branch (Cai and Vasconcelos 2018): each stage refines the boxes of the previous one."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.boxes.detections import DetectionSelector
from jsra.boxes.structures import Proposals, rois_of
from jsra.heads.box_branch import BoxBranch, detect
from jsra.heads.branch import Branch
from jsra.registry import register


@register("box_branch")
class CascadeBoxBranch(Branch):
    """stages: BoxBranches, first to last (their own `test` is not used), as a list, or as a dictionary if configs should be
    able to change single stages. loss_weights: one per stage. test: a DetectionSelector. Inputs and outputs are those of
    BoxBranch; the losses of stage i are named 's<i>.loss_cls', ...

    In training, the proposals of the next stage are the refined samples of this one, without the ground-truth boxes added to
    them. A sample is refined by the deltas of its ground truth's class; background, by those of its most likely class. In
    evaluation, boxes come from the last stage, logits are the mean over all stages. Source: mmdet's CascadeRoIHead.
    """

    def __init__(
        self,
        stages: list[part.box_branch] | dict[str, part.box_branch],
        loss_weights: tuple[float, ...] | None = None,
        test: part.detection_selector | None = None,
    ):
        super().__init__()
        stages = list(stages.values()) if isinstance(stages, dict) else list(stages)
        if not stages or any(not isinstance(stage, BoxBranch) for stage in stages):
            raise ValueError("CascadeBoxBranch: stages must be a list of at least one BoxBranch")
        self.loss_weights = [1.0] * len(stages) if loss_weights is None else [float(w) for w in loss_weights]
        if len(self.loss_weights) != len(stages):
            raise ValueError(f"CascadeBoxBranch: {len(stages)} stages but {len(self.loss_weights)} loss_weights")
        self.stages = nn.ModuleList(stages)
        self.test = test or DetectionSelector()

    @property
    def extractor(self):
        """The extractor of the first stage."""
        return self.stages[0].extractor

    def forward(self, feats, rois):
        """[(logits, deltas) of each stage], all for the same rois [K, 5]."""
        return [stage.forward(feats, rois) for stage in self.stages]

    def losses(self, feats, proposals, targets):
        losses, all_samples = {}, []
        for i, (stage, weight) in enumerate(zip(self.stages, self.loss_weights)):
            samples = stage.sample(proposals, targets)
            logits, deltas = stage.forward(feats, rois_of(samples.boxes, samples.weights))
            found = stage.head.losses(logits, deltas, samples)
            losses.update({f"s{i}.{name}": loss * weight for name, loss in found.items()})
            all_samples.append(samples)
            if stage is not self.stages[-1]:
                valid = jt.logical_and(samples.weights > 0, samples.is_gt == 0)
                proposals = _refine(stage, logits, deltas, samples.boxes, samples.labels, valid.int32(), targets)
        return losses, all_samples

    def results(self, feats, proposals, targets):
        total = None
        for stage in self.stages:
            logits, deltas = stage.forward(feats, rois_of(proposals.boxes, proposals.valid))
            total = logits if total is None else total + logits
            if stage is not self.stages[-1]:
                labels = jt.zeros_like(proposals.valid)
                proposals = _refine(stage, logits, deltas, proposals.boxes, labels, proposals.valid, targets)
        return detect(stage.head, total / len(self.stages), deltas, proposals, targets, self.test)


def _refine(stage, logits, deltas, boxes, labels, valid, targets):
    with jt.no_grad():
        refined = stage.head.refined(logits, deltas, boxes, labels, targets.sizes)
        return Proposals(refined.stop_grad(), jt.ones(valid.shape), valid)
