"""`jsra bench model`: a detector's inference and training step, here and in peer programs with the same weights and image.

Each of our models runs in a separate process, so that its memory can be measured; all programs take turns.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile

import numpy as np

from jsra import resources
from jsra.bench.detectors import DETECTORS
from jsra.bench.ops import Peer, machine, programs_of
from jsra.bench.weights import seeded
from jsra.convert.convert import from_jsra
from jsra.registry import ConfigError, nearest

WORKS = ("inference", "training", "pasting")
MASKS = 100  # number of masks to paste
PEER_SCRIPT = os.path.join(os.path.dirname(__file__), "model_peer.py")  # not imported here: it needs the peers' packages
SIZE = (800, 1216)  # height, width
WARM_UP = 2


class Program:
    """One program in one process. name: of its row in the table; versus: the row to compare it with, or None."""

    def __init__(self, process, program, name, versus=None):
        self.process, self.program, self.name, self.versus = process, program, name, versus

    def ask(self, **command):
        reply = self.process.ask(self.program, **command)
        if "error" in reply:
            raise RuntimeError(f"{self.name}: {reply['error']}")
        return reply

    def detections(self, folder):
        """[n, 6]: box, score, label."""
        path = os.path.join(folder, "detections.npy")
        self.ask(save=path)
        return np.load(path)


def pictures(size, number, masks=False):
    """{images [B, 3, height, width], boxes [B, 12, 4], labels [B, 12]}. With masks also objects uint8 [B, 12, height, width]
    (the ellipses in the boxes), and the masks to paste: probabilities [MASKS, 28, 28] and places [MASKS, 4]."""
    names = ("images", "boxes", "labels")
    found = {n: np.stack(values) for n, values in zip(names, zip(*(picture(size, seed) for seed in range(number))))}
    if masks:
        rng = np.random.default_rng(0)
        found["objects"] = np.stack([ellipses(boxes, size) for boxes in found["boxes"]])
        found["probabilities"] = rng.random((MASKS, 28, 28), np.float32)
        found["places"] = random_boxes(rng, MASKS, size)
    return found


def ellipses(boxes, size):
    """uint8 [n, height, width]: 1 within the ellipse of each box."""
    y, x = (np.arange(side)[:, None] + 0.5 for side in size)
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    columns, rows = (((side.T - centre[:, i : i + 1]) / half[:, i : i + 1]) ** 2 for i, side in enumerate((x, y)))
    return (rows[:, :, None] + columns[:, None] <= 1).astype(np.uint8)


def random_boxes(rng, number, size):
    """float32 [number, 4] within an image of size (height, width)."""
    sides = np.exp(rng.uniform(np.log(0.04), np.log(0.5), (number, 2)))
    corners = rng.uniform(0, 1, (number, 2)) * (1 - sides)
    return (np.concatenate([corners, corners + sides], axis=1) * [*size[::-1], *size[::-1]]).astype(np.float32)


def picture(size, seed=0):
    """A normalised image of the built-in dataset, float32 [3, height, width], with 12 boxes and labels for training."""
    from jsra.data.puppets.render import render
    from jsra.data.puppets.scene import make_scene

    height, width = size
    pixels = render(make_scene("train", 0, seed, max(size)))[0][:height, :width].astype(np.float32)
    pixels = (pixels - np.float32([123.675, 116.28, 103.53])) / np.float32([58.395, 57.12, 57.375])
    boxes = random_boxes(np.random.default_rng(seed), 12, size)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), boxes, np.arange(12, dtype=np.int32) % 3 + 1


def weights(config):
    """Seeded weights for a config's model, by our names."""
    from jsra.config import load_config
    from jsra.registry import build

    model = build(load_config(config)["model"], config)
    return {name: seeded(name, tuple(var.shape)) for name, var in model.state_dict().items()}


def differences(ours, theirs):
    """(number of our detections, number of theirs, largest difference of box coordinates in pixels, and of scores).

    Each detection is compared with the nearest box of the same label. Differences are None if one side has no detections.
    """
    if not len(ours) or not len(theirs):
        return len(ours), len(theirs), None, None
    distance = np.abs(ours[:, None, :4] - theirs[None, :, :4]).max(axis=2)
    distance += np.where(ours[:, None, 5] == theirs[None, :, 5], 0, 1e6)
    partner = distance.argmin(axis=1)
    scores = np.abs(ours[:, 4] - theirs[partner, 4]).max()
    return len(ours), len(theirs), float(distance.min(axis=1).max()), float(scores)


