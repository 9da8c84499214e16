"""YOLO's text files: a line per object, `class cx cy w h`, or `class x y x y ...` for a polygon, as fractions of the
picture."""

from __future__ import annotations

import os
import re

import yaml

from jsra.arguments import short
from jsra.data.formats.annotations import Annotations, Object, Picture, files_below, text_of
from jsra.data.formats.lists import listed_splits
from jsra.data.formats.pictures import Pictures, size_of, stem_of

# Files with the names of the classes, one a line, in the order in which they are looked for: endings, or whole names.
_LISTS = (
    "classes.txt", "obj.names", "names.txt", "classes.names", "labels.txt", "label_list.txt", "_darknet.labels", ".names",
)  # fmt: skip
_WHOLE = ("labels.txt", "label_list.txt")  # a train_labels.txt is no such file
_OF_YOLO = ("train", "val", "nc", "path", "kpt_shape")  # keys of a data.yaml
_SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}  # keys of a data.yaml for pictures, and our names
_MOST_CLASSES = 100_000
MOST_OF_BOX, MOST_OF_POLYGON = 2, 1.5  # largest coordinates; 2 in a polygon is the visibility of a key point


def find(folder: str):
    """See jsra.data.formats."""
    lines = {p: _lines(p) for p in files_below(folder, ".txt")}
    lines = {p: words for p, words in lines.items() if os.path.basename(p) not in _LISTS or any(map(_is_sound, words))}
    if not lines:
        return None
    places, problems = Pictures(folder), []
    if not any(all(map(_is_sound, words)) for words in lines.values()):
        own = [path for path in lines if places.find(stem_of(path), path, stem=True)[0]]
        if not any(any(map(_is_sound, lines[path])) for path in own):
            return Annotations("YOLO", {}, [], [_not_labels(path, lines[path]) for path in own])
    names, settings, (source, *copies) = _settings(folder, problems)
    more = None if "kpt_shape" in settings else _after_the_box(lines)
    boxes_only, (listed, files) = "kpt_shape" in settings or more is not None, _listed(settings, source, places)
    if more:
        problems.append(f"{folder}: each label has a box and {more}, which are left out")
    lists, more_files = listed_splits(places, problems, {path for path, words in lines.items() if any(map(_is_sound, words))})
    splits, largest = {}, -1
    for file, path in _labels(places, lines, problems).items():
        size, why = size_of(file)
        if size is None:
            problems.append(f"{file}: {why}: left out")
            continue
        numbered = list(_objects(path, lines[path], size, boxes_only, problems))
        largest = max([largest, *(number for number, _, _ in numbered)])
        objects = [Object(number, box, polygons) for number, box, polygons in numbered]
        subset = listed.get(file) or lists.get(file) or places.split(file) or "all"
        splits.setdefault(subset, []).append(Picture(file, path, *size, objects))
    if largest >= len(names):
        if names:
            problems.append(f"labels up to {largest}, but only {len(names)} names: the others are called 'class <number>'")
        names = names + [f"class {i}" for i in range(len(names), largest + 1)]
    for pictures in splits.values():
        for picture in pictures:
            for o in picture.objects:
                o.name = names[o.name]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    problems += [f"{source}: {names.count(name)} classes are called {name!r}: they become one class" for name in twice]
    return Annotations("YOLO", splits, list(dict.fromkeys(names)), problems, [source, *copies, *files, *more_files])


def _after_the_box(lines):
    """What follows the boxes of labels if all of them have the same number of values and these are no polygons; None if
    nothing does: 'key points' (x, y and a visibility of 0, 1 or 2 each), or 'a score and a track'."""
    rows = [[float(w) for w in words[1:]] for listed in lines.values() for words in listed if _is_sound(words)]
    if len({len(row) for row in rows}) != 1 or len(rows) < 2:
        return None
    if len(rows[0]) == 6 and all(row[5].is_integer() for row in rows) and not all(row[4].is_integer() for row in rows):
        return "a score and a track"
    marks = [mark for row in rows for mark in row[6::3]]
    return "key points" if len(rows[0]) % 3 == 1 and marks and set(marks) <= {0, 1, 2} else None


def _labels(places, lines, problems) -> dict:
    """{picture: its label file}, in the order of the pictures. A picture without a label file (even an empty one) counts as
    not annotated."""
    found = {}
    for path, words in lines.items():
        picture, why = places.find(stem_of(path), path, stem=True)
        if words and not any(map(_is_sound, words)):
            if picture is not None:  # otherwise it is another kind of text file
                problems.append(_not_labels(path, words))
        elif picture is None:
            problems.append(f"{path}: {why}: left out")
        else:
            found.setdefault(picture, []).append(path)
    chosen = {}
    for picture in (p for p in places.paths if p in found):
        paths = sorted(found[picture], key=lambda path: places.fit(picture, path), reverse=True)
        problems += [f"{path}: {picture} also has labels in {paths[0]}, which is closer: left out" for path in paths[1:]]
        chosen[picture] = paths[0]
    return chosen


def _not_labels(path, words) -> str:
    """The line about a text file of a picture in another format."""
    return f"{path}: no line of it is the number of a class and four numbers ({' '.join(words[0])[:40]}): left out"


def _lines(path) -> list:
    """A list of the words of each non-empty line."""
    return [line.split() for line in text_of(path).splitlines() if line.strip()]


def _is_sound(words) -> bool:
    """Whether a line is the number of a class and at least four coordinates."""
    try:
        numbers = [float(w) for w in words]
    except ValueError:
        return False
    return len(words) >= 5 and numbers[0] >= 0 and numbers[0].is_integer()


