"""What the two-stage detectors share: backbone, neck, region proposals, a head on the proposals."""

from __future__ import annotations

from jittor import nn


class TwoStageDetector(nn.Module):
    """backbone(images) -> maps; neck(maps) -> maps (None: the backbone's); rpn(maps, targets, sizes) -> proposals, losses;
    roi_head(maps, proposals, targets) -> losses in training, results in evaluation."""

    def __init__(self, backbone, rpn, roi_head, neck=None):
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.rpn = rpn
        self.roi_head = roi_head

    def features(self, images):
        """images [B, 3, H, W] -> tuple of maps, finest first."""
        maps = self.backbone(images.stop_grad())
        return tuple(maps if self.neck is None else self.neck(maps))

    def execute(self, images, targets=None):
        """images [B, 3, H, W] normalised and padded; targets: a dict per image, see docs; sizes are (w, h).

        Evaluation needs img_size, ori_img_size (default: the images' own size) and img_id; training bboxes [n, 4], labels
        [n] (1-based), bboxes_ignore [m, 4] too. Returns a dict of losses in training, else a list of results.
        Raises ValueError where targets do not fit.
        """
        targets = self._complete(images, targets)
        feats = self.features(images)
        proposals, losses = self.rpn(feats, targets, [t["img_size"] for t in targets])
        found = self.roi_head(feats, proposals, targets)
        if not self.is_training():
            return found
        losses.update(found)
        return losses

    def _complete(self, images, targets):
        """Targets with the sizes filled in."""
        batch, _, height, width = images.shape
        if targets is None:
            if self.is_training():
                raise ValueError("training needs targets: one dict per image with bboxes and labels")
            targets = [{} for _ in range(batch)]
        if len(targets) != batch:
            raise ValueError(f"{batch} images but {len(targets)} targets")
        complete = []
        for i, target in enumerate(targets):
            size = target.get("img_size", (width, height))
            target = {"img_id": i, **target, "img_size": size, "ori_img_size": target.get("ori_img_size", size)}
            if self.is_training():
                for key in ("bboxes", "labels"):
                    if target.get(key) is None:
                        raise ValueError(f"training needs {key!r} in every target; image {target['img_id']!r} has none")
                if len(target["bboxes"]) != len(target["labels"]):
                    raise ValueError(
                        f"image {target['img_id']!r}: {len(target['bboxes'])} bboxes but {len(target['labels'])} labels"
                    )
            complete.append(target)
        return complete
