"""Our side of `jsra bench model`: one model in a process of its own, so that its memory is its own. Commands: peer.py's."""

from __future__ import annotations

import jittor as jt
import numpy as np

from jsra.bench.peer import serve
from jsra.config import load_config
from jsra.engine.optimizer import SGD
from jsra.engine.train import total_loss
from jsra.fuse import FusedModel
from jsra.registry import build
from jsra.runtime.seed import set_seed


class Model:
    """A config's detector. load: arrays `image` [3, H, W], `boxes` [n, 4], `labels` [n] and the weights by our names."""

    name = "jsra"

    def load(self, arrays, call, settings):
        image = arrays.pop("image")
        height, width = image.shape[1:]
        self.target = dict(img_size=(width, height), bboxes=arrays.pop("boxes"), labels=arrays.pop("labels"))
        self.image = jt.array(image[None]).stop_grad()
        self.model = build(load_config(call)["model"], call)
        for name, var in self.model.state_dict().items():
            var.update(jt.array(arrays[name]))
        jt.sync_all()
        self.model.eval()
        self.fused = FusedModel(self.model)
        self.optimizer = None

    def inference(self):
        (self.found,) = self.fused(self.image, [self.target])

    def prepare_training(self):
        if self.optimizer is None:
            self.model.train()
            self.optimizer = SGD(self.model.parameters(), lr=1e-6, momentum=0.9, weight_decay=1e-4)
        set_seed(0)

    def training(self):
        losses = self.model(self.image, [self.target])
        self.optimizer.step(total_loss(losses))
        jt.sync_all()

    def memory(self):
        """MB that Jittor has taken from the system, which it keeps: its peak."""
        return {"pool": jt.get_mem_info().total_cpu_used / 2**20}

    def result(self):
        """Detections [n, 6]: box, score, label."""
        return np.column_stack([self.found["boxes"], self.found["scores"], self.found["labels"]])


if __name__ == "__main__":
    serve([Model])
