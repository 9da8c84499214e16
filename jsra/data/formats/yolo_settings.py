"""What YOLO's other files say: names of the classes and splits in data.yaml, Darknet's .data and lists of names."""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import NamedTuple

import yaml

from jsra.arguments import short
from jsra.data.formats.annotations import files_below, text_of
from jsra.data.formats.lists import assigned, pictures_of
from jsra.data.formats.pictures import own_folders, split_called
from jsra.data.paths import composed

# Files with the names of the classes, one a line, in the order in which they are looked for: endings, or whole names.
LISTS = (
    "classes.txt", "obj.names", "names.txt", "classes.names", "labels.txt", "label_list.txt", "_darknet.labels", ".names",
)  # fmt: skip
_WHOLE = ("labels.txt", "label_list.txt")  # a train_labels.txt is no such file
_OF_YOLO = ("train", "val", "nc", "path", "kpt_shape")  # keys of a data.yaml
SPLITS = ("train", "val", "test")  # of a place that has several, the first one counts
MOST_CLASSES = 100_000
NO_TEXT = "not text in UTF-8 or UTF-16; save it as UTF-8: left out"
MOST_BYTES = 100_000  # of a .data file of Darknet; larger ones are something else


class Source(NamedTuple):
    """A file with names of classes, [] if it has none, or with settings: the content of a data.yaml or a .data."""

    path: str
    names: list
    settings: dict


def sources(folder: str, is_label, problems: list) -> list:
    """The Sources below a folder, those of YOLO first. is_label: whether a line is a label of a picture."""
    found = []
    for path in files_below(folder, (".yaml", ".yml", ".data")):
        read = _read_data if path.lower().endswith(".data") else _read_yaml
        names, content = read(path, folder, problems)
        if names or any(split_called(str(key)) for key in content):
            found.append(Source(path, names, content))
    found.sort(key=lambda one: not one.settings.keys() & _OF_YOLO)  # stable: equal ones keep their order
    paths = [p for name in LISTS for p in files_below(folder, name) if name not in _WHOLE or os.path.basename(p) == name]
    paths.sort(key=lambda path: os.path.basename(path).lower() not in LISTS)  # labelImg's predefined_classes.txt comes last
    for path in dict.fromkeys(paths):
        text = text_of(path)
        if not text.strip():
            problems.append(f"{path}: it has no names: left out")
        elif not any(is_label(line.split()) for line in text.splitlines()):
            names = _names_of_lines(path, problems)
            found += [Source(path, names, {})] if names else []
    return found


def nearest(named: list, place: str, folder: str):
    """The Source with the names for the label files in the folder `place`: the one with the most folders in common, a
    data.yaml before a list of names, the first of several. None if there is none."""
    path = os.path.join(place, "any.txt")
    own, whole = own_folders(path, folder), _folders(path, folder)

    def near(one):
        common = len(os.path.commonprefix([own, own_folders(one.path, folder)]))
        return common, bool(one.settings), len(os.path.commonprefix([whole, _folders(one.path, folder)]))

    return max(named, key=near, default=None)


def _folders(path, folder):
    return os.path.dirname(os.path.relpath(path, folder)).split(os.sep)


def listed(found: list, places, problems: list) -> tuple:
    """({picture: split}, the files that are used for them) from the settings of Sources."""
    pictures, files = {}, []
    having = [one for one in found if one.settings]
    several = sum(bool(one.names) for one in having) > 1
    for source in having:
        if several and split_called(os.path.basename(os.path.dirname(source.path))):  # one in train, one in valid
            continue
        own = _splits_of(source, places, problems, files)
        other = sum(pictures.get(picture, split) != split for picture, split in own.items())
        if other:
            problems.append(f"{source.path}: {other} of its pictures are in another split of an earlier file: left out")
        pictures = {**own, **pictures}
    return pictures, files


def _splits_of(source, places, problems, files) -> dict:
    """{picture: split} of the folders and lists that a data.yaml names, often by paths of another machine."""
    found, missing = {}, []
    called = [(split_called(str(key)), key, entries) for key, entries in source.settings.items()]
    for split, key, entries in sorted((one for one in called if one[0] in SPLITS), key=lambda one: SPLITS.index(one[0])):
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, str) or entry.strip().lower() in ("", "~", "null", "none"):  # `test:` without a value
                continue
            place = _place(source, entry.strip(), places.folder)
            if place is None and split == "test":  # often not part of what is shared
                continue
            if place is None:
                missing.append(f"{source.path}: {key}: {entry!r} is not in {places.folder}: left out")
            elif found.setdefault(place, split) != split and (found[place], split) != ("val", "test"):  # often the same
                missing.append(f"{source.path}: {key}: {entry!r} is also for {found[place]}: left out")
    if found or source.names:
        problems += missing
    lists = {place: pictures_of(place, places) for place in found if os.path.isfile(place)}
    problems += [f"{place}: not a list of pictures: left out" for place, pictures in lists.items() if pictures is None]
    files += [source.path, *lists] if found else []
    in_lists = {}
    for place, pictures in lists.items():
        in_lists.setdefault(found[place], []).append((place, pictures or []))
    splits = assigned(in_lists, problems)
    for place in sorted(found.keys() - lists.keys(), key=len, reverse=True):  # a folder comes before its parent folder
        for path in (p for p in places.paths if os.path.abspath(p).startswith(place + os.sep)):
            splits.setdefault(path, found[place])
    return splits


