"""The mask branch: which pixels of each box belong to the object.

Shape letters: B images; S samples per image, of which at most P are positive; M detections per image; m rows and columns of
a mask.
"""

from __future__ import annotations

import itertools

import jittor as jt
import numpy as np

from jsra.arguments import part
from jsra.boxes.mask_truth import mask_truth
from jsra.boxes.structures import rois_of, take
from jsra.data.mask_windows import to_rles, windows_of_boxes
from jsra.heads.branch import Branch
from jsra.ops.mask_targets import mask_targets
from jsra.ops.paste_masks import paste_masks
from jsra.registry import register

ROIS = 128  # RoIs per pass through the mask head in evaluation
PIXELS = 2**26  # mask pixels that are pasted at a time


class MaskResults(Branch):
    """The evaluation part of every mask branch: predict the masks of the detections and paste them into the image.

    A subclass defines probabilities(feats, rois [K, 5], labels int32 [K]) -> [K, m, m], the mask of the detected class.
    mask_thr: the probability from which a pixel belongs to the object.
    """

    needs = ("masks",)

    def __init__(self, mask_thr: float):
        super().__init__()
        self.mask_thr = float(mask_thr)

    def results(self, feats, results, targets):
        """Adds the field `masks`: probabilities [B, most detections in an image, m, m]. The number of detections is read on
        the host so that the head runs only on existing detections."""
        counts = results.count.numpy()
        most = max(1, int(counts.max()))
        real = np.arange(most) < counts[:, None]
        (rows,) = np.nonzero(np.pad(real, ((0, 0), (0, results.rows.shape[1] - most))).ravel())
        labels = results.fields["labels"].reshape(1, -1)
        masks = []
        for block in np.split(rows, range(ROIS, len(rows), ROIS)) if len(rows) else [np.full(1, -1)]:
            index = jt.array(block[None].astype(np.int32))
            masks.append(self.probabilities(feats, take(results.rois.unsqueeze(0), index)[0], take(labels, index)[0]))
        place = jt.array(np.where(real, real.cumsum().reshape(real.shape) - 1, -1).astype(np.int32))
        results.fields["masks"] = take(jt.concat(masks, dim=0).unsqueeze(0), place)
        return results

    def finish(self, results, targets):
        counts = [len(result["boxes"]) for result in results]
        sizes = np.repeat([target["ori_img_size"] for target in targets], counts, axis=0)
        masks, boxes = (np.concatenate([result[key] for result in results]) for key in ("masks", "boxes"))
        rles = iter(paste(masks, boxes, sizes, self.mask_thr))
        for result, count in zip(results, counts):
            result["masks"] = list(itertools.islice(rles, count))


@register("branch")
class MaskBranch(MaskResults):
    """extractor: an RoI feature extractor (feats, rois [K, 5]) -> [K, channels, h, w]; head: e.g. FCNMaskHead.

    It is trained on the positive samples of the last box stage. mask_thr: see MaskResults. target_thr: a pixel of the target
    is 1 if the object covers at least this fraction of it; None: the target is the fraction itself. target_aligned: targets
    are cropped with half-pixel centres. Defaults: those of mmdet; torchvision uses None and False.
    """

    def __init__(
        self,
        extractor: part.extractor,
        head: part.mask_head,
        mask_thr: float = 0.5,
        target_thr: float | None = 0.5,
        target_aligned: bool = True,
    ):
        super().__init__(mask_thr)
        self.extractor = extractor
        self.head = head
        self.target_thr = target_thr
        self.target_aligned = target_aligned

    def forward(self, feats, rois):
        """rois [K, 5] -> the logits [K, C, m, m] of all classes."""
        return self.head(self.extractor(feats, rois))

    def losses(self, feats, samples, targets):
        """{loss_mask}."""
        return self.losses_of(feats, samples[-1], mask_truth(targets))

    def losses_of(self, feats, samples, truth):
        """samples: Samples of one stage; truth: MaskTruth. Positive samples come first; only their rows are used."""
        most = _most_positives(samples)
        boxes, gt_index, labels = (v[:, :most] for v in (samples.boxes, samples.gt_index, samples.labels))
        images, count = gt_index.shape
        weights = take(truth.has, gt_index)
        logits = self.head.class_logits(self.extractor(feats, rois_of(boxes, weights)), labels.reshape(-1))
        first = jt.arange(images).unsqueeze(1).broadcast([images, count]) * truth.has.shape[1]
        index = jt.ternary(gt_index >= 0, first + gt_index, gt_index).reshape(-1)
        wanted = mask_targets(
            truth.bitmaps, truth.places, boxes.reshape(-1, 4), index, truth.size, logits.shape[-1],
            aligned=self.target_aligned,
        )  # fmt: skip
        if self.target_thr is not None:
            wanted = (wanted >= self.target_thr).float32()
        return self.head.losses(logits, wanted.stop_grad(), weights.reshape(-1))

    def probabilities(self, feats, rois, labels):
        return self.head.class_logits(self.extractor(feats, rois), labels).sigmoid()


def _most_positives(samples) -> int:
    """How many rows hold the positives of every image. On the CPU they are counted, because reading a number costs nothing
    there and unused RoIs do (the usual 128 per image: a quarter of a training step). On a GPU, reading would mean waiting."""
    return samples.max_pos if jt.flags.use_cuda else max(1, int(samples.num_pos.numpy().max()))


def paste(masks, boxes, sizes, threshold: float = 0.5) -> list:
    """masks [n, m, m] (probabilities), each resized to its box, xyxy [n, 4] in pixels of the original image -> a list of RLE
    as in COCO result files: {'size': [height, width], 'counts': str}. sizes: (width, height) of the image, or [n, 2], one per
    mask."""
    places, total = windows_of_boxes(boxes, sizes)
    starts, sizes = places[:, 0], np.broadcast_to(sizes, (len(places), 2))
    rles = []
    for rows in np.split(np.arange(len(places)), np.flatnonzero(np.diff(starts // PIXELS)) + 1):
        if len(rows):
            own, end = places[rows], np.append(starts, total)[rows[-1] + 1]
            own[:, 0] -= starts[rows[0]]
            inputs = [jt.array(a) for a in (masks[rows], boxes[rows], own.astype(np.int32))]
            pixels = paste_masks(*inputs, int(end - starts[rows[0]]), threshold)
            rles += to_rles(own, pixels.numpy(), sizes[rows])
    return rles
