"""The ImageNet VID and DET devkit's folders, read into the content of a COCO file with videos.

    ROOT/Data/VID/...frame.JPEG   ROOT/Annotations/VID/...frame.xml   ROOT/ImageSets/VID/NAME.txt      (and DET)

A line of an image set names a video or a frame by its path below Data/VID, with or without its split (train, val, test); the
devkit's numbers may follow. Known forms:
    val/ILSVRC2015_val_00000000                                          a video whose frames are all annotated
    ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1                the same; -1 instead of 1: not of this class
    train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00005003 1 10 300   its frame 10 (of 300) is for training
    ILSVRC2013_train/n02691156/n02691156_10010 1                         a frame or an image
The content is COCO's with additional keys: `videos` [{id, name}]; images have video_id and frame_id (from 0; both -1 for a
still image) and is_vid_train_frame (whether it is for training); annotations have video_id and instance_id. The names are
mmtracking's.
"""

from __future__ import annotations

import os
import re
from collections import Counter

from jsra.arguments import short
from jsra.data.image import DataError
from jsra.data.paths import existing_file, lines_of
from jsra.data.problems import counted, error, warning
from jsra.data.vid_classes import VID_CLASSES
from jsra.data.voc_file import read_xml
from jsra.registry import ConfigError

SETS = ("VID", "DET")
SPLITS = ("train", "val", "test")
KEYS = 15  # frames per video for training if the image set names none: as in the lists of FGFA's authors


def read_devkit(root, image_sets, classes=None, every_frame=False, progress=False) -> tuple:
    """(content, problems) of image sets such as 'VID/VID_train_15frames', for jsra.data.vid.VIDDataset.

    classes: names, or {name: WordNet id}; default: the 30 of VID. Objects of other classes are left out. every_frame: read
    the annotations of every frame; otherwise only those of the frames for training.
    problems: those in the files (jsra.data.problems); a frame whose annotation cannot be read is left out. Raises
    ConfigError, DataError for an image set without a video, and FileNotFoundError for a missing one.
    """
    from tqdm import tqdm

    names = list(classes or VID_CLASSES)
    known = classes if isinstance(classes, dict) else VID_CLASSES
    labels = {
        **{name: i + 1 for i, name in enumerate(names)},
        **{known[n]: i + 1 for i, n in enumerate(names) if n in known},
    }
    builder = _Content(root, labels, names, every_frame)
    for image_set in image_sets:
        lines = _lines(root, image_set)
        for kind, path, key in tqdm(lines, f"reading {image_set}", disable=not progress or None, leave=False):
            builder.add(kind, path, key)
    return builder.content(), builder.problems


def _lines(root, image_set):
    """(VID or DET, path, number of the frame for training or None) for each line of an image set."""
    kind = image_set.split("/")[0]
    if kind not in SETS:
        raise ConfigError(
            f"image_set {image_set!r}: it must begin with {' or '.join(f'{s}/' for s in SETS)}, for example VID/train_videos"
        )
    name = image_set[:-4] if image_set.endswith(".txt") else image_set
    listing = existing_file(os.path.join(root, "ImageSets", f"{name}.txt"), "the image set")
    found = []
    for number, line in enumerate(lines_of(listing), start=1):
        words = line.split()
        if len(words) not in (0, 1, 2, 4) or not all(re.match(r"-?\d+$", word) for word in words[1:]):
            raise DataError(
                f"{listing}, line {number}: {short(line.strip())} is no line of an image set: a path, or a path with one "
                "number or three"
            )
        if words and not (len(words) == 2 and words[1] == "-1"):
            found.append((kind, words[0], int(words[2]) if len(words) == 4 else None))
    if not found:
        raise DataError(f"{listing} has no video and no image")
    return found


