"""The interface of a branch of the RoI head."""

from __future__ import annotations

from jittor import nn


class Branch(nn.Module):
    """A part of the RoI head that defines its own losses and results: boxes, masks, ... Structures: jsra.boxes.structures.

    needs: names of entries of a target that training uses, besides boxes and labels.
    """

    needs = ()

    def check(self, box):
        """Raise ValueError if this branch cannot follow the box branch `box`; called when both are built."""

    def forward(self, feats, rois):
        """feats: the neck's maps, finest first; rois [K, 5] (batch index, xyxy in image pixels) -> the outputs of the
        branch's head. Used to count its cost."""
        raise NotImplementedError

    def losses(self, feats, samples, targets) -> dict:
        """samples: a list with the Samples that each stage of the box branch was trained on; targets: Targets.

        Returns {name: loss}; after its last dot a name begins with "loss", and no other branch uses the same names.
        """
        raise NotImplementedError

    def results(self, feats, results, targets):
        """results: the Results of the box branch and earlier branches -> the same object with the fields of this branch."""
        raise NotImplementedError

    def finish(self, results, targets):
        """The last step, on the host: changes `results`, a list with one dict per image, in place."""
