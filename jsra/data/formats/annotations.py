"""The common form of annotations from all formats, and its conversion to COCO's format."""

from __future__ import annotations

import codecs
import math
import os
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from xml.parsers.expat import errors

from jsra.data import paths
from jsra.data.coco_file import parse_json
from jsra.data.image import DataError
from jsra.data.masks import area, mask_problem, to_rle
from jsra.data.voc_file import parse_xml
from jsra.folders import is_file, walk

CONFIG, MARK = "config.py", "# Written by `jsra init`"  # the config of a project, and the beginning of its first line
# What `jsra init` and a training write into a project's folder, which may also be the folder of the data.
WRITTEN = tuple(os.path.join("annotations", f"{split}.json") for split in ("train", "val", "test"))
RUN = "run"
# Folders of operating systems and disks, with copies, thumbnails or deleted files, besides those that begin with a dot.
NO_DATA = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found")


@dataclass
class Object:
    """name: of the class. box: (x0, y0, x1, y1) in pixels. segmentation: polygons or an RLE as in COCO, [] for none. marks:
    further entries of a COCO annotation (area, ignore)."""

    name: str
    box: tuple
    segmentation: list | dict = field(default_factory=list)
    ignored: bool = False
    marks: dict = field(default_factory=dict)


@dataclass
class Picture:
    """file: its path. source: the path of its annotations. objects: those of this picture; the list may be empty.

    fit: how well the file agrees with the name and the place of the annotations (Pictures.fit); larger is better. named: the
    path that they give for it, '' for none. as_stored: whether its size is that before its EXIF orientation is applied.
    """

    file: str
    source: str
    width: int
    height: int
    objects: list
    fit: tuple = ()
    named: str = ""
    as_stored: bool = False

    @property
    def certain(self) -> bool:
        """Whether the folders of its name, or its split, say that `file` is meant."""
        return self.fit[:2] > (0, False)


@dataclass
class Annotations:
    """The annotations in a folder. splits: {'train', 'val', 'test' or 'all': [Picture]}. classes: names in the order of
    labels.

    problems: lines about what was left out, each with its file. files: the paths of further files that were used, such as
    lists of names or splits.
    """

    form: str
    splits: dict
    classes: list
    problems: list = field(default_factory=list)
    files: list = field(default_factory=list)


class Folder(str):
    """The path of a folder. Its files are listed once, at the first call of `files_below`."""

    @cached_property
    def files(self):
        return _files(str(self))


def files_below(folder: str, ending) -> list:
    """The sorted paths of all files below a folder (maybe a `Folder`) with this ending (or one of several), except hidden
    ones, and those of `jsra init` and of trainings of its configs.

    Raises OSError for a folder that may not be read: its files would be missing in the data set.
    """
    files = folder.files if isinstance(folder, Folder) else _files(folder)
    return [path for path in files if path.lower().endswith(ending)]


def _files(folder):
    found, written = [], []
    for place, folders, names in walk(folder):
        if place == folder and is_project(place):
            written = [os.path.join(place, name) for name in WRITTEN]
            folders[:] = [name for name in folders if name != RUN]
        elif is_project(place):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NO_DATA]
        found += [os.path.join(place, name) for name in names if not name.startswith(".")]
    return [path for path in found if path not in written and is_file(path)]  # no pipes, no broken links


def is_project(folder: str) -> bool:
    """Whether a folder was written by an earlier `jsra init`."""
    try:
        with open(os.path.join(folder, CONFIG), encoding="utf8", errors="replace") as f:
            return f.readline().startswith(MARK)
    except OSError:
        return False


def json_of(path: str, problems: list):
    """The content of a JSON file; None, and an entry in `problems`, if it cannot be read."""
    try:
        return parse_json(path)
    except (OSError, DataError) as error:
        problems.append(f"{error}: left out")
        return None


def xml_of(path: str, problems: list):
    """The root of an XML file; None, and an entry in `problems`, if it cannot be read."""
    try:
        return parse_xml(path)
    except OSError as error:
        problems.append(f"{error}: left out")
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        problems.append(f"{path}: not valid XML ({error}); {_cure_of_xml(path, error)}: left out")
    return None


def _cure_of_xml(path, error) -> str:
    """What to do about an XML file that cannot be read."""
    with open(path, "rb") as f:
        data = f.read()
    try:
        text = data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8").rstrip()
    except UnicodeDecodeError:
        return "it is not text in UTF-8: save it as UTF-8"
    code = errors.messages.get(getattr(error, "code", None))
    if code == errors.XML_ERROR_MISPLACED_XML_PI:
        return "remove what is before <?xml"
    if code == errors.XML_ERROR_NO_ELEMENTS or not text.endswith(">"):
        return "it ends in the middle: copy or write it again"
    return "correct it; in XML, & is written &amp; and < is written &lt;"


def text_of(path: str) -> str:
    """The content of a text file in UTF-8 or (as some programs of Windows write) UTF-16; characters that are in another
    encoding become U+FFFD."""
    return paths.text_of(path, errors="replace")


def once(splits: dict, problems: list) -> dict:
    """The splits with each picture once. If two annotations are for it, the nearer one (Picture.fit) is used, or the first,
    and `problems` gets a line."""
    kept, left = {}, Counter()
    for name, pictures in _own(splits, problems).items():
        chosen = {}
        for picture in pictures:
            used = chosen.setdefault(picture.file, picture)
            if used is not picture:
                if picture.fit > used.fit:
                    chosen[picture.file], picture, used = picture, used, picture
                left[(picture.source, used.source)] += 1
        if chosen:
            kept[name] = list(chosen.values())
    for (source, used), count in left.items():
        where = f"also in {used}, which" if source != used else "listed twice in it, of which the first"
        problems.append(f"{source}: {count} of its pictures are {where} is used: left out")
    return kept