class _Content:
    """Collects the videos, images and annotations that the lines name."""

    def __init__(self, root, labels, names, every_frame):
        self.root, self.labels, self.names, self.every_frame = root, labels, names, every_frame
        self.videos = {}  # (kind, folder) -> [files]
        self.keys = {}  # (kind, folder) -> numbers of the frames for training, None for evenly spaced ones
        self.places = {}  # (kind, folder) -> {name and number of a file: its index}
        self.stills = []
        self.problems = []
        self.unknown = Counter()  # number of objects of each class that the dataset does not have

    def add(self, kind, path, key):
        place = self._place(kind, path)
        if place is None:
            what = f"is neither a folder nor a picture in {os.path.join(self.root, 'Data', kind)}"
            self.problems.append(error(f"{path} of the image set", what, "add its files, or remove the line"))
            return
        if place.lower().endswith((".jpeg", ".jpg")):
            folder, name = os.path.split(place)
            if kind == "DET":
                self.stills.append((kind, place))
                return
            place, key = folder, name
        video = (kind, place)
        if video not in self.videos:
            self.videos[video] = self._frames(kind, place)
            self.keys[video] = set() if key is not None else None
            self.places[video] = {n: i for i, name in enumerate(self.videos[video]) for n in (name, _number(name))}
        if key is not None and self.keys[video] is not None:
            if key in self.places[video]:
                self.keys[video].add(self.places[video][key])
            else:
                what = f"frame {key} is missing; the video has {len(self.videos[video])} frames"
                self.problems.append(
                    error(f"video {place}", what, "add the picture, or remove the line of the image set")
                )

    def _place(self, kind, path):
        """The folder or file below Data/KIND that a line names; None if there is none."""
        data = os.path.join(self.root, "Data", kind)
        for split in ("", *SPLITS):
            place = os.path.join(split, path)
            if os.path.isdir(os.path.join(data, place)):
                return place
            for ending in (".JPEG", ".jpg"):
                if os.path.isfile(os.path.join(data, place + ending)):
                    return place + ending
        return None

    def _frames(self, kind, place):
        """The frames of a video, by number."""
        folder = os.path.join(self.root, "Data", kind, place)
        files = [name for name in os.listdir(folder) if name.lower().endswith((".jpeg", ".jpg"))]
        files.sort(key=lambda name: (_number(name), name))
        if not files:
            self.problems.append(error(f"video {folder}", "has no frame (.JPEG)", "add them, or remove the video"))
        for before, after in zip(files, files[1:]):
            if _number(after) > _number(before) + 1:
                what = f"there is no frame between {before} and {after}; they are treated as neighbours"
                self.problems.append(
                    warning(f"video {folder}", what, "add the frames, or number the others without a gap")
                )
        if files:
            self._check_ends(folder, os.path.join(self.root, "Annotations", kind, place), files)
        return files

    def _check_ends(self, folder, annotations, files):
        """Warn of annotations before the first or after the last frame: their pictures are missing. Gaps are said anyway."""
        first, last = _number(files[0]), _number(files[-1])
        names = os.listdir(annotations) if os.path.isdir(annotations) else []
        alone = [n for n in names if n.lower().endswith(".xml") and not first <= _number(n) <= last]
        if alone:
            example = min(alone, key=lambda name: (_number(name), name))
            what = f"{counted(len(alone), 'annotation')} without a picture, such as {example}: left out"
            self.problems.append(warning(f"video {folder}", what, "add the frames, or remove the annotations"))

    def content(self) -> dict:
        images, annotations, videos = [], [], []
        for (kind, folder), files in self.videos.items():
            videos.append({"id": len(videos) + 1, "name": f"{kind}/{folder}"})
            keys = self.keys[kind, folder]
            keys = spread(len(files), KEYS) if keys is None else keys
            size = None  # of the last frame that was read: in training, the frames in between are only references
            for i, name in enumerate(files):
                wanted = self.every_frame or i in keys
                found = self._annotation(kind, f"{folder}/{name}") if wanted or size is None else None
                size = size if found is None else (found["width"], found["height"])
                if size is not None and (found or not wanted):
                    objects = found["objects"] if wanted else ()
                    place = f"{kind}/{folder}/{name}"
                    self._add_image(images, annotations, place, size, objects, (videos[-1]["id"], i), i in keys)
        for kind, place in self.stills:
            found = self._annotation(kind, place)
            if found is not None:
                size = found["width"], found["height"]
                self._add_image(images, annotations, f"{kind}/{place}", size, found["objects"], (-1, -1), True)
        for name, count in self.unknown.items():
            what = f"{count} objects have this class, which is not in the data set's classes; they are left out"
            self.problems.append(warning(f"class {name!r}", what, "add it to classes if you need them"))
        categories = [{"id": i + 1, "name": name} for i, name in enumerate(self.names)]
        return {"videos": videos, "images": images, "annotations": annotations, "categories": categories}

    def _annotation(self, kind, place):
        path = os.path.join(self.root, "Annotations", kind, f"{os.path.splitext(place)[0]}.xml")
        content, problems = read_xml(path, f"frame {place}")
        self.problems += problems
        return content

    def _add_image(self, images, annotations, file, size, objects, place, key):
        number, (video, frame) = len(images) + 1, place
        images.append({
            "id": number, "file_name": file, "width": size[0], "height": size[1], "video_id": video, "frame_id": frame,
            "is_vid_train_frame": key,
        })  # fmt: skip
        for item in objects:
            if item["name"] not in self.labels:
                self.unknown[item["name"]] += 1
            else:
                x0, y0, x1, y1 = item["box"]
                annotations.append({
                    "id": len(annotations) + 1, "image_id": number, "video_id": video, "instance_id": item["track"],
                    "category_id": self.labels[item["name"]], "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0), "iscrowd": 0,
                })  # fmt: skip


def spread(count, wanted) -> set:
    """Indices of `wanted` evenly spaced frames of `count`: the middle frame of each of `wanted` equal parts."""
    wanted = min(wanted, count)
    return {int((i + 0.5) * count / wanted) for i in range(wanted)}


def _number(name):
    digits = re.findall(r"\d+", os.path.splitext(name)[0])
    return int(digits[-1]) if digits else -1
