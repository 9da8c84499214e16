"""The config of a model that mmdet stores as text with its weights: read without running it, and compared with ours."""

from __future__ import annotations

import ast
import json

from jsra.defaults import plain

# (part of mmdet's model, part of ours; * stands for every key)
_PARTS = (
    ("backbone", "backbone"),
    ("neck", "neck"),
    ("rpn_head.anchor_generator", "rpn.anchor_generator"),
    ("rpn_head.bbox_coder", "rpn.box_coder"),
    ("bbox_head.anchor_generator", "head.anchor_generator"),
    ("bbox_head.bbox_coder", "head.box_coder"),
    ("roi_head.bbox_head.bbox_coder", "roi_head.box.head.box_coder"),
    ("roi_head.bbox_roi_extractor", "roi_head.box.extractor"),
    ("roi_head.bbox_roi_extractor", "roi_head.box.stages.*.extractor"),
    ("roi_head.mask_roi_extractor", "roi_head.branches.mask.extractor"),
    ("roi_head.mask_roi_extractor", "roi_head.branches.mask.stages.*.extractor"),
)
_UNSET = object()
# Settings of these parts in both: (in mmdet, mmdet's default, in ours). Without a default, only what is written counts.
_SAME = {
    "backbone": (
        ("strides", [1, 2, 2, 2], "strides"), ("dilations", [1, 1, 1, 1], "dilations"), ("norm_cfg.eps", 1e-5, "norm_eps"),
    ),
    "neck": (
        ("add_extra_convs", False, "extra"),
        ("relu_before_extra_convs", False, "relu_before_extra"),
    ),
    "anchor_generator": (
        ("strides", _UNSET, "strides"), ("base_sizes", None, "base_sizes"), ("center_offset", 0, "center_offset"),
    ),
    "bbox_coder": (("target_means", _UNSET, "means"),),
    "extractor": (
        ("featmap_strides", _UNSET, "featmap_strides"), ("finest_scale", 56, "finest_scale"),
        ("roi_layer.sampling_ratio", 0, "roi_layer.sampling_ratio"), ("roi_layer.aligned", True, "roi_layer.aligned"),
        ("roi_layer.pool_mode", "avg", "roi_layer.mode"), ("roi_layer.type", _UNSET, "roi_layer.type"),
    ),
}  # fmt: skip
_EXTRA = {False: "pool", True: "on_input"}  # mmdet's add_extra_convs
_POOLING = ("RoIAlign", "RoIPool")  # types of RoI layers that have these names in both
# Settings of mmdet that our parts do not have, with the values that make no difference.
_ONLY_THEIRS = (
    ("backbone.conv_cfg.type", ("Conv", "Conv2d")),
    ("neck.conv_cfg.type", ("Conv", "Conv2d")),
    ("neck.act_cfg", ()),
    ("neck.upsample_cfg.mode", ("nearest",)),
    ("rpn_head.anchor_generator.type", ("AnchorGenerator",)),
    ("bbox_head.anchor_generator.type", ("AnchorGenerator",)),
    ("rpn_head.bbox_coder.type", ("DeltaXYWHBBoxCoder",)),
    ("bbox_head.bbox_coder.type", ("DeltaXYWHBBoxCoder",)),
    ("roi_head.bbox_head.bbox_coder.type", ("DeltaXYWHBBoxCoder",)),
    ("roi_head.bbox_roi_extractor.type", ("SingleRoIExtractor",)),
    ("roi_head.mask_roi_extractor.type", ("SingleRoIExtractor",)),
    ("roi_head.bbox_head.cls_predictor_cfg.type", ("Linear",)),
    ("roi_head.bbox_head.reg_predictor_cfg.type", ("Linear",)),
    ("roi_head.mask_head.predictor_cfg.type", ("Conv", "Conv2d")),
)


def read_model(text: str) -> dict:
    """The dictionary `model` of the text of a config (Python, or JSON); {} if there is none or it is not plain data."""
    try:
        found = json.loads(text)
    except ValueError:
        found = _assigned(text)
    model = found.get("model") if isinstance(found, dict) else None
    model = model.get("detector", model) if isinstance(model, dict) else {}  # mmtracking's model contains a detector
    return model if isinstance(model, dict) else {}


