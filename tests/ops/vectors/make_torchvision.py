"""Make the reference vectors of operators that torchvision or torch has: tests/ops/vectors/<operator>.npz.

Run with the Python of an environment that has torchvision 0.27 (not Jittor), from this folder:
`python make_torchvision.py [operator]`.
Inputs come from a fixed seed, so a second run writes the same numbers. To add an operator, add a function of its name to
this file, decorated with @operator, that yields Cases; the tests read the file by tests.ops.tester.read_vectors.
"""

import argparse
import json
import os
import zlib
from dataclasses import dataclass, field

import numpy as np
import torch
import torchvision

VECTORS = os.path.dirname(os.path.abspath(__file__))
OPERATORS = {}


@dataclass
class Case:
    """One call: positional inputs (NumPy), keyword settings, and the inputs whose gradients are kept."""

    name: str
    inputs: tuple
    settings: dict = field(default_factory=dict)
    grad: tuple = ()


def operator(function):
    OPERATORS[function.__name__] = function
    return function


def rois(rng, count, batches=2, width=70, height=54, low=1.0, high=40.0):
    corners = rng.uniform(-5, [width, height], (count, 2))
    sizes = rng.uniform(low, high, (count, 2))
    return np.concatenate([rng.integers(0, batches, (count, 1)), corners, corners + sizes], axis=1)


def whole_rois(rng, count, batches=2):
    """RoIs whose corners are whole pixels: bins end on sample and cell borders, where rounding decides."""
    corners = rng.integers(0, 48, (count, 2))
    parts = [rng.integers(0, batches, (count, 1)), corners, corners + rng.integers(1, 60, (count, 2))]
    return np.concatenate(parts, axis=1).astype(np.float64)


def edge_rois():
    """Boxes on, across and beyond the border of a 13 x 17 map at scale 1/4."""
    boxes = [[0, 0, 68, 52], [-4, -4, 10, 10], [60, 40, 90, 70], [66, 50, 68, 52], [-30, 10, -2, 30], [70, 10, 90, 30]]
    boxes.append([-500, -500, 500, 500])
    return np.array([[0, *b] for b in boxes], dtype=np.float64)


def empty_rois():
    """Boxes of no width, no height or neither: on cells and between them, in a corner, beyond the border."""
    boxes = [[5, 1, 5, 9], [1, 5, 9, 5], [22, 14, 22, 14], [21.5, 13.2, 21.5, 13.2], [0, 0, 0, 0], [70, 20, 70, 20]]
    return np.array([[i % 2, *b] for i, b in enumerate(boxes)], dtype=np.float64)


@operator
def roi_align(rng):
    features = rng.standard_normal((2, 3, 13, 17))
    for boxes, kind in ((rois(rng, 6), "random"), (whole_rois(rng, 6), "whole"), (edge_rois(), "edge")):
        for aligned in (False, True):
            for ratio in (-1, 2):
                settings = dict(output_size=[3, 4], spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned)
                yield Case(f"{kind} aligned={aligned} ratio={ratio}", (features, boxes), settings, grad=(0,))
    yield Case("defaults", (features, rois(rng, 3, width=16, height=12, high=9)), dict(output_size=2), grad=(0,))
    for aligned in (False, True):
        for ratio in (-1, 2):
            settings = dict(output_size=2, spatial_scale=0.25, sampling_ratio=ratio, aligned=aligned)
            yield Case(f"empty aligned={aligned} ratio={ratio}", (features, empty_rois()), settings, grad=(0,))


@operator
def roi_pool(rng):
    features = rng.standard_normal((2, 3, 13, 17))
    for boxes, kind in ((rois(rng, 6), "random"), (whole_rois(rng, 6), "whole"), (edge_rois(), "edge")):
        yield Case(kind, (features, boxes), dict(output_size=[3, 4], spatial_scale=0.25), grad=(0,))
    yield Case("empty", (features, empty_rois()), dict(output_size=2, spatial_scale=0.25), grad=(0,))


