"""The second stage: branches on regions of interest."""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.registry import register


@register("roi_head")
class RoIHead(nn.Module):
    """box: a BoxBranch or CascadeBoxBranch. branches: {name: Branch} for further predictions per box (masks, ...); each
    becomes the attribute `name` and is independent of the others.
    """

    def __init__(self, box: part.box_branch, branches: dict[str, part.branch] | None = None):
        super().__init__()
        self.box = box
        self.branches = list(branches or {})
        for name, branch in (branches or {}).items():
            if hasattr(self, name):
                raise ValueError(f"RoIHead: a branch cannot have the name {name!r}, which RoIHead uses itself")
            branch.check(box)
            setattr(self, name, branch)

    def execute(self, feats, proposals, targets):
        """feats: the neck's maps, finest first; proposals: Proposals; targets: Targets (jsra.boxes.structures).

        Returns the losses of all branches in training, otherwise a list with one dict per image: img_id, boxes xyxy [n, 4] in
        pixels of the original image, scores [n], labels [n] (1-based), best first, and what the branches add.
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
        found = read(results, targets)
        for branch in others:
            branch.finish(found, targets)
        return found

    def forward_branches(self, feats, rois):
        """Run the box branch on rois [K, 5], the other branches on the first max_per_img of them. Used to count the cost."""
        self.box.forward(feats, rois)
        for name in self.branches:
            getattr(self, name).forward(feats, rois[: self.box.test.max_per_img])


def read(results, targets) -> list:
    """Results -> a list with one dict of NumPy arrays per image, in a single read from the device."""
    counts, *arrays = jt.fetch_sync([results.count, *results.fields.values()])
    found = []
    for i, target in enumerate(targets):
        rows = {name: array[i, : counts[i]].copy() for name, array in zip(results.fields, arrays)}
        found.append({"img_id": target.get("img_id"), **rows})
    return found
