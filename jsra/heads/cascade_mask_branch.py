"""The mask branch of Cascade Mask R-CNN (Cai and Vasconcelos 2019): one MaskBranch per box stage."""

from __future__ import annotations

from jittor import nn

from jsra.arguments import part
from jsra.boxes.mask_truth import mask_truth
from jsra.heads.mask_branch import MaskBranch, MaskResults
from jsra.registry import register


@register("branch")
class CascadeMaskBranch(MaskResults):
    """stages: MaskBranches, first to last, as many as box stages (their own mask_thr is not used), as a list, or as a
    dictionary if configs should be able to change single stages. loss_weights: one per stage. The losses of stage i are named
    's<i>.loss_mask'.

    Each mask stage is trained on the samples of the same box stage. In evaluation, every stage predicts the masks of the
    final boxes, and their probabilities are averaged. Source: mmdet's CascadeRoIHead.
    """

    def __init__(
        self,
        stages: list[part.branch] | dict[str, part.branch],
        loss_weights: tuple[float, ...] | None = None,
        mask_thr: float = 0.5,
    ):
        super().__init__(mask_thr)
        stages = list(stages.values()) if isinstance(stages, dict) else list(stages)
        if not stages or any(not isinstance(stage, MaskBranch) for stage in stages):
            raise ValueError("CascadeMaskBranch: stages must be a list of at least one MaskBranch")
        self.loss_weights = [1.0] * len(stages) if loss_weights is None else [float(w) for w in loss_weights]
        if len(self.loss_weights) != len(stages):
            raise ValueError(f"CascadeMaskBranch: {len(stages)} stages but {len(self.loss_weights)} loss_weights")
        self.stages = nn.ModuleList(stages)

    def forward(self, feats, rois):
        """[logits [K, C, m, m] of each stage], all for the same rois [K, 5]."""
        return [stage.forward(feats, rois) for stage in self.stages]

    def check(self, box):
        count = len(getattr(box, "stages", (box,)))
        if count != len(self.stages):
            raise ValueError(f"CascadeMaskBranch: stages: {len(self.stages)} mask stages, but {count} box stages")

    def losses(self, feats, samples, targets):
        losses, truth = {}, mask_truth(targets)
        for i, (stage, weight) in enumerate(zip(self.stages, self.loss_weights)):
            found = stage.losses_of(feats, samples[i], truth)
            losses.update({f"s{i}.{name}": loss * weight for name, loss in found.items()})
        return losses

    def probabilities(self, feats, rois, labels):
        return sum(stage.probabilities(feats, rois, labels) for stage in self.stages) / len(self.stages)
