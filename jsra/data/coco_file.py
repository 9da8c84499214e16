"""COCO's annotation file: read once and checked entry by entry.

Required: for an image id, file_name, width and height; for a category id and name; for an annotation image_id, category_id
and bbox. Ids of annotations are not used here. jsra.data.check checks the sizes of boxes and the image files.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from typing import NamedTuple

from jsra.arguments import short
from jsra.data.image import DataError
from jsra.data.masks import FARTHEST
from jsra.data.paths import existing_file
from jsra.data.problems import error, refuse

MOST_AREA = FARTHEST**2
MARKS = (None, 0, 1)  # values of iscrowd and ignore; the text '0' would count as true in Python
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a]")  # bytes that are in no text
ANNO_FILE = "give the annotation file (.json), unpacked"


class COCOFile(NamedTuple):
    """content: the parsed file. Its valid entries, in the order of the file: images {id: entry}, categories {id: name},
    annotations {image id: [entry]}. problems: those of the other entries (jsra.data.problems)."""

    path: str
    content: dict
    images: dict
    categories: dict
    annotations: dict
    problems: list


def read_coco(path, names=("file_name",)) -> COCOFile:
    """Read and check the annotation file at a resolved path (jsra.data.paths). names: keys of an image that may contain its
    file name.

    Raises FileNotFoundError, and DataError for a file that is not in COCO's format at all; errors of entries are listed in
    `problems`.
    """
    return check_coco(path, parse_json(existing_file(path, "the annotation file")), names)


def check_coco(path, content, names=("file_name",)) -> COCOFile:
    """`read_coco` for a file that is already parsed."""
    content = content if isinstance(content, dict) else {}
    missing = [key for key in ("images", "categories") if key not in content]
    if missing:
        raise DataError(f"{path}: not a COCO annotation file: it has no {' and no '.join(missing)}")
    problems = []
    lists = [_list(content, key, problems) for key in ("images", "categories", "annotations")]
    images, ids = _images(lists[0], names, problems)
    categories, known = _categories(lists[1], problems)
    annotations = _annotations(lists[2], images, ids, categories, known, problems)
    return COCOFile(path, content, images, categories, annotations, problems)


def read_sound_coco(path, names=("file_name",)) -> COCOFile:
    """Like `read_coco`, but raises DataError with a list of the problems if there are any."""
    file = read_coco(path, names)
    refuse(path, file.problems)
    return file


def parse_json(path):
    """The content of a JSON file in UTF-8, 16 or 32, possibly compressed by gzip. Raises DataError for other files."""
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder: give the annotation file (.json) in it")
    if not os.path.isfile(path):
        raise DataError(f"{path} is not a regular file (a device or a pipe): give the annotation file (.json)")
    with open(path, "rb") as f:
        data = f.read()
    start = data[:4096].strip(b"\0 \t\r\n")
    for what, found in (
        ("it is empty or has only zeros; copy or write it again", not start),
        ("it is a zip file: unpack it", start.startswith(b"PK\x03\x04")),
        ("it is a web page or XML: download it again", start.startswith(b"<")),
        ("it is a Git LFS pointer: fetch the file with `git lfs pull`", start.startswith(b"version https://git-lfs")),
    ):
        if found:
            raise DataError(f"{path}: not valid JSON: {what}")
    try:
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        text = data.decode(json.detect_encoding(data))
        del data  # half a GB for COCO
        return json.loads(text)
    except (EOFError, gzip.BadGzipFile, zlib.error) as reason:
        raise DataError(f"{path}: a gzip file that is damaged or truncated ({reason}); copy it again") from None
    except UnicodeDecodeError as reason:
        if NO_TEXT.search(reason.object[:4096]):
            raise DataError(f"{path}: not valid JSON: it is not text (a picture or an archive?): {ANNO_FILE}") from None
        raise DataError(f"{path}: not text in UTF-8 or UTF-16 ({reason}); save it as UTF-8") from None
    except RecursionError:
        raise DataError(f"{path}: not valid JSON: too many nested lists; write the file again") from None
    except json.JSONDecodeError as reason:
        text = reason.doc.rstrip()
        cut = reason.pos >= len(text) - (not text.endswith(("}", "]"))) or reason.msg.startswith("Unterminated")
        hint = "it ends in the middle: copy or write it again" if cut else "correct it"
        raise DataError(f"{path}: not valid JSON: {reason}; {hint}") from None
    except ValueError as reason:  # a number with more digits than Python accepts
        raise DataError(f"{path}: not valid JSON: {reason}; correct it") from None


def checksum(path) -> int:
    """The CRC-32 of a file's bytes."""
    found = 0
    with open(existing_file(path, "the annotation file"), "rb") as f:
        while block := f.read(2**24):
            found = zlib.crc32(block, found)
    return found


def of_annotation(entry, number=None) -> str:
    """The name of an annotation in messages: its ids, or its number in the list if it has none."""
    image, own = entry.get("image_id"), entry.get("id")
    own = f"annotations[{number}]" if own is None and number is not None else f"annotation {own}"
    return own if image is None else f"image id {image}, {own}"


def _list(content, key, problems):
    """The list under a key of the file; [] if there is none."""
    found = content.get(key, [])
    if isinstance(found, list):
        return found
    problems.append(error(key, f"is {short(found)}", f"write a list{'' if key != 'annotations' else ', [] for none'}"))
    return []


def _images(listed, names, problems):
    """({id: entry} of the valid images, the ids of all images)."""
    images, ids = {}, set()
    for number, entry in enumerate(listed):
        found = list(_image_problems(entry, number, names, ids))
        problems += found
        if not found:
            images[entry["id"]] = entry
        if isinstance(entry, dict) and is_id(entry.get("id")):
            ids.add(entry["id"])
    return images, ids


