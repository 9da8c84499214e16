"""Settings that weights were trained with, and that no name or shape of theirs shows: anchors, box coders, the RoI layer, the
normalisation of images. With other ones the weights load, but the detections are wrong."""

from __future__ import annotations

import json
import re

from jsra.convert.mmdet_config import other_settings, values
from jsra.convert.origin import colour_notes, origin
from jsra.defaults import completed, differences, plain

# Settings of a model that only matter in training, for the choice of results, or for time and memory.
_FREE = re.compile(
    r"(loss.*|assigner|sampler|test|(train|test)_proposals|frozen_stages|norm_eval|with_cp|drop_path_rate|mask_thr|window"
    r"|allowed_border|code)$"
)
_LEGACY = re.compile(r"[01]\.")  # versions of mmdet
_GENERATOR = re.compile(r"\banchor_generator['\"]?\s*[=:]\s*(?:dict\(|\{)([^(){}]*)")


def run_notes(path: str, saved: dict, config) -> list:
    """A list with a line for the user if a run's config (state.json) differs from `config` in such settings, else [].

    path: of the checkpoint, for the message. Only settings that both have are compared.
    """
    if not isinstance(saved, dict):
        return []
    old, new = _common(*(plain(completed(c.get("model"))) for c in (saved, config)))
    before, now = _normalize(saved, ("train", "val", "test")), _normalize(config, ("test", "val", "train"))
    settings = {"model": old, "Normalize": before}, {"model": new, "Normalize": now}
    found = differences(*settings, "{} was {}, now it is {}")
    return [_line(path, found, "use the config of its run")] if found else []


# Settings of torchvision's detectors in which mmdet's and this package's own configs differ from them.
_TORCHVISION = (
    ("rpn.anchor_generator.round_sides", True),
    ("roi_head.box.extractor.roi_layer.aligned", False),
    ("roi_head.box.extractor.roi_layer.sampling_ratio", 2),
)


def file_notes(path: str, config) -> list:
    """The same for a weights file: of mmdet, which contains the text of its config and mmdet's version; of torchvision, whose
    detectors have few settings; or a .safetensors file of a run, which contains the settings of its model."""
    about, model = origin(path), completed(config.get("model"))
    lines = run_notes(path, about.settings, config) if model else []
    if about.family == "torchvision":
        found = [f"{key} {json.dumps(theirs)}" for key, theirs in _TORCHVISION for v in values(model, key) if v != theirs]
        cure = "use a model with _base_ = 'jsra:_base_/models/faster_rcnn_r50_fpn_torchvision.py' or mask_rcnn_..."
        lines += [_line(path, "torchvision has " + ", ".join(found), cure)] if found else []
    if _LEGACY.match(about.version):
        lines.append(
            f"warning: {path} was trained by mmdet {about.version}: the boxes of mmdet 1.x are one pixel larger than those "
            "of later versions and of jsra, so the boxes found are shifted and AP is lower: go on training from these "
            "weights (pretrained_weights)"
        )
    ours = {"anchor_generator": _anchors(_parts(model, "AnchorGenerator")), "target_stds": _stds(model)}
    theirs = {
        "anchor_generator": _anchors(map(_keywords, _GENERATOR.findall(about.text))),
        "target_stds": {tuple(_floats(t)) for t in re.findall(r"\btarget_stds['\"]?\s*[=:]\s*[\[(]([^\])]*)", about.text)},
    }
    found = [f"{key} {_text(theirs[key] - ours[key])}" for key in ours if ours[key] and theirs[key] - ours[key]]
    found += other_settings(about.text, model) if model else []
    if found:
        lines.append(_line(path, "its config has " + "; ".join(found), "set the same in the model"))
    return lines


def weights_notes(path: str, config) -> list:
    """Lines about all that a weights file says and the config has otherwise: also the colours of its images."""
    splits = config.get("dataset") or {}
    split = next((s for s in ("test", "val") if (splits.get(s) or {}).get("transforms")), None)
    colours = colour_notes(path, splits[split]["transforms"], f"dataset.{split}.transforms") if split else []
    return colours + file_notes(path, config)


def _line(path, found, cure):
    return (
        f"warning: {path} was trained with other settings than this config has: {found}. The weights fit, but not their "
        f"meaning: the results are worse; {cure}"
    )


def _normalize(config, order):
    """The first Normalize of the first of these splits that has transforms, with its defaults; None without one."""
    splits = config.get("dataset")
    entries = [splits.get(split) for split in order] if isinstance(splits, dict) else []
    lists = (entry.get("transforms") for entry in entries if isinstance(entry, dict))
    transforms = next((t for t in lists if isinstance(t, (list, tuple))), ())
    found = (t for t in transforms if isinstance(t, dict) and t.get("type") == "Normalize")
    return plain(completed(next(found, None)))


def _common(old, new):
    """Both settings, with the keys that both have and that matter."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in old if key in new and not _FREE.match(key)]
        if old.get("type") != new.get("type"):
            keys = ["type"] if {"type"} <= set(keys) else []
        pairs = {key: _common(old[key], new[key]) for key in keys}
        return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}
    if isinstance(old, dict) or isinstance(new, dict):
        return None, None  # only one of them has this part: its names show it
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):  # stages
        pairs = [_common(*pair) for pair in zip(old, new)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return old, new


def _parts(value, kind):
    """All settings of parts of a type inside settings."""
    if isinstance(value, dict):
        if value.get("type") == kind:
            yield value
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    for item in value:
        yield from _parts(item, kind)


def _stds(model) -> set:
    return {tuple(_rounded(part["stds"])) for part in _parts(model, "DeltaXYWHBBoxCoder")}


def _anchors(generators) -> set:
    """{(name, numbers)} of settings of generators."""
    found = set()
    for settings in generators:
        scales, base, steps = (settings.get(key) for key in ("scales", "octave_base_scale", "scales_per_octave"))
        if not scales and isinstance(base, (int, float)) and isinstance(steps, (int, float)):
            scales = [base * 2 ** (i / steps) for i in range(int(steps))]
        for key, numbers in (("scales", scales), ("ratios", settings.get("ratios"))):
            if isinstance(numbers, (list, tuple)) and numbers:
                found.add((key, tuple(_rounded(numbers))))
    return found


def _keywords(text) -> dict:
    """The numbers of `key=value` and `'key': value` in a text."""
    lists = {key: _floats(inside) for key, inside in re.findall(r"\b(\w+)['\"]?\s*[=:]\s*\[([^\]]*)\]", text)}
    single = {key: float(word) for key, word in re.findall(r"\b(\w+)['\"]?\s*[=:]\s*(\d+\.?\d*)\b", text)}
    return {**single, **lists}


def _floats(text) -> list:
    return _rounded(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?|-?\.\d+", text))


def _rounded(numbers) -> list:
    return [round(float(number), 4) for number in numbers]


def _text(found) -> str:
    return ", ".join(str(list(i)) if isinstance(i[0], float) else f"{i[0]} {list(i[1])}" for i in sorted(found))
