"""What a weights file says about its model besides the weights: the names of its classes, and the colours of its images."""

from __future__ import annotations

import json
import os
import re
import struct
from typing import NamedTuple

from jsra.convert import torch_file
from jsra.convert.names import family_of, unwrapped
from jsra.convert.nested import inward
from jsra.convert.torch_file import WeightsError
from jsra.defaults import plain
from jsra.folders import is_file

# The keys in the metadata of our .safetensors files: the names of classes, a JSON list; the settings of the run's config that
# matter for its weights, a JSON dictionary; and what the file said that they were converted from, a JSON dictionary of KEPT.
CLASSES, SETTINGS, SOURCE = "classes", "settings", "source"
KEPT = ("mean", "std", "bgr", "text", "version", "family")  # fields of Origin
COLOURS = ("mean", "std", "bgr")
# The layers of mmdet's detectors with rows for each class, and whether one row more is the background.
_HEADS = (("fc_cls.weight", True), ("retina_cls.weight", False))
_MOST_HEADER = 100 * 2**20  # bytes, the limit of the safetensors library


class Origin(NamedTuple):
    """classes: the names of labels 1, 2, ...; () if the file does not have them. mean, std: how images were normalised, lists
    of three numbers; bgr: whether their channels were in the order blue, green, red. None: unknown. text, version: the config
    and the version of mmdet. settings: `model` and the transforms of `dataset` of our config, or None. family: of the names
    of the weights (jsra.convert.names), if they are in the format of PyTorch."""

    classes: tuple = ()
    mean: list | None = None
    std: list | None = None
    bgr: bool | None = None
    text: str = ""
    version: str = ""
    settings: dict | None = None
    family: str = ""