def _image_problems(entry, number, names, ids):
    if not isinstance(entry, dict):
        yield error(f"images[{number}]", f"is {short(entry)}", "write a dictionary, or remove it")
        return
    where = f"image id {entry['id']}" if is_id(entry.get("id")) else f"images[{number}]"
    if not is_id(entry.get("id")):
        yield _unfit(entry, "id", where, "give it a unique whole number or text")
    elif entry["id"] in ids:
        yield error(where, f"is listed twice ({file_name(entry, names)} too)", "list it once, or give it an id of its own")
    if not file_name(entry, names):
        yield _unfit(entry, names[0], where, "write the picture's file name")
    for key in ("width", "height"):
        value = entry.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < FARTHEST or value != int(value):
            yield _unfit(entry, key, where, "write the picture's size in pixels, a whole number")


def file_name(entry, names=("file_name",)):
    """The file name under the first of these keys that the image has, or None."""
    return next((entry[name] for name in names if isinstance(entry.get(name), str) and entry[name].strip()), None)


def _categories(listed, problems):
    """({id: name} of the valid categories, the ids of all categories)."""
    categories, names, ids = {}, set(), set()
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict):
            problems.append(error(f"categories[{number}]", f"is {short(entry)}", "write a dictionary, or remove it"))
            continue
        where, name = f"categories[{number}]", entry.get("name")
        if is_id(entry.get("id")):
            ids.add(entry["id"])
        if not is_id(entry.get("id")):
            problems.append(_unfit(entry, "id", where, "give it a unique whole number or text"))
        elif not isinstance(name, str) or not name.strip():
            problems.append(_unfit(entry, "name", f"category id {entry['id']}", "write its name as text"))
        # Labels are positions in this list: two entries with the same name or id would mix up classes.
        elif entry["id"] in categories:
            problems.append(error(f"category id {entry['id']}", "is listed twice", "give every category an id of its own"))
        elif name in names:
            problems.append(error(f"category {name!r}", "is listed twice", "rename one, or merge them"))
        else:
            categories[entry["id"]] = name
            names.add(name)
    return categories, ids


def _annotations(listed, images, ids, categories, known, problems):
    """{image id: [valid entries]}. Valid entries are handled by a fast check: COCO has 860,000 of them."""
    found = {i: [] for i in images}
    for number, entry in enumerate(listed):
        try:
            x, y, w, h = entry["bbox"]
            area = entry.get("area")
            if (
                -FARTHEST < x < FARTHEST and -FARTHEST < y < FARTHEST and -FARTHEST < w < FARTHEST
                and -FARTHEST < h < FARTHEST and entry["category_id"] in categories
                and entry.get("iscrowd") in MARKS and entry.get("ignore") in MARKS
                and (area is None or -MOST_AREA < area < MOST_AREA)
                and bool not in map(type, (x, y, w, h, area, entry["category_id"], entry["image_id"]))
            ):  # fmt: skip
                found[entry["image_id"]].append(entry)
                continue
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            pass
        if isinstance(entry, dict):
            problems += _annotation_problems(entry, of_annotation(entry, number), ids, known)
        else:
            problems.append(error(f"annotations[{number}]", f"is {short(entry)}", "write a dictionary, or remove it"))
    return found


def _annotation_problems(entry, where, ids, categories):
    image, category, bbox, area = (entry.get(key) for key in ("image_id", "category_id", "bbox", "area"))
    if not is_id(image):
        yield _unfit(entry, "image_id", where, "write the id of its image")
    elif image not in ids:
        yield _of_other_type("image_id", image, ids, where) or error(
            where, "its image is not listed", "remove it, or list the image"
        )
    if not is_id(category):
        yield _unfit(entry, "category_id", where, "write the id of its category")
    elif category not in categories:
        yield _of_other_type("category_id", category, categories, where) or error(
            where, f"category {category} is not listed", "correct category_id, or list the category"
        )
    if not isinstance(bbox, (list, tuple)) or len(bbox) != 4 or not all(map(is_number, bbox)):
        yield _unfit(entry, "bbox", where, "give [x, y, width, height] in numbers")
    elif not all(abs(v) < FARTHEST for v in bbox):
        yield error(where, f"bbox {bbox} has a number that is NaN or far outside", "correct it, or remove the annotation")
    if area is not None and not (is_number(area) and abs(area) < MOST_AREA):
        yield _unfit(entry, "area", where, "write the mask's area in pixels, a number, or leave it out")
    for key in ("iscrowd", "ignore"):
        if not isinstance(entry.get(key), (int, float, type(None))) or entry.get(key) not in MARKS:
            yield _unfit(entry, key, where, "write 0 or 1")


def _of_other_type(key, value, ids, where):
    """The error for an id that is listed as a number and written as text here, or the other way round; None otherwise."""
    kinds = {str: "text", int: "a number"}
    if not any(str(known) == str(value) for known in ids):
        return None
    own, other = kinds[type(value)], kinds[int if isinstance(value, str) else str]
    return error(where, f"{key} is {short(value)}, {own}; the listed id is {other}", "write both as numbers")


def is_id(value) -> bool:
    """Whether a value may be the id of an image or a category."""
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def is_number(value) -> bool:
    """Whether a value is a number; JSON's true is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unfit(entry, key, where, cure):
    return error(where, f"{key} is {short(entry[key])}" if key in entry else f"{key} is missing", cure)