def _start(stack, python_peers, folder, detector, arrays, threads):
    """The loaded programs; each of our models is followed by the peers with the same function."""
    peers = [
        stack.enter_context(
            contextlib.closing(Peer(p, threads, (PEER_SCRIPT,), "torchvision nor mmdet"))
        )
        for p in python_peers
    ]
    programs = []
    for name, (config, families, versus) in DETECTORS[detector].items():
        config = os.path.join(resources.folder("jdet_configs"), config)
        own = weights(config)
        process = Peer(sys.executable, threads, ("-m", "jsra.bench.model_worker"))
        stack.enter_context(contextlib.closing(process))
        theirs = [(p, program, shown) for p, program, shown in programs_of(peers) if p.programs[program] in families]
        mine = Program(process, "jsra", name, versus)
        group = [(mine, own)]
        if theirs:
            named = from_jsra(own, families[0]).arrays
            group += [(Program(p, program, shown, name), named) for p, program, shown in theirs]
        for program, parameters in group:
            file = os.path.join(folder, "model.npz")
            np.savez(file, **arrays, **parameters)
            program.directions = program.ask(load=file, call=config, settings={"detector": detector})["directions"]
            os.remove(file)
            programs.append(program)
    return programs


def measure(work, programs, repeat, folder):
    """One result per program: {work, program, versus, seconds, cpu: [s], peak, pool: MB, differs}."""
    programs = [p for p in programs if work in p.directions]
    replies = {p.name: [] for p in programs}
    for turn in range(WARM_UP + repeat):
        for program in programs:
            reply = program.ask(run=work)
            if turn >= WARM_UP:
                replies[program.name].append(reply)
    found = {p.name: p.detections(folder) for p in programs} if work == "inference" else {}
    results = []
    for program in programs:
        result = dict(work=work, program=program.name, versus=program.versus)
        for key in ("seconds", "cpu"):
            result[key] = [reply[key] for reply in replies[program.name]]
        result["peak"] = max(reply["peak"] for reply in replies[program.name])
        result["pool"] = replies[program.name][-1].get("pool")
        if found and program.program != "jsra":
            result["differs"] = differences(found[program.versus], found[program.name])
        results.append(result)
    return results


def lines(results):
    """The rows of the table: seconds, peak memory, and the ratio of our model to the program it is compared with.

    Ratios are those of the medians, and in brackets those of the processor time, on which other work on the machine has
    little influence.
    """
    by_name = {r["program"]: r for r in results}
    for r in results:
        digits = 4 if r["work"] == "pasting" else 2
        seconds = f"{statistics.median(r['seconds']):.{digits}f} ({min(r['seconds']):.{digits}f})"
        seconds += f" | {statistics.median(r['cpu']):.{digits}f}"
        pool = "" if r["pool"] is None else f", {r['pool']:.0f} of them Jittor's"
        cells = [r["work"], r["program"], seconds, f"{r['peak']:.0f}{pool}", _ratio(r, by_name.get(r["versus"]))]
        yield "| " + " | ".join(cells) + " |"


def _ratio(result, other):
    """For a peer: our time / its time. For SRA: its time and memory / those of RoI Align."""
    if other is None:
        return ""
    time, cpu = (statistics.median(result[k]) / statistics.median(other[k]) for k in ("seconds", "cpu"))
    if result["pool"] is not None:
        memory = f", of its memory x {result['peak'] / other['peak']:.2f}"
        return f"of {other['program']}'s time x {time:.2f} ({cpu:.2f}){memory}"
    text = f"ours ({other['program']}) takes x {1 / time:.2f} ({1 / cpu:.2f})"
    if "differs" in result:
        ours, theirs, pixels, scores = result["differs"]
        text += f"; {ours} and {theirs} detections"
        if pixels is not None:
            text += f", boxes within {pixels:.1e} px, scores within {scores:.1e}"
    return text


def bench(python_peers=(), only=(), repeat=5, size=None, batch=1, report=print, detector="faster_rcnn") -> list:
    """Measure `only` (default: all) of WORKS with a `detector` of DETECTORS and report a table; returns the results as dicts.

    Inference uses one image, a training step `batch` images, all of `size` (height, width). Pasting (if the detector has
    masks): MASKS masks into an image; our results are RLEs, those of the peers bitmaps or maps of probabilities.
    """
    if detector not in DETECTORS:
        raise ConfigError(f"--detector {detector}: not a detector{nearest(detector, DETECTORS)}")
    masks = "mask" in detector
    for work in only:
        if work not in WORKS:
            raise ConfigError(f"--only {work}: not a kind of work{nearest(work, WORKS)}")
    threads, size = machine()["threads"], size or SIZE
    arrays = pictures(size, batch, masks)
    report(
        f"{detector}, {threads} threads, {size[0]} x {size[1]}, {batch} images in a training step; seconds: median (minimum) "
        f"of {repeat} alternating runs; peak in MB"
    )
    report("| work | program | s | processor s | peak MB | ratio |")
    report("| --- | --- | --- | --- | --- | --- |")
    results = []
    for work in only or (WORKS if masks else WORKS[:2]):
        with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
            found = measure(work, _start(stack, python_peers, folder, detector, arrays, threads), repeat, folder)
        results += found
        for line in lines(found):
            report(line)
    return results