def origin(path) -> Origin:
    """The Origin of a file: of the `meta` that mmdet and mmengine store, or of the metadata of a .safetensors file.

    Origin() for other files, and for damaged ones: reading their weights tells what is wrong.
    """
    path = os.fspath(path)
    extension = os.path.splitext(path)[1].lower()
    if not is_file(path) or extension not in (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pkl"):
        return Origin()
    try:
        if extension == ".safetensors":
            return _of_safetensors(_header(path))
        return _of_checkpoint(torch_file.read_header(path)) if torch_file.wrote(path) else Origin()
    except (WeightsError, ValueError, TypeError, AttributeError, RecursionError):
        return Origin()


def said(about, backbone: bool = False) -> dict:
    """What an Origin says about the training, as plain data. backbone: only what matters for a backbone alone."""
    facts = {key: getattr(about, key) for key in (COLOURS if backbone else KEPT)}
    if facts.get("family") != "torchvision":  # other names say nothing
        facts.pop("family", None)
    return {key: value for key, value in facts.items() if value not in (None, "")}


def metadata(classes, config=None, source=None) -> dict | None:
    """The metadata of a .safetensors file whose model has these classes, and was trained with this config; source: `said` of
    the file that it was converted from."""
    found = {CLASSES: json.dumps(list(map(str, classes)))} if classes else {}
    if source:
        found[SOURCE] = json.dumps(source)
    if config and config.get("model"):
        splits = config.get("dataset") if isinstance(config.get("dataset"), dict) else {}
        steps = {name: {"transforms": s.get("transforms")} for name, s in splits.items() if isinstance(s, dict)}
        found[SETTINGS] = json.dumps(plain({"model": config["model"], "dataset": steps}))
    return found or None


def _header(path) -> dict:
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        header = file.read(length) if length <= min(_MOST_HEADER, os.path.getsize(path)) else b"{}"
    return json.loads(header)


def _of_safetensors(header) -> Origin:
    about = header.get("__metadata__") or {}
    settings, source = (json.loads(about.get(key, "null")) for key in (SETTINGS, SOURCE))
    source = source if isinstance(source, dict) else {}
    colours = {key: source.get(key) for key in ("mean", "std")}
    texts = {key: source.get(key) for key in ("text", "version", "family")}
    if not about and family_of(unwrapped(dict.fromkeys(header))) == "torchvision":  # not written by jsra
        texts["family"] = "torchvision"
    return Origin(
        classes=_names(json.loads(about.get(CLASSES, "[]"))),
        settings=settings if isinstance(settings, dict) else None,
        bgr=source.get("bgr") if isinstance(source.get("bgr"), bool) else None,
        **{key: value if isinstance(value, list) else None for key, value in colours.items()},
        **{key: value if isinstance(value, str) else "" for key, value in texts.items()},
    )


def _of_checkpoint(content) -> Origin:
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return Origin(family=_family(content))
    dataset = meta.get("dataset_meta") if isinstance(meta.get("dataset_meta"), dict) else {}
    found = next((d[key] for d in (meta, dataset) for key in ("CLASSES", "classes") if d.get(key)), ())
    names = _names(found)
    text = next((meta[key] for key in ("config", "cfg") if isinstance(meta.get(key), str)), "")
    mean, std = (_only(_numbers(key, text)) for key in ("mean", "std"))
    bgr = _only({word.lower() == "false" for word in _values(r"(?:bgr_)?to_rgb", r"(True|False)", text)})
    version = meta["mmdet_version"] if isinstance(meta.get("mmdet_version"), str) else ""
    names = names if _fit(names, content.get("state_dict")) else ()
    return Origin(names, mean and list(mean), std and list(std), bgr, text, version)


def _family(content) -> str:
    for key, outer in inward(content):
        content = outer[key]
    tensors = content.items() if isinstance(content, dict) else ()
    return family_of(unwrapped({str(n): t for n, t in tensors if isinstance(t, torch_file.Tensor)}))


def _names(found) -> tuple:
    sound = isinstance(found, (list, tuple)) and all(isinstance(name, str) for name in found)
    return tuple(found) if sound else ()


def _fit(names, state) -> bool:
    """Whether the model's class layers have rows for these names: a checkpoint can have those of another data set."""
    shapes = {n: t.size for n, t in state.items() if isinstance(t, torch_file.Tensor)} if isinstance(state, dict) else {}
    for end, background in _HEADS:
        rows = [shape[0] for name, shape in shapes.items() if str(name).endswith(end) and shape]
        if rows and names:
            return all(r == len(names) + 1 if background else r % len(names) == 0 for r in rows)
    return False


def _values(key, pattern, text) -> list:
    """The values of `key=value` and `'key': value` in the text of a config."""
    return re.findall(rf"\b{key}['\"]?\s*[=:]\s*{pattern}", text, re.IGNORECASE)


def _numbers(key, text) -> set:
    found = set()
    for inside in _values(key, r"[\[(]([-+.\de,\s]+)[\])]", text):
        numbers = tuple(float(word) for word in inside.split(",") if word.strip())
        if len(numbers) == 3:
            found.add(numbers)
    return found


def _only(found):
    """The item of a set with one item, else None."""
    return next(iter(found)) if len(found) == 1 else None


def colour_notes(path, transforms, where: str) -> list:
    """A list with a line for the user if the images of the weights were normalised in another way than `transforms` do.

    transforms: the settings of a config; where: their place there.
    """
    about = origin(path)
    ours = next((t for t in transforms or () if isinstance(t, dict) and t.get("type") == "Normalize"), None)
    if ours is None:
        return []
    theirs = {"to_bgr": about.bgr, "mean": about.mean, "std": about.std}
    other = {k: v for k, v in theirs.items() if v is not None and not _close(v, ours.get(k, False))}
    if not other:
        return []
    settings = ", ".join(f"{key}={value}" for key, value in theirs.items() if value is not None)
    return [
        f"warning: {path} was trained on images that were normalised in another way: its config has {settings}; set this in "
        f"Normalize of {where} (its {', '.join(other)} differ), otherwise the results are worse"
    ]


def _close(one, other) -> bool:
    if isinstance(one, bool):
        return one is bool(other)
    try:
        return len(one) == len(other) and all(abs(a - b) < 0.01 for a, b in zip(one, other))
    except TypeError:
        return True  # the constructor reports what is wrong with it
