"""YOLO's text files: a line an object, `class cx cy w h` in parts of the picture, or `class x y x y ...` of a polygon."""

from __future__ import annotations

import os

import yaml

from jsra.data.formats.annotations import Annotations, Object, Picture, files_below, pictures_below, size_of, split_of

_LISTS = ("classes.txt", "obj.names", "names.txt", "classes.names")


def find(folder: str):
    """See jsra.data.formats."""
    labels = {}
    for path in files_below(folder, ".txt"):
        if os.path.basename(path) not in _LISTS and _is_label(path):
            labels.setdefault(os.path.splitext(os.path.basename(path))[0], []).append(path)
    if not labels:
        return None
    names, problems = _names(folder), []
    splits, largest = {}, -1
    for file in pictures_below(folder):
        of_picture = labels.get(os.path.splitext(os.path.basename(file))[0])
        if of_picture is None:
            continue  # not even an empty file: this picture was not annotated
        size = size_of(file)
        if size is None:
            problems.append(f"{file}: the picture cannot be read: left out")
            continue
        path = min(of_picture, key=lambda p: -len(os.path.commonprefix([_plain(p), _plain(file)])))
        numbered = list(_objects(path, size, problems))
        largest = max([largest, *(number for number, _, _ in numbered)])
        objects = [Object(number, box, polygons) for number, box, polygons in numbered]
        splits.setdefault(split_of(os.path.relpath(file, folder)) or "all", []).append(Picture(file, *size, objects))
    if not splits:
        return None
    if largest >= len(names):
        if names:
            problems.append(f"labels up to {largest}, but only {len(names)} names: the others are called 'class <number>'")
        names = names + [f"class {i}" for i in range(len(names), largest + 1)]
    for pictures in splits.values():
        for picture in pictures:
            for o in picture.objects:
                o.name = names[o.name]
    return Annotations("YOLO", splits, names, problems)


def _plain(path):
    """A path with labels/ and images/ alike, so that files of one picture have most in common."""
    return path.replace(f"{os.sep}labels{os.sep}", os.sep).replace(f"{os.sep}images{os.sep}", os.sep)


def _is_label(path):
    """Whether every line is a class and an even number of coordinates, at least four; an empty file is."""
    with open(path, encoding="utf8", errors="replace") as f:
        for line in f:
            words = line.split()
            if not words:
                continue
            try:
                [float(w) for w in words]
            except ValueError:
                return False
            if not words[0].isdigit() or len(words) < 5:
                return False
    return True


def _names(folder):
    for path in files_below(folder, ".yaml") + files_below(folder, ".yml"):
        with open(path, encoding="utf8") as f:
            try:
                content = yaml.safe_load(f)
            except yaml.YAMLError:
                continue
        names = content.get("names") if isinstance(content, dict) else None
        if isinstance(names, dict):
            names = [names.get(i, f"class {i}") for i in range(max(names) + 1)] if names else None
        if names:
            return [str(name) for name in names]
    for name in _LISTS:
        for path in files_below(folder, name):
            with open(path, encoding="utf8") as f:
                return [line.strip() for line in f if line.strip()]
    return []


def _objects(path, size, problems):
    """(class number, box, polygons) of each line."""
    width, height = size
    with open(path, encoding="utf8", errors="replace") as f:
        lines = [line.split() for line in f if line.split()]
    for number, words in enumerate(lines, start=1):
        values = [float(w) for w in words[1:]]
        polygons = []
        if len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = [v * width for v in values[0::2]], [v * height for v in values[1::2]]
            polygons = [[round(v, 2) for point in zip(xs, ys) for v in point]]
            box = (min(xs), min(ys), max(xs), max(ys))
        else:  # four numbers; a fifth is the score of a prediction
            cx, cy, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
            box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
        if not (box[0] < box[2] < 1e9 and box[1] < box[3] < 1e9) or max(map(abs, values)) > 2:
            problems.append(f"{path}, line {number}: no box in parts of the picture: left out")
            continue
        yield int(words[0]), box, polygons
