"""Text files that list the pictures of a split, as several programs write them: train.txt, val_list.txt, 2007_test.txt.

A line begins with a path or a name of a picture, with or without its ending; an annotation file, boxes or a mark of VOC may
follow: 'JPEGImages/a.jpg Annotations/a.xml', '/other/machine/a.jpg 1,2,30,40,0', 'a', 'a 1'.
"""

from __future__ import annotations

import re

from jsra.data.formats.annotations import files_below, text_of
from jsra.data.formats.pictures import split_of, stem_of
from jsra.data.image import PICTURES

_PICTURE = re.compile(rf"^(.*?({'|'.join(map(re.escape, PICTURES))}))(\s|,|$)", re.IGNORECASE)
_NAME = re.compile(r"^(\S+)(\s+(-1|0|1))?$")
ORDER = ("test", "val", "train")  # a picture in several lists belongs to the first of these: it is not trained on


def listed_splits(places, problems, skip=()) -> tuple:
    """({picture: split}, the paths of the lists) for the folder of `places` (jsra.data.formats.pictures.Pictures).

    A text file is a list if its name has a word for a split and each of its lines names a picture; some may be missing.
    skip: paths of text files that are no lists, such as labels.
    """
    found = {}
    for path in files_below(places.folder, ".txt"):
        split = split_of(stem_of(path))
        if split is not None and path not in skip:
            pictures = pictures_of(path, places)
            if pictures is not None and any(pictures):
                found.setdefault(split, []).append((path, pictures))
    return assigned(found, problems), [path for listed in found.values() for path, _ in listed]


def pictures_of(path, places):
    """The pictures that a text file lists, each a path, or None if it is missing; None for a file that is no list."""
    names = _names(path)
    return None if names is None else [places.find(name, path, stem=stem)[0] for name, stem in names]


def assigned(found: dict, problems: list) -> dict:
    """{picture: split} from lists, {split: [(path, pictures)]}; see ORDER."""
    splits = {}
    for split in (name for name in ORDER if name in found):
        for path, pictures in found[split]:
            missing = sum(picture is None for picture in pictures)
            if missing:
                problems.append(f"{path}: {missing} of its pictures are missing, or several have their names: left out")
            other = {splits[picture] for picture in pictures if picture in splits} - {split}
            if other:
                count = sum(splits.get(picture, split) != split for picture in pictures)
                names = " and ".join(sorted(other))
                problems.append(f"{path}: {count} of its pictures are also listed for {names}: left out")
            for picture in filter(None, pictures):
                splits.setdefault(picture, split)
    return splits


def _names(path):
    """[(the name of a picture, whether it is without ending)] of the lines of a file; None if a line names none."""
    names = []
    for line in (line.strip() for line in text_of(path).splitlines()):
        match = _PICTURE.match(line) or _NAME.match(line)
        if line and match is None:
            return None
        if line:
            names.append((match[1], match.re is _NAME))
    return names
