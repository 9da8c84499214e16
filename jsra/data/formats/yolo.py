"""YOLO's text files: a line per object, `class cx cy w h`, or `class x y x y ...` for a polygon, as fractions of the
picture."""

from __future__ import annotations

import os

from jsra.data.formats.annotations import Annotations, Object, Picture, files_below, text_of
from jsra.data.formats.lists import listed_splits
from jsra.data.formats.pictures import Pictures, size_of, stem_of
from jsra.data.formats.yolo_settings import LISTS, MOST_CLASSES, listed, nearest, sources
from jsra.data.problems import counted

MOST_OF_BOX, MOST_OF_POLYGON = 2, 1.5  # largest coordinates; 2 in a polygon is the visibility of a key point


def find(folder: str):
    """See jsra.data.formats."""
    lines = {p: _lines(p) for p in files_below(folder, ".txt")}
    lines = {p: words for p, words in lines.items() if os.path.basename(p) not in LISTS or any(map(_is_sound, words))}
    if not lines:
        return None
    places, problems = Pictures(folder), []
    if not any(all(map(_is_sound, words)) for words in lines.values()):
        own = [path for path in lines if places.find(stem_of(path), path, stem=True)[0]]
        if not any(any(map(_is_sound, lines[path])) for path in own):
            return Annotations("YOLO", {}, [], [_not_labels(path, lines[path]) for path in own])
    labels = _labels(places, lines, problems)
    found = sources(folder, _is_sound, problems)
    named, own = [one for one in found if one.names], {}
    for place in dict.fromkeys(map(os.path.dirname, labels.values())):
        own[place] = nearest(named, place, folder)
    names = [one.names for one in own.values() if one]
    found = [one for one in found if not one.names or one.names in names]
    more = "key points" if any("kpt_shape" in one.settings for one in own.values() if one) else _after_the_box(lines)
    if more:
        problems.append(f"{folder}: labels have a box and {more}, which are left out")
    of_settings, files = listed(found, places, problems)
    sound = {path for path, words in lines.items() if any(map(_is_sound, words))}
    of_lists, more_files = listed_splits(places, problems, {*sound, *files})
    splits, numbered, scores, unlisted, listed_for = {}, [], 0, [], set(of_settings.values())
    for file, path in labels.items():
        size, why = size_of(file)
        if size is None:
            problems.append(f"{path}: {why}: left out")
            continue
        objects = [Object(*o) for o in _objects(path, lines[path], size, more is not None, problems)]
        if more is None:
            scores += sum(len(words) == 6 and 0 <= float(words[5]) <= 1 for words in lines[path] if _is_sound(words))
        numbered.append((objects, own[os.path.dirname(path)], path))
        subset = of_settings.get(file) or of_lists.get(file) or places.split(file) or "all"
        if file not in of_settings and file not in of_lists and subset in listed_for:
            unlisted.append((file, subset))
        splits.setdefault(subset, []).append(Picture(file, path, *size, objects))
    if scores:
        problems.append(f"{folder}: {scores} labels have a fifth number (a score, or an angle), which is left out")
    if unlisted:
        file, subset = unlisted[0]
        what = f"pictures that this file does not list are used too, {len(unlisted)}, such as {file} for {subset}"
        problems.append(f"{files[0]}: {what}; if they are old copies, move them to another place")
    files = [*files, *more_files, *(one.path for one in found if one.names)]
    return Annotations("YOLO", splits, _name(numbered, named, problems), problems, files)


def _name(numbered, named, problems) -> list:
    """The names of all classes. Replaces the numbers of objects by names.

    numbered: (objects of a picture, the Source of its names or None, its label file). named: all Sources with names.
    """
    classes, used = [], []
    for source in [*named, None]:
        placed = [(o, path) for objects, own, path in numbered if own is source for o in objects]
        objects = [o for o, _ in placed]
        if not objects:
            continue
        names, largest = list(source.names) if source else [], max(o.name for o in objects)
        if largest >= len(names) > 0:
            first = next(path for o, path in placed if o.name >= len(names))
            what = f"it has {counted(len(names), 'name')}, but there are labels up to {largest}, such as in {first}"
            what += ": the other classes are called 'class <number>'; add their names"
            problems.append(f"{source.path}: {what}")
        for name in (name for name in dict.fromkeys(names) if names.count(name) > 1):
            problems.append(f"{source.path}: {names.count(name)} classes are called {name!r}: they become one class")
        used += [source] if source else []
        names += [f"class {i}" for i in range(len(names), largest + 1)]
        for o in objects:
            o.name = names[o.name]
        classes += names
    for one in named:
        if used and one.names not in [source.names for source in used]:
            problems.append(f"{one.path}: other class names than in {used[0].path}, which are used: left out")
    return list(dict.fromkeys(classes))


def _after_the_box(lines):
    """What follows the boxes of labels that are no polygons, the same for all; None if nothing does: 'key points' (x, y and a
    visibility of 0, 1 or 2 each), 'a score and a track', or 'a track or an angle'. A program that follows objects writes no
    track where it does not follow any."""
    files = [[[float(w) for w in words[1:]] for words in listed if _is_sound(words)] for listed in lines.values()]
    sizes = {len(row) for rows in files for row in rows}
    size = max(sizes, default=0)
    files = [[row for row in rows if len(row) == size] for rows in files]
    rows = [row for own in files for row in own]
    last = [row[-1] for row in rows]
    if len(rows) < 2:
        return None
    if sizes <= {5, 6} and size == 6 and all(v.is_integer() for v in last) and not all(row[4].is_integer() for row in rows):
        if max(last) > 1 or all(map(_is_inside, rows)):  # others are triangles with a corner at the border of the picture
            return "a score and a track"
    if sizes <= {4, 5} and size == 5 and all(v.is_integer() and v >= 0 for v in last) and max(last) > 1:
        return "a track or an angle" if all(len({row[4] for row in own}) == len(own) for own in files) else None
    marks = [mark for row in rows for mark in row[6::3]]
    return "key points" if len(sizes) == 1 and size % 3 == 1 and marks and set(marks) <= {0, 1, 2} else None


def _is_inside(row) -> bool:
    """Whether the box cx, cy, w, h at the beginning of a row is in the picture."""
    return max(abs(row[0] - 0.5) + row[2] / 2, abs(row[1] - 0.5) + row[3] / 2) < 0.51


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


def _objects(path, lines, size, boxes_only, problems):
    """(class number, box, polygons) of each line."""
    width, height = size
    for number, words in enumerate(lines, start=1):
        if not _is_sound(words):
            problems.append(f"{path}, line {number}: not a class and four numbers ({' '.join(words)[:40]}): left out")
            continue
        values, polygons = [float(w) for w in words[1:]], []
        if len(values) == 5 and not 0 <= values[4] <= 1 and not boxes_only:
            what = f"a box with a fifth number, {words[5]}, that is no score; remove it, or write the corners of a turned box"
            problems.append(f"{path}, line {number}: {what}: left out")
            continue
        if len(values) > 5 and len(values) % 2 and not boxes_only:
            what = f"{len(values)} numbers after the class are neither a box (4) nor a polygon (x and y of each point)"
            problems.append(f"{path}, line {number}: {what}: left out")
            continue
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
        if float(words[0]) >= MOST_CLASSES:
            problems.append(f"{path}, line {number}: {words[0]} is not the number of a class: left out")
            continue
        yield int(float(words[0])), box, polygons
