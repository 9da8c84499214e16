"""What a branch of a RoI head is."""

from __future__ import annotations

from jittor import nn


class Branch(nn.Module):
    """A part of a RoI head that knows its own training and its own results: boxes, masks, ...

    The two are called losses and results, for nn.Module has a train already.
    """

    def forward(self, feats, boxes):
        """feats: the neck's maps, finest first; boxes: [n, 4] of each image -> the outputs of the branch's head."""
        raise NotImplementedError

    def losses(self, feats, samples, targets) -> dict:
        """samples: a list, for each stage of the box branch the samples that it trained on; targets: a dict per image.

        Returns {name: loss}, names that no other branch has.
        """
        raise NotImplementedError

    def results(self, feats, results, targets):
        """results: a dict per image, of the box branch and the branches before -> the same with what this one adds."""
        raise NotImplementedError