@operator
def ps_roi_align(rng):
    features = rng.standard_normal((2, 12, 13, 17))
    for ratio in (-1, 2):
        settings = dict(output_size=2, spatial_scale=0.25, sampling_ratio=ratio)
        yield Case(f"ratio={ratio}", (features, rois(rng, 6)), settings, grad=(0,))
    # Adaptive sampling divides zero by zero there.
    yield Case("empty", (features, empty_rois()), settings, grad=(0,))


@operator
def ps_roi_pool(rng):
    """torchvision clips bins to size - 1 in its output and to size in its gradient: gradients only where neither clips."""
    features = rng.standard_normal((2, 12, 13, 17))
    yield Case("random", (features, rois(rng, 6)), dict(output_size=2, spatial_scale=0.25))
    yield Case("whole", (features, whole_rois(rng, 6)), dict(output_size=2, spatial_scale=0.25))
    yield Case(
        "inside",
        (features, rois(rng, 6, width=28, height=24, high=20)),
        dict(output_size=2, spatial_scale=0.25),
        grad=(0,),
    )
    yield Case("empty", (features, empty_rois()[:5]), dict(output_size=2, spatial_scale=0.25), grad=(0,))


def boxes_and_scores(rng, count, ties=False):
    corners = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (count, 2))], axis=1)
    scores = rng.integers(0, 5, count) / 4.0 if ties else rng.uniform(0, 1, count)
    return boxes, scores


@operator
def nms(rng):
    for threshold in (0.3, 0.7):
        yield Case(f"threshold {threshold}", boxes_and_scores(rng, 80), dict(iou_threshold=threshold))
    yield Case("equal scores", boxes_and_scores(rng, 60, ties=True), dict(iou_threshold=0.5))
    same = np.tile(np.array([[1.0, 2, 9, 8]]), (5, 1))
    yield Case("equal boxes and scores", (same, np.full(5, 0.5)), dict(iou_threshold=0.5))
    # IoU of neighbours is exactly 1/2, 1/4: at the threshold a box is kept.
    halves = np.array([[0.0, 0, 4, 4], [0, 0, 4, 2], [0, 0, 2, 2]])
    yield Case("exactly at the threshold", (halves, np.array([0.9, 0.8, 0.7])), dict(iou_threshold=0.5))
    empty = np.array([[1.0, 1, 1, 5], [1, 1, 1, 5], [0, 0, 4, 4], [3, 3, 1, 1]])
    yield Case("empty and inverted boxes", (empty, np.array([0.9, 0.8, 0.7, 0.6])), dict(iou_threshold=0.5))
    yield Case("no boxes", (np.zeros((0, 4)), np.zeros(0)), dict(iou_threshold=0.5))


@operator
def batched_nms(rng):
    for count, ties in ((90, False), (60, True)):
        idxs = rng.integers(0, 4, count)
        yield Case(f"{count} boxes", (*boxes_and_scores(rng, count, ties), idxs), dict(iou_threshold=0.5))
    yield Case("no boxes", (np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)), dict(iou_threshold=0.5))


@operator
def box_iou(rng):
    yield Case("random", (boxes_and_scores(rng, 9)[0], boxes_and_scores(rng, 7)[0]))
    yield Case(
        "itself, apart, touching",
        (np.array([[0.0, 0, 2, 2], [5, 5, 7, 8]]), np.array([[0.0, 0, 2, 2], [2, 0, 4, 2], [9, 9, 11, 10]])),
    )


