"""A detector as one ONNX file, written from its own layers. PyTorch is not needed.

The input of the graph is one image after the Resize of the test transforms:
    image float32 [1, 3, H, W]: RGB, 0 to 255, of any height and width.
Normalisation and padding are in the graph, so boxes are in pixels of this image. Outputs:
    boxes float32 [n, 4] (x0, y0, x1, y1), scores float32 [n], labels int64 [n] (1 for the first class), best first, and for
    Mask R-CNN masks float32 [n, 1, 28, 28]: the probability that a part of the box belongs to the object. They are not
    pasted.
NMS, the thresholds and the number of detections are those of the config. Names of classes, the sizes of Resize and the
version of jsra are in the file's metadata. Only standard operators of opset 18 are used.
"""

from __future__ import annotations

import json

import onnx

from jsra.data.transforms import Resize
from jsra.export.backbone import backbone_maps
from jsra.export.box_head import detections
from jsra.export.boxes import image_limits
from jsra.export.fpn import fpn
from jsra.export.graph import OPSET, Graph
from jsra.export.mask import masks
from jsra.export.preprocess import preprocess
from jsra.export.rpn import rpn
from jsra.output import whole_or_not
from jsra.version import __version__


def onnx_model(model, transforms=(), classes=()):
    """The onnx.ModelProto of a built detector in evaluation mode; jsra.export.supported says which detectors are supported.

    transforms: the built test transforms; Resize is not exported. classes: names of labels 1, 2, ...
    """
    g, image = Graph(), "image"
    limits = image_limits(g, image)
    maps = fpn(g, model.neck, backbone_maps(g, model.backbone, preprocess(g, image, transforms)))
    proposals = rpn(g, model.rpn, maps, limits)
    found = dict(zip(("boxes", "scores", "labels"), detections(g, model.roi_head.box, maps, proposals, limits)))
    shapes = {"boxes": ("float32", ["n", 4]), "scores": ("float32", ["n"]), "labels": ("int64", ["n"])}
    for name in model.roi_head.branches:
        found["masks"] = masks(g, getattr(model.roi_head, name), maps, found["boxes"], found["labels"])
        shapes["masks"] = "float32", ["n", 1, "mask_height", "mask_width"]
    outputs = [(name, *shapes[name], value) for name, value in found.items()]
    inputs = [(image, "float32", [1, 3, "height", "width"])]
    written = g.model(inputs, outputs, producer_name="jsra", producer_version=__version__)
    for key, value in (("classes", list(classes)), ("resize", resizing(transforms))):
        written.metadata_props.add(key=key, value=json.dumps(value))
    return written


def resizing(transforms) -> dict:
    """The settings of Resize in a list of built transforms; {} without Resize."""
    for t in transforms:
        if isinstance(t, Resize):
            return {"min_size": t.min_size, "max_size": t.max_size, "keep_ratio": t.keep_ratio}
    return {}


def describe(model) -> str:
    """A description of a ModelProto in one line."""
    outputs = ", ".join(value.name for value in model.graph.output)
    return f"opset {OPSET}, {len(model.graph.node)} nodes, {model.ByteSize() / 1e6:.1f} MB; image -> {outputs}"


def save(model, path: str) -> str:
    """Check a ModelProto and write it atomically (if the disk is full, no file is written). Returns the path."""
    onnx.checker.check_model(model, full_check=True)
    with whole_or_not(path) as unfinished:
        onnx.save_model(model, unfinished)
    return path
