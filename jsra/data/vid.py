"""Datasets of videos: ImageNet VID and DET in the devkit's folders, or a COCO file with videos."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np

from jsra.arguments import part, short
from jsra.data.check_entries import are_fractions
from jsra.data.classes import class_list
from jsra.data.coco import corners, goes_beyond, object_notes, usable_box
from jsra.data.coco_file import of_annotation, read_sound_coco
from jsra.data.dataset import DetectionDataset, Record, label_map
from jsra.data.image import DataError, read_image
from jsra.data.paths import data_path
from jsra.data.problems import error, first_lines, refuse
from jsra.data.references import References
from jsra.data.vid_classes import VID_CLASSES
from jsra.data.vid_devkit import read_devkit
from jsra.registry import ConfigError, construct, register

MOST_NOTES = 6  # lines for the log about what was left out
GAP = "frames before and after a gap are treated as neighbours"


@register("dataset")
class VIDDataset(DetectionDataset):
    """Frames of videos, and still images, in the layout of ImageNet VID and DET.

    root: the folder with Data, Annotations and ImageSets. image_set: 'VID/val_videos', or a list of image sets, which may
    mix VID and DET (jsra.data.vid_devkit). anno_file: instead of image_set, a COCO file with videos as written by `jsra data
    vid` (mmtracking's format), with images in root/Data: it is read in seconds, the million files of the devkit in many
    minutes.
    classes: names, or {name: WordNet id in the annotations}; default: the 30 of VID. Samples are all frames, one video
    after the other; in testing, all frames of a video are in the same process.
    key_frames: only frames for training are samples: those that the image set names, or 15 of each video.
    references: dict(num=2, frame_range=9, method='bilateral_uniform'), see jsra.data.references: the targets then have
    'references', float32 [num, 3, h, w], other frames of the video, transformed with the same random numbers; for a still
    image, the image itself. Other arguments: see COCODataset. Targets have track_ids, and for frames video_id and
    frame_index.
    """

    default_evaluator = "VIDBoxAP"

    def __init__(
        self,
        root: str,
        image_set: str | tuple[str, ...] | None = None,
        anno_file: str | None = None,
        transforms: list[part.transform] | None = None,
        batch_size: int = 1,
        num_workers: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        filter_empty_gt: bool = True,
        classes: tuple[str, ...] | dict[str, str] | None = None,
        filter_min_size: int = 0,
        key_frames: bool = False,
        references: dict | None = None,
        aspect_ratio_grouping: bool | None = None,
        seed: int = 0,
        repeat: int = 1,
    ):
        sets = image_sets(image_set, anno_file)
        grouping = shuffle if aspect_ratio_grouping is None else aspect_ratio_grouping
        names = class_list(tuple(classes) if isinstance(classes, dict) else classes) or tuple(VID_CLASSES)
        super().__init__(names, transforms, batch_size, num_workers, shuffle, drop_last, grouping, seed, False, repeat)
        self.root = data_path(root)
        self.references = None if references is None else construct(References, references, "references")
        if anno_file is not None:
            where = data_path(anno_file)
            content = read_sound_coco(where).content
            refuse_numbers(where, content)
            broken = gaps(content["images"])
            if broken:
                self.notes.append(f"the frame numbers of {len(broken)} videos have gaps: {GAP}")
        else:
            where = self.root
            content, problems = read_devkit(where, sets, classes, every_frame=not key_frames)
            refuse(where, problems)
            # Notes, not errors: a huge data set need not be refused for an object of one frame.
            problems += number_problems(content["images"], content.get("annotations", ()))
            rest = "more warnings: `jsra data check` lists them"
            self.notes += first_lines([f"{p.where}: {p.what}" for p in problems], MOST_NOTES, rest)
        if self.references is not None:
            refuse_sizes(where, content["images"])
        by_name = {category["name"]: category["id"] for category in content["categories"]}
        self.cat_ids = [by_name[name] for name in label_map(names, by_name, where)]
        self.videos = {}  # video id -> the files of its frames, in order
        self._read(content, key_frames)
        self._filter(filter_empty_gt, filter_min_size)
        if key_frames:
            self.notes.append(f"key_frames: {len(self.records)} frames for training are used, not all frames of the videos")

    def _read(self, content, key_frames):
        to_label = {category: i + 1 for i, category in enumerate(self.cat_ids)}
        images = sorted(content["images"], key=lambda i: (i.get("video_id", -1), i.get("frame_id", -1)))
        wanted = [i for i in images if i.get("is_vid_train_frame", True) or not key_frames]
        per_image, counts = {image["id"]: [] for image in wanted}, Counter()
        for annotation in content.get("annotations", ()):
            if annotation["image_id"] in per_image:
                counts["all"] += 1
                if annotation["category_id"] in to_label:
                    per_image[annotation["image_id"]].append(annotation)
                else:
                    counts["other"] += 1
        places = {}
        for image in images:
            if image.get("video_id", -1) >= 0:
                frames = self.videos.setdefault(image["video_id"], [])
                places[image["id"]] = len(frames)
                frames.append(image["file_name"])
        for image in wanted:
            size = int(image["width"]), int(image["height"])
            usable = [(usable_box(a, *size), to_label[a["category_id"]], a) for a in per_image[image["id"]]]
            counts["unusable"] += sum(box is None for box, *_ in usable)
            counts["fractions"] += sum(box is None and are_fractions(*corners(a["bbox"])) for box, _, a in usable)
            counts["beyond"] += sum(box is not None and goes_beyond(box, *size) for box, *_ in usable)
            objects = [(box, label, a) for box, label, a in usable if box is not None and not a.get("iscrowd")]
            crowds = [(box, label) for box, label, a in usable if box is not None and a.get("iscrowd")]
            boxes = np.asarray([box for box, *_ in objects], np.float32).reshape(-1, 4).clip(0, np.float32([*size, *size]))
            video = image.get("video_id", -1)
            self.records.append(
                Record(
                    image["id"], self._file(image["file_name"]), *size, boxes, [label for _, label, _ in objects],
                    [box for box, _ in crowds], [label for _, label in crowds],
                    track_ids=[a.get("instance_id", -1) for *_, a in objects], video_id=video if video >= 0 else None,
                    frame_index=places.get(image["id"]),
                )
            )  # fmt: skip
        self.notes += object_notes(counts)

    def _file(self, name):
        return os.path.join(self.root, "Data", name)

    def videos_of_samples(self):
        """The video id of each sample in order, None for a still image; or None if all are still images."""
        videos = [record.fields.get("video_id") for record in self.records]
        return videos * self.repeat if any(video is not None for video in videos) else None

    def get(self, index, epoch=0):
        image, target = super().get(index, epoch)
        if self.references is not None:
            target["references"] = np.stack(
                [image if n is None else n for n in self._neighbours(index, epoch, image.shape)]
            )
        return image, target

    def _neighbours(self, index, epoch, shape):
        """The transformed references of a sample; None for the sample's own frame."""
        record = self.record(index)
        if "video_id" not in record.fields:
            return [None] * self.references.num
        own, files = record.fields["frame_index"], self.videos[record.fields["video_id"]]
        chosen = self.references(len(files), own, np.random.default_rng([self.seed, epoch, index, 1]))
        return [None if place == own else self._frame(files[place], record, index, epoch, shape) for place in chosen]

    def _frame(self, name, record, index, epoch, shape):
        """Another frame of a record's video, transformed with the random numbers of the record; the boxes of the record
        decide how it is cropped."""
        pixels = read_image(self._file(name), (record.width, record.height), f"near {record.img_id}")
        image, _ = self.transformed(pixels, record, index, epoch)
        if image.shape != shape:
            raise DataError(f"{name}: transformed to {list(image.shape)}, its key frame {record.file} to {list(shape)}")
        return image


def refuse_numbers(where, content):
    """Raise DataError for wrong numbers of videos, frames and tracks in a COCO content with videos."""
    refuse(where, number_problems(content["images"], content.get("annotations", ())))


def refuse_sizes(where, images):
    """Raise DataError for a video whose frames have several sizes: a frame and its references must have one."""
    sizes = {}
    for image in images:
        if image.get("video_id", -1) >= 0:
            sizes.setdefault(image["video_id"], {})[image["width"], image["height"]] = image["file_name"]
    cure = "give them one size, or leave out references"
    wrong = [(video, found) for video, found in sizes.items() if len(found) > 1]
    refuse(where, [error(f"video {video}", f"its frames have several sizes: {found}", cure) for video, found in wrong])


def number_problems(images, annotations) -> list:
    """Errors in the numbers of videos, frames and tracks in a COCO file with videos. Two frames with one number, or two
    objects of one track in a frame, would make the order of frames and the motion of objects a matter of chance."""
    problems, seen = [], set()
    for entries, keys, cure in (
        (images, ("video_id", "frame_id"), "write a whole number, -1 for a still image"),
        (annotations, ("instance_id",), "write the object's number in its video, a whole number, or leave it out"),
    ):
        for entry in entries:
            for key in keys:
                value = entry.get(key, -1)
                if type(value) is not int or not -1 <= value < 2**31:
                    where = f"image id {entry['id']}" if entries is images else of_annotation(entry)
                    problems.append(error(where, f"{key} is {short(value)}", cure))
    if problems:
        return problems
    for image in images:
        video, frame = image.get("video_id", -1), image.get("frame_id", -1)
        if video >= 0 and (frame < 0 or (video, frame) in seen):
            what = f"frame_id {frame} appears twice in video {video}" if frame >= 0 else f"has no frame_id in video {video}"
            problems.append(error(f"image id {image['id']}", what, "give every frame of a video its number, from 0"))
        seen.add((video, frame))
    tracks = Counter((a["image_id"], a["instance_id"]) for a in annotations if a.get("instance_id", -1) >= 0)
    files = {image["id"]: image["file_name"] for image in images}
    for (img_id, track), count in tracks.items():
        if count > 1:
            where, what = f"image id {img_id} ({files.get(img_id)})", f"{count} objects have the track id {track}"
            problems.append(error(where, what, "give each object of a video its own"))
    return problems


def gaps(images) -> list:
    """The ids of the videos in a COCO file whose frame numbers have gaps."""
    frames = {}
    for image in images:
        if image.get("video_id", -1) >= 0:
            frames.setdefault(image["video_id"], []).append(image["frame_id"])
    return [video for video, numbers in frames.items() if max(numbers) - min(numbers) >= len(numbers)]


def image_sets(image_set, anno_file) -> list:
    """The image sets from a VIDDataset's arguments. Raises ConfigError unless either image_set or anno_file is given."""
    if (image_set is None) == (anno_file is None):
        raise ConfigError("VIDDataset: give either image_set or anno_file")
    return [image_set] if isinstance(image_set, str) else list(image_set or ())
