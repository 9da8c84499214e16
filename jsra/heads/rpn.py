"""Region Proposal Network (Ren et al. 2015).

Shape letters: B images; A anchors per position; H x W cells of a level's map; N anchors of all levels together, ordered by
level, position, anchor (see jsra.boxes.anchors); S sampled anchors per image.
"""

from __future__ import annotations

import jittor as jt
from jittor import nn

from jsra.arguments import part
from jsra.boxes.proposals import ProposalSelector
from jsra.losses.kinds import check_binary, check_numbers
from jsra.ops.conv import Conv2d
from jsra.ops.dense_gather import dense_gather
from jsra.registry import register


@register("rpn")
class RPNHead(nn.Module):
    """A 3x3 convolution, then objectness and box deltas of every anchor; the weights are shared by all levels.

    anchor_generator, box_coder, assigner, sampler, loss_cls (with a sigmoid), loss_box: built objects. train_proposals,
    test_proposals: ProposalSelectors. in_channels: of the maps. num_convs, feat_channels: 3x3 convolutions before the
    outputs, and their channels. allowed_border: an anchor that extends this many image pixels or more beyond its image is not
    used in training; None: all are used.
    """

    def __init__(
        self,
        anchor_generator: part.anchor_generator,
        box_coder: part.box_coder,
        assigner: part.assigner,
        sampler: part.sampler,
        loss_cls: part.loss,
        loss_box: part.loss,
        in_channels: int = 256,
        feat_channels: int = 256,
        num_convs: int = 1,
        train_proposals: part.proposal_selector | None = None,
        test_proposals: part.proposal_selector | None = None,
        allowed_border: float | None = None,
    ):
        super().__init__()
        check_binary(loss_cls, type(self).__name__, "loss_cls")
        check_numbers(loss_box, type(self).__name__)
        self.anchor_generator = anchor_generator
        self.box_coder = box_coder
        self.assigner = assigner
        self.sampler = sampler
        self.loss_cls = loss_cls
        self.loss_box = loss_box
        self.train_proposals = train_proposals or ProposalSelector(nms_pre=2000)
        self.test_proposals = test_proposals or ProposalSelector()
        self.allowed_border = allowed_border
        a = anchor_generator.num_base_anchors
        widths = [in_channels] + [feat_channels] * num_convs
        self.convs = nn.ModuleList([Conv2d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:])])
        self.cls = Conv2d(feat_channels, a, 1)
        self.box = Conv2d(feat_channels, 4 * a, 1)
        for conv in list(self.convs) + [self.cls, self.box]:
            jt.init.gauss_(conv.weight, 0.0, 0.01)
            jt.init.constant_(conv.bias, 0.0)

    def shared(self, x):
        """The convolutions before both outputs: [B, in_channels, H, W] -> [B, feat_channels, H, W]."""
        for conv in self.convs:
            x = nn.relu(conv(x))
        return x

    def forward_levels(self, feats):
        """feats: list of [B, C, H, W] -> lists of logits [B, A, H, W] and deltas [B, 4A, H, W]."""
        logits, deltas = [], []
        for x in feats:
            x = self.shared(x)
            logits.append(self.cls(x))
            deltas.append(self.box(x))
        return logits, deltas

    def execute(self, feats, targets):
        """feats: list of [B, C, H, W]; targets: jsra.boxes.structures.Targets.

        Returns Proposals, and the losses {loss_rpn_cls, loss_rpn_box} in training, otherwise {}.
        """
        logits, deltas = self.forward_levels(feats)
        selector = self.train_proposals if self.is_training() else self.test_proposals
        anchors = self.anchor_generator.grids([x.shape[2:] for x in feats])
        proposals = selector.select(logits, deltas, anchors, self.box_coder, targets.sizes)
        return proposals, self.losses(logits, deltas, anchors, targets) if self.is_training() else {}

    def losses(self, logits, deltas, anchors, targets):
        """Losses over the sampled anchors of all images, divided by the number of samples, as in mmdet.

        anchors xyxy [N, 4] in image pixels; logits, deltas: as from forward_levels.
        """
        valid = self.anchor_generator.valid([x.shape[2:] for x in logits], targets.pad_sizes)
        if self.allowed_border is not None:
            valid = valid * _within(anchors, targets.sizes, self.allowed_border)
        matches = self.assigner.assign(anchors, targets.truth, valid)
        samples = self.sampler.sample(anchors, matches, targets.truth)
        # Positives and negatives each count as at least one per image.
        negatives = samples.count - samples.num_pos
        avg_factor = (jt.maximum(samples.num_pos, 1) + jt.maximum(negatives, 1)).sum().float32()
        positive = (samples.labels > 0).float32().reshape(-1)
        chosen = dense_gather(logits, samples.index).reshape(-1)
        loss_cls = self.loss_cls(chosen, positive, weight=samples.weights.reshape(-1), avg_factor=avg_factor)
        wanted = self.box_coder.encode(samples.boxes, samples.gt_boxes).reshape(-1, 4)
        chosen = dense_gather(deltas, samples.index, 4).reshape(-1, 4)
        loss_box = self.loss_box(chosen, wanted, weight=positive.unsqueeze(1), avg_factor=avg_factor)
        return {"loss_rpn_cls": loss_cls, "loss_rpn_box": loss_box}


def _within(anchors, sizes, border):
    """int32 [B, N]: 1 for anchors [N, 4] that extend less than `border` pixels beyond images of sizes [B, 2]."""
    low = jt.minimum(anchors[:, 0], anchors[:, 1]) >= -border
    past = [anchors[:, 2 + i].unsqueeze(0) - sizes[:, i].unsqueeze(1) < border for i in (0, 1)]
    return jt.logical_and(low.unsqueeze(0), jt.logical_and(*past)).int32()