def _assigned(text) -> dict:
    """{name: value} of the assignments of plain data in a Python text."""
    found = {}
    try:
        for statement in ast.parse(text).body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                try:
                    found[statement.targets[0].id] = _value(statement.value, found)
                except ValueError:
                    pass
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    return found


def _value(node, names):
    """The value of dict(...), {...}, lists, tuples, numbers and texts. Raises ValueError for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        pairs = [(key.arg, _value(key.value, names)) for key in node.keywords]
    elif isinstance(node, ast.Dict):
        pairs = [(key and _value(key, names), _value(value, names)) for key, value in zip(node.keys, node.values)]
    elif isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item, names) for item in node.elts]
    elif isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    else:
        return ast.literal_eval(node)
    found = {}
    for key, value in pairs:
        if key is None and not isinstance(value, dict):
            raise ValueError("only a dictionary can be unpacked")
        found.update(value if key is None else {key: value})
    return found


def other_settings(text: str, model) -> list:
    """Differences that no name or shape of a weight shows: texts such as 'roi_layer.aligned is false, ours true'.

    text: of mmdet's config; model: our settings, completed with all defaults (jsra.defaults.completed).
    """
    theirs = read_model(text)
    lines = []
    for their_path, our_path in _PARTS:
        kind = their_path.rpartition(".")[2].replace("bbox_roi_", "").replace("mask_roi_", "")
        for part in values(theirs, their_path):
            for own in values(model, our_path):
                lines += _compared(their_path, kind, part, own)
    starts, stages = zip(_first_level(theirs), _first_level(model))
    if None not in stages and starts[0] != starts[1] and stages[0] != stages[1]:
        lines.append(f"neck.start_level: its pyramid begins with stage {stages[0]} of the backbone, ours with {stages[1]}")
    for path, harmless in _ONLY_THEIRS:
        for value in values(theirs, path):
            if value is not None and value not in harmless:
                lines.append(f"{path} is {json.dumps(plain(value))}, which ours does not have")
    return list(dict.fromkeys(lines))


def _first_level(model):
    """(start_level of the neck, the stage of the backbone that it is); the stage is None if it is not known.

    Which maps the neck gets depends on the backbone: stages 1 to 3 from level 0 are stages 0 to 3 from level 1.
    """
    start, stages = _first(model, "neck.start_level", 0), _first(model, "backbone.out_indices", [0, 1, 2, 3])
    try:
        return start, list(stages)[start] if _first(model, "neck", None) else None
    except (TypeError, IndexError):
        return start, None


def _compared(path, kind, part, own):
    for key, default, ours in _SAME[kind]:
        old, new = _first(part, key, default), _first(own, ours, _UNSET)
        if old is _UNSET or new is _UNSET:
            continue
        if key in ("strides", "dilations") and kind == "backbone":
            stages = min(map(len, (old, new))) if isinstance(old, list) and isinstance(new, list) else None
            old, new = (v[:stages] if isinstance(v, list) else v for v in (old, new))  # C4 has three stages here
        if key == "add_extra_convs" and isinstance(old, bool):
            old = _EXTRA[old] if _first(part, "extra_convs_on_inputs", True) else "on_output"
        if key == "base_sizes":  # the default of both: the strides
            old, new = old or _first(part, "strides", new), new or _first(own, "strides", old)
        if key == "roi_layer.type" and not (old in _POOLING and new in _POOLING):
            continue
        if _flat(old) != _flat(new):
            yield f"{path}.{key} is {json.dumps(plain(old))}, ours {json.dumps(plain(new))}"


def _flat(value):
    """The value for comparison: (4, 4) is 4."""
    value = plain(value)
    if isinstance(value, list):
        value = [_flat(item) for item in value]
        return value[0] if len(value) == 2 and value[0] == value[1] else value
    return value


def _first(value, path, default):
    return next(iter(values(value, path)), default)


def values(value, path) -> list:
    """All values at a path of keys; lists on the way, and the key *, stand for all of their items."""
    found = [value]
    for key in path.split("."):
        lists = [v for v in found if isinstance(v, list)]
        if key == "*" and lists:  # it stands for their items
            found = [item for v in lists for item in v]
            continue
        found = [item for v in found for item in (v if isinstance(v, list) else [v]) if isinstance(item, dict)]
        found = [v for item in found for v in (item.values() if key == "*" else [item[key]] if key in item else [])]
    return found
