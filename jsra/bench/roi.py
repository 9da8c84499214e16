"""`jsra bench roi`: every RoI feature extractor, forward and backward, compared with a peer's roi_align on the same
inputs."""

from __future__ import annotations

import os
import statistics
import tempfile
import time

import jittor as jt
import numpy as np

from jsra import resources
from jsra.bench.entries import SCALE, Entry, features, rois
from jsra.bench.ops import Peer, Theirs, machine, programs_of
from jsra.config import load_config
from jsra.registry import ConfigError, build, nearest

# The <name> of jdet_configs/faster_rcnn_r50_fpn_<name>_1x_coco.py, without the ablations of SRA.
LAYERS = (
    "roi_align",
    "roi_pool",
    "adaptive_roi_align",
    "precise_roi_align",
    "deform_roi_pool",
    "roi_attention",
    "conv_masks",
    "self_attention",
    "learned_region",
    "roi_transformer",
    "sra",
)
ALIGN = dict(output_size=7, spatial_scale=SCALE, sampling_ratio=0, aligned=True)


class Layer:
    """An extractor of the configs on one feature map, as one program to time."""

    def __init__(self, name, arrays):
        path = os.path.join(resources.folder("jdet_configs"), f"faster_rcnn_r50_fpn_{name}_1x_coco.py")
        self.name = name
        self.layer = build(load_config(path)["model"]["roi_head"]["box"]["extractor"]["roi_layer"], name)
        self.layer.train()
        self.features, self.rois = (jt.array(a) for a in arrays)
        self.weights = [p for p in self.layer.parameters() if not p.is_stop_grad()]
        jt.sync([self.features, self.rois, *self.weights])

    def directions(self):
        return ["forward", "backward"]

    def run(self, direction):
        """Seconds of one run; 'backward': all gradients (features and weights) after a forward."""
        if direction == "backward":
            loss = self._forward()
            loss.sync()
        start = time.perf_counter()
        if direction == "forward":
            with jt.no_grad():
                self._forward().sync()
        else:
            jt.sync(jt.grad(loss, [self.features, *self.weights]))
        return time.perf_counter() - start

    def _forward(self):
        return self.layer(self.features, self.rois, SCALE).sum()


def bench(python_peers=(), only=(), count=1000, repeat=3, seed=0, report=print) -> list:
    """Time every extractor of LAYERS (or `only`) and the peers' roi_align in turn; returns the results as dicts."""
    for name in only:
        if name not in LAYERS:
            raise ConfigError(f"--only {name}: not an extractor{nearest(name, LAYERS)}")
    rng = np.random.default_rng(seed)
    arrays = [features(rng), rois(rng, count)]
    entry = Entry("roi_align", None, None, peer="roi_align", peer_settings=ALIGN)
    threads = machine()["threads"]
    peers = [Peer(p, threads) for p in python_peers]
    results = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "inputs.npz")
            np.savez(file, in0=arrays[0], in1=arrays[1])
            theirs = [t for t in (Theirs(*one) for one in programs_of(peers)) if t.load(entry, file)]
            report(f"{threads} threads, {count} RoIs; milliseconds: median (minimum) of {repeat} alternating runs")
            report("| extractor | direction | jsra ms | roi_align of a peer |")
            report("| --- | --- | --- | --- |")
            for name in only or LAYERS:
                ours = Layer(name, arrays)
                for direction in ours.directions():
                    results.append(
                        _measure(ours, [t for t in theirs if direction in t.directions()], direction, repeat)
                    )
                    report(_line(results[-1]))
                del ours
                jt.gc()
    finally:
        for peer in peers:
            peer.close()
    return results


def _measure(ours, theirs, direction, repeat):
    ours.run(direction)  # compiles and warms up
    times = {"jsra": [], **{t.name: [] for t in theirs}}
    for _ in range(repeat):
        times["jsra"].append(ours.run(direction))
        for peer in theirs:
            times[peer.name].append(peer.run(direction)[0])
    return dict(extractor=ours.name, direction=direction, times=times)


def _line(result):
    ours = result["times"]["jsra"]
    cells = [f"{name} {_spread(t)} ms, ours is x {statistics.median(ours) / statistics.median(t):.2f}"
             for name, t in result["times"].items() if name != "jsra"]  # fmt: skip
    return f"| {result['extractor']} | {result['direction']} | {_spread(ours)} | {'; '.join(cells)} |"


def _spread(times):
    return f"{1e3 * statistics.median(times):.0f} ({1e3 * min(times):.0f})"
