"""Reads Pascal VOC's files: Annotations/*.xml and the lists of ImageSets/Main."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree

from jsra.arguments import short
from jsra.data.image import PICTURES, is_special
from jsra.data.masks import FARTHEST
from jsra.data.paths import composed, data_path, existing_file, lines_of
from jsra.data.problems import error
from jsra.registry import ConfigError

CORNERS = ("xmin", "ymin", "xmax", "ymax")
DIFFICULT = {"": False, "0": False, "1": True, "unspecified": False}  # the last is written by tools without this mark
IGNORED, MARKED = ("ignore", "crowd", "iscrowd"), ("1", "true", "True")  # marks of some programs, used like <difficult>


def read_xml(path, where) -> tuple:
    """({file, width, height, objects: [{name, box (4 numbers as in the file), difficult, track}]}, problems) of an annotation
    file. track: the number of the object in its video, -1 if the file has none.

    (None, problems) if the file is missing or not in VOC's format. where: the name of the image in problems.
    """
    try:
        root = parse_xml(path)
    except FileNotFoundError:
        return None, [error(where, f"annotation {path} is missing", "add it, or remove the image from the image set")]
    except (ElementTree.ParseError, ValueError, LookupError, OSError) as reason:
        return None, [error(where, f"annotation {path} cannot be read as XML: {reason}", "correct the file")]
    sizes = [_number(root.findtext(f"size/{key}")) for key in ("width", "height")]
    if not all(size is not None and 0 < size < FARTHEST and size == int(size) for size in sizes):
        what = f"annotation {path} has no <size> with the picture's <width> and <height>"
        return None, [error(where, what, "write them in pixels, whole numbers")]
    elsewhere = objects_elsewhere(root)
    if elsewhere:  # as a picture without objects it would be a background
        what = f"annotation {path} has objects in <{elsewhere}>, another format"
        return None, [error(where, what, "write each <object> directly below <annotation>")]
    objects, wrong = read_objects(root)
    size = {"width": int(sizes[0]), "height": int(sizes[1])}
    content = {"file": root.findtext("filename"), "folder": os.path.dirname(path), "objects": objects, **size}
    cure = f"correct it in {path}, or remove the object"
    return content, [error(f"{where}, {which}", what, cure) for which, what in wrong]


def parse_xml(path):
    """The root of an XML file; namespaces are removed from names."""
    if is_special(path):
        raise ValueError("it is a pipe or a device")
    with open(path, "rb") as f:
        data = f.read()
    stated = re.match(rb"""\s*<\?xml[^>]*\sencoding=["']([\w.-]+)["'][^>]*\?>""", data[:200])
    if stated and stated[1].lower().startswith((b"gb", b"big5", b"euc", b"shift", b"cp9")):  # expat does not know these
        data = data[stated.end() :].decode(stated[1].decode())
    root = ElementTree.fromstring(data)
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    return root


def objects_elsewhere(root):
    """The name of the first entry of an annotation that is no <object> but has objects or boxes in it, as in FAIR1M; None if
    there is none."""
    others = (child for child in root if child.tag != "object")
    inside = ".//object", ".//bndbox"
    return next((child.tag for child in others if any(child.find(path) is not None for path in inside)), None)


def read_objects(root) -> tuple:
    """([{name, box, difficult, track, rotation, polygon}] of the valid objects, [('object 2 (cat)', what is wrong)] of the
    others).

    An <object> with several <bndbox> is as many objects. rotation: the text of CVAT's attribute, None if there is none.
    polygon: [x1, y1, x2, ...] as Roboflow writes it, [] for none, None if it is not valid. An object with an <ignore> or
    <crowd> of 1 is difficult.
    """
    objects, wrong = [], []
    nodes = enumerate(root.findall("object"), start=1)
    for number, node, place in [(i, one, box) for i, one in nodes for box in one.findall("bndbox") or [None]]:
        name = (node.findtext("name") or "").strip()
        texts = [None if place is None else place.findtext(key) for key in CORNERS]
        box = [_number(text) for text in texts]
        difficult = (node.findtext("difficult") or "").strip()
        what = None
        if not name:
            what = "has no <name>"
        elif not any(texts):
            what = "has no <bndbox>"
        elif not all(v is not None and abs(v) < FARTHEST for v in box):
            what = f"has a box that is not four numbers of pixels: {', '.join(text or 'nothing' for text in texts)}"
        elif max(box) <= 1 and not all(v.is_integer() for v in box):
            what = f"has a box in fractions of the picture ({', '.join(map(str, texts))}), not in pixels"
        elif difficult.lower() not in DIFFICULT:
            what = f"<difficult> is {short(difficult)}, not 0 or 1"
        if what:
            wrong.append((f"object {number} ({name})", what))
        else:
            track = _number(node.findtext("trackid"))
            track = int(track) if track is not None and 0 <= track < FARTHEST else -1
            hidden = DIFFICULT[difficult.lower()] or any((node.findtext(key) or "").strip() in MARKED for key in IGNORED)
            marks = {"difficult": hidden, "track": track, "rotation": _attribute(node, "rotation"), "polygon": _polygon(node)}
            objects.append({"name": name, "box": box, **marks})
    return objects, wrong


def _attribute(node, name):
    """The value of an attribute that CVAT writes into an object, None if it is not there."""
    found = (a.findtext("value") for a in node.findall("attributes/attribute") if a.findtext("name") == name)
    return next(found, None)


def _polygon(node):
    """The coordinates in <polygon><x1/><y1/><x2/>...; [] if there are none, None if they are not pairs of numbers."""
    polygons = node.findall("polygon")
    if len(polygons) > 1 or len(node.findall("bndbox")) > 1:
        return None if polygons else []
    found = {child.tag: _number(child.text) for child in node.findall("polygon/*")}
    count = len(found) // 2
    points = [found.get(f"{axis}{i}") for i in range(1, count + 1) for axis in "xy"]
    sound = count > 2 and len(found) == 2 * count and all(v is not None and abs(v) < FARTHEST for v in points)
    return points if sound or not found else None


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def read_listing(path, annotations) -> list:
    """The names in an image set; annotations: the folder of their XML files.

    A name may contain spaces; in lists of one class a mark follows it (1, -1 or 0), which is ignored. Lists of other programs
    name files (0.jpg, JPEGImages/0.jpg, Annotations/0.xml): the annotation of that file is used.
    """
    names, known = [], None
    for line in lines_of(path):
        name = line.strip()
        marked = re.match(r"^(.+?)\s+(-1|0|1)$", name)
        if marked and known is None:  # names of macOS have another form
            known = set(map(composed, os.listdir(annotations))) if os.path.isdir(annotations) else ()
        own = f"{name}.xml"
        if marked and composed(own) not in known and not os.path.isfile(os.path.join(annotations, own)):
            name = marked[1]
        if name:
            names.append(_stem(name, annotations))
    return names


def _stem(name, annotations):
    """The name without the folder or the ending of a file if only then it has an annotation; else unchanged."""
    found = (one for one in names_meant(name) if os.path.isfile(os.path.join(annotations, f"{one}.xml")))
    return next(found, name)


def names_meant(name) -> tuple:
    """What a line of a list may mean: the name itself, or without the ending of a file, or also without its folders."""
    base, ending = os.path.splitext(name.replace("\\", "/"))
    base = base if ending.lower() in (*PICTURES, ".xml") else base + ending
    return name, base, os.path.basename(base)


def voc_sets(root, image_set):
    """[(folder, image set)] from the arguments of a VOCDataset."""
    roots = [data_path(r) for r in ([root] if isinstance(root, str) else root)]
    sets = [image_set] * len(roots) if isinstance(image_set, str) else list(image_set)
    sets = [name[:-4] if name.endswith(".txt") else name for name in sets]
    if len(sets) != len(roots):
        raise ConfigError(f"VOCDataset: {len(roots)} roots and {len(sets)} image sets")
    return list(zip(roots, sets))


def voc_entries(sets):
    """(image id, annotation file, image file without its extension) for each line of the image sets.

    The id is the name in the line; with several folders, the end of the folder's path that makes it unique is put before it.
    Raises ConfigError if no image is listed.
    """
    out, listings = [], []
    for (root, image_set), prefix in zip(sets, _prefixes([root for root, _ in sets])):
        listing = existing_file(os.path.join(root, "ImageSets", "Main", f"{image_set}.txt"), "the image set")
        listings.append(listing)
        annotations = os.path.join(root, "Annotations")
        for name in read_listing(listing, annotations):
            out.append((prefix + name, os.path.join(annotations, f"{name}.xml"), os.path.join(root, "JPEGImages", name)))
    if not out:
        raise ConfigError(f"VOCDataset: {', '.join(listings)} lists no image; write their names, one a line")
    return out


def _prefixes(roots):
    """For each folder, the shortest end of its path that distinguishes it from the others, with a '/'."""
    if len(roots) == 1:
        return [""]
    parts = [os.path.abspath(root).strip(os.sep).split(os.sep) for root in roots]
    different = len(set(map(tuple, parts)))
    length = next(n for n in range(1, max(map(len, parts)) + 1) if len({tuple(p[-n:]) for p in parts}) == different)
    return ["/".join(p[-length:]) + "/" for p in parts]


def voc_image(path, content):
    """The image of an annotation file: `path` (the file's own name) with the extension of the picture that it names, or
    another.

    A picture with another name is used only if there is none with the file's own name, and it has no annotation of its own.
    """
    named = os.path.basename((content["file"] or "").strip().replace("\\", "/"))
    stem, ending = os.path.splitext(named)
    endings = [ending, *PICTURES, *(ending.upper() for ending in PICTURES)]
    candidates = [path + ending for ending in endings if ending]
    folder, other = os.path.dirname(path), os.path.join(content["folder"], f"{stem}.xml")
    candidates += [] if os.path.isfile(other) else [os.path.join(folder, named)]
    return next((p for p in candidates if os.path.isfile(p)), f"{path}.jpg")
