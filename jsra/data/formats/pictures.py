"""The pictures of a folder: finds the one that an annotation means, and its size."""

from __future__ import annotations

import os
import re

from PIL import Image

from jsra.data.formats.annotations import files_below
from jsra.data.image import PICTURES, open_image, shown
from jsra.data.paths import composed
from jsra.data.problems import counted
from jsra.folders import check_letters

# Pictures that are not read.
OTHERS = (
    ".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".jpe", ".ppm", ".pgm", ".pbm", ".dng", ".svg", ".tga", ".ico", ".exr",
    ".psd", ".dcm", ".npy",
)  # fmt: skip
_SPLITS = re.compile(
    r"(?<![a-z])(?:(train(?:ing|set)?)|(val|valid|validation|validate|valset|dev|eval|evaluation)|(test(?:ing|set)?))(?![a-z])"
)
_BOTH = re.compile(r"(?<![a-z])train(?:ing|set)?(?:[-_+& ]+(?:val|valid|validation|dev|test|testing))+(?![a-z])")  # train_val
AS_STORED = "as stored"
# Folder names that only separate pictures from annotations.
_KINDS = ("data", "images", "labels", "annotations", "jpegimages", "img", "imgs", "ann", "xml", "xmls", "json")


def split_of(text: str):
    """'train', 'val' or 'test' if a word of the path says so ('instances_val2017', 'valid/images'), else None.

    A part of a word does not count: 'valve', 'trainers', 'latest'; nor do several together, 'train_val'. Of several words the
    last one counts.
    """
    found = [next(i for i in (1, 2, 3) if match[i]) for match in _SPLITS.finditer(_BOTH.sub("", text.lower()))]
    return ("train", "val", "test")[found[-1] - 1] if found else None


def split_called(name: str):
    """'train', 'val' or 'test' if the name is one of the words for it ('valid'), else None."""
    return split_of(name) if _SPLITS.fullmatch(name.lower()) else None


def stem_of(path: str) -> str:
    """The name of a file, without folder and ending."""
    return os.path.splitext(os.path.basename(path))[0]


class Pictures:
    """All pictures below a folder."""

    def __init__(self, folder: str):
        self.folder = folder
        self.paths = files_below(folder, PICTURES)
        self._by_name, self._by_stem, self._by_lower = {}, {}, {}
        self._others = {os.path.splitext(p)[0]: p for p in files_below(folder, OTHERS)}
        for path in self.paths:
            name = os.path.basename(path)
            self._by_name.setdefault(composed(name), []).append(path)
            self._by_stem.setdefault(composed(os.path.splitext(name)[0]), []).append(path)

    def find(self, name: str, source: str, stem: bool = False, any_ending: bool = False):
        """(the path of the picture that an annotation in the file `source` names, the reason if there is none).

        name: a path or a file name; with stem, without its ending; with any_ending, its ending may be missing or another one
        if there is no picture of this name. If several pictures have this file name, the one whose
        folders agree with `name` is chosen; otherwise the one of the same split; otherwise the one in the folder nearest to
        `source`; otherwise the one in a folder that `source` is named after. If there are still several, none is used.
        """
        known = self._by_stem if stem else self._by_name
        parts = self._parts(name, known)
        ranked = sorted(((self._rank(path, parts[:-1], source), path) for path in known.get(parts[-1], [])), reverse=True)
        if not ranked and any_ending:
            start, ending = os.path.splitext(name)
            return self.find(start if ending.lower() in (*PICTURES, *OTHERS) else name, source, stem=True)
        if not ranked and stem and parts[-1] in self._by_name:  # a.jpg.txt for a.jpg
            return self.find(name, source)
        if not ranked:
            check_letters(name)
            start = parts[-1] if stem else os.path.splitext(parts[-1])[0]
            missing = f"the picture {name!r} is not in {self.folder}"
            return None, self.absent(start) or missing + self.other_case(parts[-1], stem)
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            some = ", ".join(os.path.relpath(path, self.folder) for _, path in ranked[:2])
            return None, f"{name!r} matches {len(ranked)} pictures of that name ({some}, ...)"
        return ranked[0][1], ""

    def other_case(self, name: str, stem: bool = False) -> str:
        """A hint if there is a picture whose name differs only in capital letters: on Windows it is the same one. stem: the
        name is one without its ending."""
        if stem not in self._by_lower:
            known = self._by_stem if stem else self._by_name
            self._by_lower[stem] = {composed(one).lower(): paths[0] for one, paths in known.items()}
        path = self._by_lower[stem].get(composed(name).lower())
        return f"; {path} has other capital letters: rename one of them" if path else ""

    def absent(self, name: str):
        """The reason if there is a picture of this name, without its ending, in a format that is not read; None otherwise."""
        there = next((p for start, p in self._others.items() if composed(os.path.basename(start)) == composed(name)), None)
        return there and f"{there} is in a format that is not read; convert it ({', '.join(PICTURES)})"

    def fit(self, path: str, source: str, name: str = "") -> tuple:
        """How near a picture is to an annotation file, and how well it agrees with the folders of `name`, the path that the
        file gives; larger means nearer. Of files that are equally near, a.xml is nearer to a.jpg than a.jpg.xml is."""
        return *self._rank(path, self._parts(name, self._by_name)[:-1], source), stem_of(source) == stem_of(path)

    @staticmethod
    def _parts(name, known):
        """The folders in a name, and what follows them; known: names of pictures, which may contain a backslash."""
        split = r"/" if composed(name.split("/")[-1]) in known else r"[/\\]"  # paths of Windows
        return [composed(part) for part in re.split(split, name) if part not in ("", ".", "..")] or [""]

    def _rank(self, path, folders, source):
        own, near = self._folders(path), self._folders(source)
        wanted = split_of(os.path.relpath(source, self.folder))
        same = sum(1 for _ in _while_equal(reversed(own), reversed(folders)))
        of_split = wanted is not None and split_of("/".join(own)) == wanted
        called = any(f"_{stem_of(source)}".endswith(f"_{name}") for name in own if name)  # night/1.png, instances_night.json
        own, near = _without_kinds(own), _without_kinds(near)
        return same, of_split, sum(1 for _ in _while_equal(own, near)), -len(own), -len(near), called

    def split(self, path: str):
        """The split that the folders of a picture name, or None."""
        return split_of(os.path.dirname(os.path.relpath(path, self.folder)))

    def _folders(self, path):
        return composed(os.path.dirname(os.path.relpath(path, self.folder))).split(os.sep)


