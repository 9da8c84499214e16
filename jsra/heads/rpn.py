"""Region Proposal Network (Ren et al. 2015).

Shape letters: B images; A anchors per position; H, W of a level's map; N anchors of all levels together, ordered by level,
position, anchor (see jsra.boxes.anchors).
"""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import nn

from jsra.boxes.convert import as_boxes
from jsra.boxes.proposals import ProposalSelector
from jsra.ops.conv import Conv2d
from jsra.registry import register


@register("head")
class RPNHead(nn.Module):
    """A 3x3 convolution, then objectness and box deltas of every anchor, shared by all levels.

    anchor_generator, box_coder, assigner, sampler, loss_cls, loss_box: built objects. train_proposals, test_proposals:
    ProposalSelectors. num_convs: 3x3 convolutions before the outputs.
    """

    def __init__(
        self, anchor_generator, box_coder, assigner, sampler, loss_cls, loss_box, in_channels=256, feat_channels=256,
        num_convs=1, train_proposals=None, test_proposals=None,
    ):  # fmt: skip
        super().__init__()
        self.anchor_generator = anchor_generator
        self.box_coder = box_coder
        self.assigner = assigner
        self.sampler = sampler
        self.loss_cls = loss_cls
        self.loss_box = loss_box
        self.train_proposals = train_proposals or ProposalSelector(nms_pre=2000)
        self.test_proposals = test_proposals or ProposalSelector()
        a = anchor_generator.num_base_anchors
        widths = [in_channels] + [feat_channels] * num_convs
        self.convs = nn.ModuleList([Conv2d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:])])
        self.cls = Conv2d(feat_channels, a, 1)
        self.box = Conv2d(feat_channels, 4 * a, 1)
        for conv in list(self.convs) + [self.cls, self.box]:
            jt.init.gauss_(conv.weight, 0.0, 0.01)
            jt.init.constant_(conv.bias, 0.0)

    def forward_levels(self, feats):
        """feats: list of [B, C, H, W] -> lists of logits [B, A, H, W] and deltas [B, 4A, H, W]."""
        logits, deltas = [], []
        for x in feats:
            x = self.shared(x)
            logits.append(self.cls(x))
            deltas.append(self.box(x))
        return logits, deltas

    def shared(self, x):
        """What the logits and the deltas of a level are read from."""
        for conv in self.convs:
            x = nn.relu(conv(x))
        return x

    def execute(self, feats, targets=None, image_sizes=None):
        """feats: list of [B, C, H, W]; targets: dicts of jsra's contract, needed in training only; image_sizes: (w, h) each.

        Returns proposals (a float32 [n, 4] array per image, best first) and, in training, the losses {loss_rpn_cls,
        loss_rpn_box}, else {}.
        """
        logits, deltas = self.forward_levels(feats)
        jt.sync(logits + deltas)
        selector = self.train_proposals if self.is_training() else self.test_proposals
        anchors = self.anchor_generator.grids([x.shape[2:] for x in feats])
        raw_logits, raw_deltas = [x.numpy() for x in logits], [x.numpy() for x in deltas]
        proposals = []
        for i, size in enumerate(image_sizes):
            boxes, _ = selector.select(
                [x[i] for x in raw_logits], [x[i] for x in raw_deltas], anchors, self.box_coder, size
            )
            proposals.append(boxes)
        losses = self.losses(logits, deltas, anchors, targets) if self.is_training() else {}
        return proposals, losses

    def losses(self, logits, deltas, anchors, targets):
        """Losses over the sampled anchors of all images, divided by the number of samples (mmdet's)."""
        sizes = [x.shape[2:] for x in logits]
        all_anchors = np.concatenate(anchors)
        samples = [self.sample(all_anchors, sizes, target) for target in targets]
        avg_factor = sum(s.avg_factor for s in samples)
        cls_index, box_index, labels, box_targets = [], [], [], []
        offsets = _FlatOffsets(sizes, self.anchor_generator.num_base_anchors, len(targets))
        for i, (s, target) in enumerate(zip(samples, targets)):
            cls_at, box_at = offsets.locate(s.index, i)
            cls_index.append(cls_at)
            box_index.append(box_at[: s.num_pos])
            labels.append((np.arange(len(s.index)) < s.num_pos).astype(np.float32))
            gt = as_boxes(target["bboxes"])[s.gt_index]
            box_targets.append(self.box_coder.encode(s.boxes[: s.num_pos], gt).astype(np.float32))
        flat_logits = jt.concat([x.reshape(-1) for x in logits])
        flat_deltas = jt.concat([x.reshape(-1) for x in deltas])
        chosen = flat_logits[jt.array(np.concatenate(cls_index).astype(np.int32))]
        box_index = np.concatenate(box_index).astype(np.int32).reshape(-1)
        loss_cls = self.loss_cls(chosen, jt.array(np.concatenate(labels)), avg_factor=avg_factor)
        if len(box_index):
            wanted = jt.array(np.concatenate(box_targets).reshape(-1))
            loss_box = self.loss_box(flat_deltas[jt.array(box_index)], wanted, avg_factor=avg_factor)
        else:
            loss_box = flat_deltas.sum() * 0.0
        return {"loss_rpn_cls": loss_cls, "loss_rpn_box": loss_box}

    def sample(self, anchors, sizes, target):
        """Match and sample the anchors [N, 4] that lie within the image's own padded size."""
        width, height = target["pad_shape"] if target.get("pad_shape") is not None else target["img_size"]
        inside = np.flatnonzero(self.anchor_generator.valid(sizes, (height, width)))
        inside_anchors = anchors if len(inside) == len(anchors) else anchors[inside]
        matched = self.assigner.assign(inside_anchors, target["bboxes"], target.get("bboxes_ignore"))
        samples = self.sampler.sample(inside_anchors, matched, target["bboxes"])
        return samples._replace(index=inside[samples.index])


class _FlatOffsets:
    """Where the outputs of an anchor stand in the levels' outputs, flattened and concatenated."""

    def __init__(self, sizes, num_base_anchors, batch):
        self.a = num_base_anchors
        self.batch = batch
        self.cells = np.array([h * w for h, w in sizes], np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.cells)])

    def locate(self, index, image):
        """index int [n] of anchors (of one image) -> positions [n] of their logits and [n, 4] of their deltas."""
        position, which = index // self.a, index % self.a
        level = np.searchsorted(self.starts, position, side="right") - 1
        cells, cell = self.cells[level], position - self.starts[level]
        # A level's logits are [B, A, cells], after those of the levels before it; its deltas [B, A, 4, cells].
        row = image * self.a + which
        logit = self.batch * self.a * self.starts[level] + row * cells + cell
        first = 4 * self.batch * self.a * self.starts[level] + 4 * row * cells + cell
        return logit, first[:, None] + np.arange(4) * cells[:, None]
