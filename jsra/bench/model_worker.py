"""Our side of `jsra bench model`: one model in a separate process, so that its memory can be measured. Commands: see
peer.py."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.bench.peer import serve
from jsra.config import load_config
from jsra.data.masks import InstanceMasks
from jsra.engine.optimizer import SGD
from jsra.engine.train import total_loss
from jsra.fuse import FusedModel
from jsra.heads.mask_branch import paste
from jsra.registry import build
from jsra.runtime.seed import set_seed


class Model:
    """A config's detector. load: arrays `images` [B, 3, H, W], `boxes` [B, n, 4], `labels` [B, n], weights by our names; with
    masks also `objects` [B, n, H, W], `probabilities` [m, 28, 28] and `places` [m, 4]."""

    name = "jsra"

    def load(self, arrays, call, settings):
        images = arrays.pop("images")
        height, width = images.shape[2:]
        objects = zip(arrays.pop("boxes"), arrays.pop("labels"))
        self.targets = [dict(img_size=(width, height), bboxes=boxes, labels=labels) for boxes, labels in objects]
        if "objects" in arrays:
            for target, bitmaps in zip(self.targets, arrays.pop("objects")):
                target["masks"] = InstanceMasks.of_bitmaps(bitmaps)
            self.pasted = arrays.pop("probabilities"), arrays.pop("places"), width, height
        self.images, self.image = (jt.array(x).stop_grad() for x in (images, images[:1]))
        self.model = build(load_config(call)["model"], call)
        for name, var in self.model.state_dict().items():
            var.update(jt.array(arrays[name]))
        jt.sync_all()
        self.model.eval()
        self.fused = FusedModel(self.model)
        self.optimizer = None

    def inference(self):
        with jt.no_grad():
            (self.found,) = self.fused(self.image, self.targets[:1])

    def prepare_training(self):
        if self.optimizer is None:
            self.model.train()
            self.optimizer = SGD(self.model.parameters(), lr=1e-6, momentum=0.9, weight_decay=1e-4)
        set_seed(0)

    def training(self):
        losses = self.model(self.images, self.targets)
        self.optimizer.step(total_loss(losses))
        jt.sync_all()

    def pasting(self):
        paste(*self.pasted)

    def memory(self):
        """MB that Jittor has allocated from the system; it does not give memory back, so this is the peak."""
        return {"pool": jt.get_mem_info().total_cpu_used / 2**20}

    def result(self):
        """Detections [n, 6]: box, score, label."""
        return np.column_stack([self.found["boxes"], self.found["scores"], self.found["labels"]])


if __name__ == "__main__":
    serve([Model])