def own_folders(path: str, folder: str) -> list:
    """The folders of a path below `folder` that are parts of the data: not 'images', 'labels', 'train' and the like."""
    folders = os.path.dirname(os.path.relpath(path, folder)).split(os.sep)
    return [name for name in _without_kinds(folders) if not split_of(name)]


def _while_equal(first, second):
    for a, b in zip(first, second):
        if a != b:
            return
        yield a


def _without_kinds(folders):
    return [name for name in folders if name.lower() not in (*_KINDS, "")]


def size_of(path: str, stated=(None, None)):
    """((width, height), '') of the picture to which the annotations belong; (None, reason) if it cannot be used.

    stated: the size in the annotation, None or 0 if it has none. It can be the size of the picture as stored, or as shown
    (after its EXIF orientation); annotations without a size are for the picture as shown. If the two differ and it is that
    of the picture as stored, AS_STORED takes the place of ''.
    """
    try:
        with open_image(path) as image:
            turned, stored = shown(image).size, image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return None, f"the picture {path} cannot be read ({error})"
    try:
        width, height = (int(float(v or 0)) for v in stated)
    except (TypeError, ValueError, OverflowError):
        width = height = 0
    if width <= 0 or height <= 0:
        return turned, ""
    if (width, height) in (stored, turned):
        return (width, height), AS_STORED if (width, height) != turned else ""
    return None, (
        f"annotated as a picture of {width} x {height} pixels, it has {turned[0]} x {turned[1]}: give the picture that was "
        "annotated, or correct the size in the annotation"
    )


def turned_pictures(splits) -> list:
    """A line if there are pictures that are shown turned, but annotated in their size before that: some programs write this
    size, and boxes of the turned picture."""
    files = sorted({p.file for pictures in splits.values() for p in pictures if p.as_stored})
    if not files:
        return []
    what = f"{counted(len(files), 'picture')} with an EXIF orientation, such as {files[0]}: the annotations have the width"
    cure = "if `jsra data browse` shows boxes in wrong places, exchange width and height in the annotations"
    return [f"{what} and height that it has before it is turned, so it is used unturned; {cure}"]