def _own(splits, problems):
    """The splits without pictures that are those of other annotations: for a missing picture, one of the same name in another
    folder was found.

    A picture is one of its annotations if the folders of its name or its split say so (Picture.certain). Otherwise it must
    not be nearer to other annotations, and not be in a folder of other entries of the same file while its own folder is
    another one that was found.
    """
    nearest = _nearest(splits)
    sure = [p for pictures in splits.values() for p in pictures if p.fit[:1] > (0,)]  # the folders of their names agree
    folders = {(p.source, os.path.dirname(p.file)) for p in sure}
    called = {(source, os.path.basename(folder)) for source, folder in folders}
    kept, missing = {}, {}
    for name, pictures in splits.items():
        kept[name] = []
        for picture in pictures:
            other = nearest[name, picture.file]
            named = (picture.source, re.split(r"[/\\]", f"/{picture.named}")[-2])  # the last folder in its name
            elsewhere = named in called and (picture.source, os.path.dirname(picture.file)) in folders
            if picture.certain or (picture.fit[:4] >= other.fit[:4] and not elsewhere):
                kept[name].append(picture)
            else:
                whose = other.source if other.source != picture.source else repr(other.named)
                why = "in the folder of other ones" if other is picture else f"that of {whose}"
                such = f", such as {picture.named!r}" if picture.named else ""
                missing.setdefault(picture.source, []).append(f"{such} ({picture.file} is {why})")
    for source, there in missing.items():
        problems.append(f"{source}: {len(there)} of its pictures are not where they should be{there[0]}: left out")
    return kept


def _nearest(splits) -> dict:
    """{(split, file): the picture of this file whose annotations are nearest}. Those of other splits count only if the split
    has a folder of its own, that is if some of its pictures are certain."""
    everywhere, nearest = {}, {}
    for name, pictures in splits.items():
        for picture in pictures:
            for known, key in ((everywhere, picture.file), (nearest, (name, picture.file))):
                if key not in known or picture.fit > known[key].fit:
                    known[key] = picture
    placed = {name for name, pictures in splits.items() if any(p.certain for p in pictures)}
    return {(name, file): everywhere[file] if name in placed else own for (name, file), own in nearest.items()}


def without_use(path: str, what: str, counts: Counter) -> list:
    """A line about entries of `what` (such as 'annotations') that are not used. counts: {the entry's name: how often}."""
    listed = ", ".join(f"{name!r} ({count})" for name, count in counts.most_common(8))
    return [f"{path}: {what} have entries that are not used: {listed}"] if counts else []


def turned(box, degrees) -> list:
    """x, y of the corners of a box (x0, y0, x1, y1) that is rotated clockwise about its centre."""
    x0, y0, x1, y1 = box
    cx, cy, cos, sin = (x0 + x1) / 2, (y0 + y1) / 2, math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((x0 - cx, y0 - cy), (x1 - cx, y0 - cy), (x1 - cx, y1 - cy), (x0 - cx, y1 - cy))
    return [round(v, 3) for x, y in corners for v in (cx + x * cos - y * sin, cy + x * sin + y * cos)]


def bounds(points) -> tuple:
    """The box (x0, y0, x1, y1) around points x, y, x, y, ..."""
    return min(points[0::2]), min(points[1::2]), max(points[0::2]), max(points[1::2])


def rotation(value) -> float:
    """The angle in the attribute 'rotation' of a box, as CVAT writes it; 0 if it is no number."""
    try:
        angle = float(value)
    except (TypeError, ValueError):
        return 0.0
    return angle if math.isfinite(angle) else 0.0


def classes_by_name(splits: dict) -> list:
    """The names of all objects, sorted."""
    return sorted({o.name for pictures in splits.values() for picture in pictures for o in picture.objects})


def _covered(segmentation, picture) -> float:
    """The area of a mask in pixels; 0 if there is none, or if it is not valid (a check of the data reports it)."""
    size = picture.width, picture.height
    return area(to_rle(segmentation, *size)) if segmentation and not mask_problem(segmentation, *size) else 0


def to_coco(pictures, classes, root: str) -> dict:
    """The content of a COCO annotation file for pictures; file names are relative to `root`.

    As in COCO, the area of an object with a mask is that of the mask.
    """
    number = {name: i + 1 for i, name in enumerate(classes)}
    images, annotations = [], []
    for picture in pictures:
        name = os.path.relpath(picture.file, root).replace(os.sep, "/")
        images.append(dict(id=len(images) + 1, file_name=name, width=picture.width, height=picture.height))
        for o in picture.objects:
            x0, y0, x1, y1 = (float(v) for v in o.box)
            covered = 0 if "area" in o.marks else _covered(o.segmentation, picture)
            annotation = dict(
                id=len(annotations) + 1, image_id=len(images), category_id=number[o.name], bbox=[x0, y0, x1 - x0, y1 - y0],
                area=covered or (x1 - x0) * (y1 - y0), iscrowd=int(o.ignored), segmentation=o.segmentation,
            )  # fmt: skip
            annotations.append({**annotation, **o.marks})
    categories = [dict(id=i, name=name) for name, i in number.items()]
    return dict(images=images, annotations=annotations, categories=categories)