def _settings(folder, problems) -> tuple:
    """(names of the classes, content of their data.yaml or {} for a file with a list of names, paths of the files with these
    names)."""
    found = []
    for path in files_below(folder, (".yaml", ".yml")):
        with open(path, "rb") as f:
            try:
                content = yaml.load(f, Loader=yaml.BaseLoader)  # everything is read as text: a class may be called no or 1.0
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                problems.append(f"{path}: not valid YAML ({' '.join(str(error).split())}); correct it: left out")
                continue
        names = _named(content.get("names")) if isinstance(content, dict) else []
        if isinstance(content, dict) and content.get("names") and not names:
            problems.append(f"{path}: names is {short(content['names'])}; write a list of names: left out")
        if names:
            found.append((names, content, path))
    found.sort(key=lambda one: not any(key in one[1] for key in _OF_YOLO))  # stable: equal ones keep their order
    for path in _lists_of_names(folder):
        # The number of the line is the number of the class, so empty lines count.
        names = [line.strip() for line in text_of(path).rstrip().splitlines()]
        if "\ufffd" in "".join(names):
            problems.append(f"{path}: not text in UTF-8 or UTF-16; save it as UTF-8: left out")
            continue
        found.append(([text or f"class {i}" for i, text in enumerate(names)], {}, path))
    for names, _, path in found[1:]:
        if names != found[0][0]:
            problems.append(f"{path}: other class names than in {found[0][2]}, which are used: left out")
    if not found:
        return [], {}, [folder]
    names, content, _ = found[0]
    return names, content, [path for listed, _, path in found if listed == names]


def _lists_of_names(folder) -> list:
    """The paths of the files with the names of the classes, each once; not those that are labels of a picture."""
    paths = [p for name in _LISTS for p in files_below(folder, name) if name not in _WHOLE or os.path.basename(p) == name]
    return [p for p in dict.fromkeys(paths) if not any(map(_is_sound, _lines(p)))]


def _listed(settings, source, places) -> tuple:
    """({picture: split}, the files with lists of pictures) from a data.yaml at `source`, with folders or such lists, often
    paths of another machine."""
    base, found = os.path.dirname(source), []
    for key, split in _SPLITS.items():
        entries = settings.get(key)
        for entry in [entries] if isinstance(entries, str) else entries or ():
            entry = re.sub(r"/[^/]*\*[^/]*$", "", str(entry).replace("\\", "/"))  # 'images/*.png' means its folder
            inside = re.sub(r"^(\.{1,2}/)+", "", entry)  # paths in Roboflow's files have one ../ too many
            ends = inside.strip("/").split("/")  # of a path of another machine, the longest end that is in this folder
            tried = [(base, str(settings.get("path", "")), entry), (base, entry), (places.folder, entry)]
            tried += [(base, inside), *((places.folder, *ends[i:]) for i in range(len(ends)))]
            place = next((p for p in (os.path.join(*map(str, t)) for t in tried) if os.path.exists(p)), None)
            if place is not None:
                found.append((os.path.abspath(place), split))
    pictures = {}
    for place, split in sorted(found, key=lambda one: -len(one[0])):  # a folder comes before its parent folder
        if os.path.isfile(place):
            with open(place, encoding="utf-8-sig", errors="replace") as f:
                named = [places.find(line.strip(), place)[0] for line in f if line.strip()]
        else:
            named = [p for p in places.paths if os.path.abspath(p).startswith(place + os.sep)]
        for path in filter(None, named):
            pictures.setdefault(path, split)
    return pictures, [place for place, _ in found if os.path.isfile(place)]


def _named(names) -> list:
    """The names in a data.yaml (a list, or a dictionary by number) as a list; [] for anything else."""
    if isinstance(names, dict):
        try:
            numbered = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError):
            return []
        largest = max(numbered, default=-1)
        names = [numbered.get(i, f"class {i}") for i in range(largest + 1)] if largest < _MOST_CLASSES else []
    sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return [name.strip() or f"class {i}" for i, name in enumerate(names)] if sound else []


def _objects(path, lines, size, boxes_only, problems):
    """(class number, box, polygons) of each line."""
    width, height = size
    for number, words in enumerate(lines, start=1):
        if not _is_sound(words):
            problems.append(f"{path}, line {number}: not a class and four numbers ({' '.join(words)[:40]}): left out")
            continue
        values = [float(w) for w in words[1:]]
        polygons = []
        if len(values) >= 6 and len(values) % 2 == 0 and not boxes_only:
            xs, ys = [v * width for v in values[0::2]], [v * height for v in values[1::2]]
            polygons = [[round(v, 2) for point in zip(xs, ys) for v in point]]
            box = (min(xs), min(ys), max(xs), max(ys))
        else:  # four numbers are a box; a fifth is the score of a prediction, further ones are key points
            values = values[:4]
            cx, cy, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
            box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        most = MOST_OF_POLYGON if polygons else MOST_OF_BOX
        if not (box[0] < box[2] < 1e9 and box[1] < box[3] < 1e9) or not max(map(abs, values)) <= most:
            kind = "polygon (nor a box: that has four numbers)" if polygons else "box"
            problems.append(f"{path}, line {number}: not a {kind} in fractions of the picture size: left out")
            continue
        if float(words[0]) >= _MOST_CLASSES:
            problems.append(f"{path}, line {number}: {words[0]} is not the number of a class: left out")
            continue
        yield int(float(words[0])), box, polygons
