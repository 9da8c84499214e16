"""What a branch of a RoI head is."""

from __future__ import annotations

from jittor import nn


class Branch(nn.Module):
    """A part of a RoI head that knows its own training and its own results: boxes, masks, ...

    The two are called losses and results, for nn.Module has a train already. Structures: jsra.boxes.structures.
    """

    def forward(self, feats, rois):
        """feats: the neck's maps, finest first; rois [K, 5] -> the outputs of the branch's head. Used to count its cost."""
        raise NotImplementedError

    def losses(self, feats, samples, targets) -> dict:
        """samples: a list of the Samples that each stage of the box branch trained on; targets: Targets.

        Returns {name: loss}; the names begin with "loss" after their last dot, and no other branch has them.
        """
        raise NotImplementedError

    def results(self, feats, results, targets):
        """results: the Results of the box branch and the branches before -> the same with what this branch adds."""
        raise NotImplementedError

    def finish(self, results, targets):
        """Work on the host, at the end: results, a list with the dict of each image, are changed in place."""