def _place(source, entry, folder):
    """The path of a folder or a list in a data.yaml, None if it is not there."""
    entry = re.sub(r"(^|/)[^/]*\*.*$", "", entry.replace("\\", "/"))  # 'images/**/*.png' means the folder
    inside = re.sub(r"^(\.{1,2}/)+", "", entry)  # paths in Roboflow's files have one ../ too many
    base, top = os.path.dirname(source.path), str(source.settings.get("path", ""))
    ends = inside.strip("/").split("/")  # of a path of another machine, the longest end that is in this folder
    tried = [(base, top, entry), (base, entry), (folder, entry), (base, inside)]
    tried += [(folder, *ends[i:]) for i in range(len(ends))]
    here = os.path.abspath(folder) + os.sep
    places = [os.path.abspath(os.path.join(*parts)) for parts in tried]
    found = next((p for p in places if os.path.isfile(p) or (os.path.isdir(p) and f"{p}{os.sep}".startswith(here))), None)
    if found is None and not entry.isascii():  # names of macOS have another form
        known = {}
        for path in map(os.path.abspath, files_below(folder, "")):
            while path.startswith(here) and composed(path) not in known:  # the file, and the folders above it
                known[composed(path)] = path
                path = os.path.dirname(path)
        found = next((known[p] for p in map(composed, places) if p in known), None)
    return found


def _read_yaml(path, folder, problems) -> tuple:
    """(names, content) of a data.yaml; ([], {}) for another file."""
    with open(path, "rb") as f:
        try:
            content = yaml.load(f, Loader=yaml.BaseLoader)  # everything is read as text: a class may be called no or 1.0
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            if "\ufffd" in text_of(path):
                problems.append(f"{path}: {NO_TEXT}")
                return [], {}
            problems.append(f"{path}: not valid YAML ({' '.join(str(error).split())}); correct it: left out")
            return [], {}
    if not isinstance(content, dict):
        return [], {}
    content = {key.lower() if isinstance(key, str) else key: value for key, value in content.items()}  # Names:, Train:
    for key, count in Counter(re.findall(r"^(names|nc|train|val|test|path)\s*:", text_of(path), re.M | re.I)).items():
        if count > 1:
            problems.append(f"{path}: {key!r} is there {count} times, of which only the last is used; remove the others")
    names = _named(content.get("names"))
    if content.get("names") and not names:
        problems.append(f"{path}: names is {short(content['names'])}; write a list of names: left out")
    _compare(path, "nc", content.get("nc"), names, problems)
    return names, content


def _compare(path, key, count, names, problems):
    """Report a number of classes that is not that of the names."""
    if names and isinstance(count, str) and count.isdecimal() and int(count) != len(names):
        problems.append(f"{path}: {key} is {count}, but there are {len(names)} names, which are used")


def _read_data(path, folder, problems) -> tuple:
    """(names, content) of Darknet's .data file, with lines `train = train.txt`; ([], {}) for another file."""
    if os.path.getsize(path) > MOST_BYTES:
        return [], {}
    content = dict(re.findall(r"^\s*(train|valid|test|names|classes)\s*=\s*(.*?)\s*$", text_of(path), re.MULTILINE))
    count = content.pop("classes", None)
    place = _place(Source(path, [], {}), content.pop("names", "") or "?", folder)
    names = _names_of_lines(place, problems) if place and os.path.isfile(place) else []
    _compare(path, "classes", count, names, problems)
    return names, content


def _names_of_lines(path, problems) -> list:
    """The names in a file with one a line; [] if there are none. The number of the line is the number of the class, so empty
    lines count."""
    names = [line.strip() for line in text_of(path).rstrip().splitlines()]
    if "\ufffd" in "".join(names):
        problems.append(f"{path}: {NO_TEXT}")
        return []
    return [text or f"class {i}" for i, text in enumerate(names)]


def _named(names) -> list:
    """The names in a data.yaml (a list, or a dictionary by number) as a list; [] for anything else."""
    if isinstance(names, dict):
        try:
            numbered = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError):
            return []
        largest = max(numbered, default=-1)
        names = [numbered.get(i, f"class {i}") for i in range(largest + 1)] if largest < MOST_CLASSES else []
    sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return [name.strip() or f"class {i}" for i, name in enumerate(names)] if sound else []