@operator
def deform_conv2d(rng):
    """Inputs: input, offset, weight, bias, mask."""
    for name, groups, offset_groups, settings in (
        ("plain", 1, 1, dict(stride=1, padding=1, dilation=1)),
        ("strided, dilated, groups", 2, 2, dict(stride=[2, 1], padding=[2, 1], dilation=[2, 1])),
    ):
        x = rng.standard_normal((2, 4, 7, 8))
        weight = rng.standard_normal((6, 4 // groups, 3, 3))
        shape = torchvision.ops.deform_conv2d(
            torch.zeros(x.shape),
            torch.zeros(_offset_shape(x, offset_groups, settings)),
            torch.zeros(weight.shape),
            **settings,
        ).shape[2:]
        offset = rng.standard_normal((2, offset_groups * 18, *shape)) * 1.5
        mask = rng.uniform(0, 1, (2, offset_groups * 9, *shape))
        inputs = (x, offset, weight, rng.standard_normal(6), mask)
        yield Case(name, inputs, settings, grad=(0, 1, 2, 3, 4))


@operator
def dense_focal_loss(rng):
    maps, labels = 3 * rng.standard_normal((2, 15, 4, 3)), rng.integers(0, 6, (2, 36)).astype(np.int32)
    yield Case("three anchors of five classes", (maps, labels, np.int32(5)), grad=(0,))
    yield Case("other numbers", (maps, labels, np.int32(5)), {"alpha": 0.6, "gamma": 1.3}, grad=(0,))


def _dense_focal_loss(maps, labels, classes, **settings):
    classes = int(classes)
    logits = maps.reshape(maps.shape[0], -1, classes, maps.shape[2] * maps.shape[3]).permute(0, 3, 1, 2)
    logits = logits.reshape(maps.shape[0], -1, classes)
    own = (labels[..., None] == torch.arange(1, classes + 1)).to(logits.dtype)
    return torchvision.ops.sigmoid_focal_loss(logits, own, **settings).sum(dim=2)


def _offset_shape(x, offset_groups, settings):
    pair = {k: v if isinstance(v, list) else [v, v] for k, v in settings.items()}
    sizes = [
        (x.shape[2 + i] + 2 * pair["padding"][i] - pair["dilation"][i] * 2 - 1) // pair["stride"][i] + 1 for i in (0, 1)
    ]
    return x.shape[0], offset_groups * 18, *sizes


@operator
def flow_warp(rng):
    """Inputs: input, flow in cells."""
    features = rng.standard_normal((2, 3, 6, 9))
    yield Case("near", (features, rng.uniform(-2, 2, (2, 2, 6, 9))), grad=(0, 1))
    yield Case("far", (features, rng.uniform(-12, 12, (2, 2, 6, 9))), grad=(0, 1))


def grid_sample(features, flow):
    """torch's grid_sample at the places that a flow points to."""
    height, width = flow.shape[2:]
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x = (columns + flow[:, 0]) / (width - 1) * 2 - 1
    y = (rows + flow[:, 1]) / (height - 1) * 2 - 1
    grid = torch.stack([x, y], dim=3)
    return torch.nn.functional.grid_sample(features, grid, padding_mode="border", align_corners=True)


def call(name, tensors, settings):
    if name == "flow_warp":
        return grid_sample(*tensors)
    if name == "deform_conv2d":
        return torchvision.ops.deform_conv2d(*tensors[:4], mask=tensors[4], **settings)
    if name == "dense_focal_loss":
        return _dense_focal_loss(*tensors, **settings)
    return getattr(torchvision.ops, name)(*tensors, **settings)


def make(name):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = {}
    for case in OPERATORS[name](rng):
        inputs = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in case.inputs]
        tensors = [torch.from_numpy(np.array(a)) for a in inputs]
        for i in case.grad:
            tensors[i].requires_grad_()
        out = call(name, tensors, case.settings)
        for i, array in enumerate(inputs):
            arrays[f"{case.name}/in{i}"] = array
        arrays[f"{case.name}/out0"] = out.detach().numpy()
        arrays[f"{case.name}/settings"] = np.array(json.dumps(case.settings))
        if case.grad:
            weight = rng.standard_normal(tuple(out.shape)).astype(np.float32)
            arrays[f"{case.name}/weight0"] = weight
            (out * torch.from_numpy(weight)).sum().backward()
            for i in case.grad:
                arrays[f"{case.name}/grad{i}"] = tensors[i].grad.numpy()
    os.makedirs(VECTORS, exist_ok=True)
    path = os.path.join(VECTORS, f"{name}.npz")
    np.savez_compressed(path, **arrays)
    print(
        f"{path}: {len(arrays)} arrays, {os.path.getsize(path) / 1024:.0f} KB (torchvision {torchvision.__version__})"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operator", nargs="*", help="all if none is named")
    for chosen in parser.parse_args().operator or OPERATORS:
        make(chosen)
