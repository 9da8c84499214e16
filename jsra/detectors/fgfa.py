"""Flow-Guided Feature Aggregation (Zhu et al. 2017, arXiv:1703.10025): a two-stage detector that uses several frames.

The maps of other frames are warped to the key frame by the optical flow and combined with its own maps; the RPN and RoI head
of any two-stage detector run on the combined maps. Where the paper and mmtracking's FGFA differ, it follows mmtracking.

Shape letters: B key frames; R references per key frame; C channels, H x W cells of a map.
"""

from __future__ import annotations

import jittor as jt
import numpy as np
from jittor import nn

from jsra.arguments import part
from jsra.detectors.two_stage import TwoStageDetector
from jsra.ops.flow_warp import flow_warp
from jsra.registry import register
from jsra.video.stream import FrameStream


@register("detector")
class FGFA(TwoStageDetector):
    """backbone, rpn, roi_head, neck: see TwoStageDetector. motion: FlowNetS, or None to combine maps without warping, for
    frames with little motion. aggregator: EmbedAggregator.

    Targets contain 'references', float32 [R, 3, h, w]: other frames, transformed like their key frame (a VIDDataset gives
    them in training). In training only the maps of the references are combined; in testing the key frame's maps are included,
    and without 'references' only these are used. `stream` detects in a video frame by frame.

    window: numbers of frames before and after the key frame that testing uses.
    scaled_grid: positions as in mmtracking, whose warping reads cell i at i * (W - 1) / W; its weights were trained this way.
    """

    def __init__(
        self,
        backbone: part.backbone,
        rpn: part.rpn,
        roi_head: part.roi_head,
        aggregator: part.aggregator,
        motion: part.motion | None = None,
        neck: part.neck | None = None,
        window: tuple[int, int] = (15, 15),
        scaled_grid: bool = False,
    ):
        super().__init__(backbone, rpn, roi_head, neck)
        if min(window) < 0:
            raise ValueError(f"FGFA: window counts frames before and after, at least 0, not {tuple(window)}")
        self.motion = motion
        self.aggregator = aggregator
        self.window = tuple(window)
        self.scaled_grid = scaled_grid

    def execute(self, images, targets=None):
        """images, targets: see Detector.complete, and 'references' above (the same number for all images of a batch).
        Returns a dict of losses in training, otherwise a list of results."""
        targets = self.complete(images, targets)
        references, count = self._references(images, targets)
        if not count:
            return self.found(self.features(images), targets)
        batch = images.shape[0]
        maps = self.features(jt.concat([images, references], dim=0))
        key, others = [m[:batch] for m in maps], [m[batch:] for m in maps]
        warped = self.warped(images, references, others, targets.sizes)
        if not self.is_training():
            warped = [jt.concat([k.unsqueeze(1), w], dim=1) for k, w in zip(key, warped)]
        return self.found(self.joined(key, warped), targets)

    def _references(self, images, targets):
        """([B * R, 3, H, W], R): the references of the targets, padded with zeros to the size of the images; (None, 0) if
        there are none."""
        given = [target.get("references") for target in targets]
        counts = [0 if g is None else len(g) for g in given]
        if len(set(counts)) > 1:
            raise ValueError(f"FGFA: the images of a batch have {counts} references; they must have the same number")
        if not counts[0]:
            if self.is_training():
                name = targets.images[0]["img_id"]
                raise ValueError(
                    f"FGFA: training needs 'references', other frames, in every target; image {name!r} has none: use a "
                    "VIDDataset with `references`"
                )
            return None, 0
        height, width = images.shape[2:]
        padded = np.zeros((len(given), counts[0], 3, height, width), np.float32)
        for place, frames in zip(padded, given):
            place[:, :, : frames.shape[2], : frames.shape[3]] = frames
        return jt.array(padded.reshape(-1, 3, height, width)).stop_grad(), counts[0]

    def warped(self, images, references, maps, sizes):
        """Warp the references' maps, each [B * R, C, H, W], to the key frames -> maps, each [B, R, C, H, W].

        images: the key frames [B, 3, h, w]; references: [B * R, 3, h, w]; sizes: [B, 2] (width, height) without padding.
        """
        batch, count = images.shape[0], references.shape[0] // images.shape[0]
        if self.motion is not None:
            first = images.unsqueeze(1).repeat(1, count, 1, 1, 1).reshape(references.shape)
            flow = self.motion(first, references, sizes.unsqueeze(1).repeat(1, count, 1).reshape(-1, 2))
            maps = [flow_warp(m, self._cells(flow, m, images.shape[3])) for m in maps]
        return [m.reshape(batch, count, *m.shape[1:]) for m in maps]

    def _cells(self, flow, like, image_width):
        """A flow in pixels, resized to the map `like` and converted to its cells."""
        height, width = like.shape[2:]
        flow = nn.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False) * (width / image_width)
        if not self.scaled_grid:
            return flow
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        cells = jt.array(np.stack([x, y])[None]).stop_grad()
        factors = jt.array(np.float32([1 - 1 / width, 1 - 1 / height]).reshape(1, 2, 1, 1)).stop_grad()
        return (flow + cells) * factors - cells

    def joined(self, key, others, counts=None):
        """Lists over the levels: key [B, C, H, W], others [B, R, C, H, W] -> [B, C, H, W]. counts: see the aggregator."""
        return tuple(self.aggregator(k, o, counts) for k, o in zip(key, others))

    def stream(self) -> FrameStream:
        """Detection in a video, frame by frame; the maps of each frame are computed only once."""
        return FrameStream(self, *self.window)
