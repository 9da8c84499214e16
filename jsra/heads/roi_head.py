"""The second stage: branches on regions of interest."""

from __future__ import annotations

from jittor import nn

from jsra.registry import register


@register("head")
class RoIHead(nn.Module):
    """box: a BoxBranch or CascadeBoxBranch. branches: {name: Branch} of what else is found in each box (masks, ...); each
    becomes the attribute `name`, and knows nothing of the others.
    """

    def __init__(self, box, branches=None):
        super().__init__()
        self.box = box
        self.branches = list(branches or {})
        for name, branch in (branches or {}).items():
            if hasattr(self, name):
                raise ValueError(f"RoIHead: a branch cannot have the name {name!r}, which RoIHead uses itself")
            setattr(self, name, branch)

    def execute(self, feats, proposals, targets):
        """feats: the neck's maps, finest first; proposals: [n, 4] per image; targets: dicts of jsra's contract.

        Returns the losses of all branches in training, else the results: a dict per image.
        """
        others = [getattr(self, name) for name in self.branches]
        if self.is_training():
            losses, samples = self.box.losses(feats, proposals, targets)
            for branch in others:
                losses.update(branch.losses(feats, samples, targets))
            return losses
        results = self.box.results(feats, proposals, targets)
        for branch in others:
            results = branch.results(feats, results, targets)
        return results

    def forward_branches(self, feats, boxes):
        """Run the head of each branch on the same boxes, [n, 4] of each image."""
        for name in ["box", *self.branches]:
            getattr(self, name).forward(feats, boxes)
