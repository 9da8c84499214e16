"""The base class of all detection datasets: samples, the filter of images without objects, and the loader.

A dataset is a list of Records plus transforms. `dataset.get(index, epoch)` is one sample; it depends only on (seed, epoch,
index), never on the process that loads it. `dataset.loader(...)` returns a loader of batches. Evaluators (jsra.evaluation)
read `records`, `ground_truth()`, CLASSES and cat_ids.
"""

from __future__ import annotations

import os
import pickle
from collections import Counter
from collections.abc import Hashable

import numpy as np

from jsra.arguments import parameters, short
from jsra.data.classes import look_alike
from jsra.data.image import DataError, new_target, read_image, separator
from jsra.data.masks import InstanceMasks
from jsra.data.transforms import Compose
from jsra.registry import ConfigError, get, nearest
from jsra.runtime.seed import seeded

# Optional fields of a record, which are also copied to its target. For objects: track_ids int32 [n]. For the image: video_id
# and frame_index (from 0); if not every class is annotated in every image, negative_labels (tuple of 1-based labels without
# any object in the image) and not_exhaustive_labels (labels of which not every object is annotated).
FIELDS = ("track_ids", "video_id", "frame_index", "negative_labels", "not_exhaustive_labels")


class Record:
    """One image and its annotations.

    boxes [n, 4] float32 xyxy in pixels of the image, labels [n] int32 (1-based), ignored [m, 4] and ignored_labels [m]
    (crowds, difficult objects). Segmentations are stored pickled, because changes of the reference counts of Python objects
    would make every forked worker copy them. fields: {name in FIELDS: value}, or None if there are none.
    """

    __slots__ = (
        "img_id", "file", "width", "height", "boxes", "labels", "ignored", "ignored_labels", "_segmentations", "fields",
    )  # fmt: skip

    def __init__(
        self, img_id, file, width, height, boxes=(), labels=(), ignored=(), ignored_labels=(), segmentations=None, **fields
    ):
        self.img_id = img_id
        self.file = "" if file is None else file  # a user's own data set may have pictures that are no files
        self.width = width
        self.height = height
        self.boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
        self.labels = np.asarray(labels, np.int32).reshape(-1)
        self.ignored = np.asarray(ignored, np.float32).reshape(-1, 4)
        self.ignored_labels = np.asarray(ignored_labels, np.int32).reshape(-1)
        self._check()
        self._segmentations = None if segmentations is None else pickle.dumps(segmentations, protocol=4)
        self.fields = _fields(fields, len(self.boxes), img_id) if fields else None

    def _check(self):
        """Raise ConfigError for records that the reader of a user's own dataset has made in a wrong form."""
        if not isinstance(self.img_id, Hashable):
            raise ConfigError(f"record of {self.file}: an image id must be a number or text, not {short(self.img_id)}")
        for boxes, labels in ((self.boxes, self.labels), (self.ignored, self.ignored_labels)):
            if len(boxes) == len(labels) == 0:  # as `ignored` of most records
                continue
            wrong = None
            if len(boxes) != len(labels):
                wrong = f"{len(boxes)} boxes, but {len(labels)} labels"
            elif not np.isfinite(boxes).all() or (boxes[:, 2:] < boxes[:, :2]).any():
                wrong = f"boxes must be (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1, not {short(boxes.tolist())}"
            elif (labels < 1).any():
                wrong = f"labels must be numbers from 1, not {short(labels.tolist())}"
            if wrong:
                raise ConfigError(f"record of image id {self.img_id!r} ({self.file}): {wrong}")

    def segmentations(self):
        """A list of n COCO segmentations (None for an object without one), or None if the dataset was read without masks."""
        return None if self._segmentations is None else pickle.loads(self._segmentations)


def _fields(fields, count, img_id):
    for name in fields:
        if name not in FIELDS:
            raise ValueError(f"a record has no field {name!r}{nearest(name, FIELDS)}")
    found = {name: value for name, value in fields.items() if value is not None}
    if "track_ids" in found:
        found["track_ids"] = np.asarray(found["track_ids"], np.int32).reshape(-1)
        if len(found["track_ids"]) != count:
            raise ValueError(f"image id {img_id}: {len(found['track_ids'])} track_ids for {count} boxes")
    for name in ("negative_labels", "not_exhaustive_labels"):
        if name in found:
            found[name] = tuple(int(label) for label in found[name])
    return found


class DetectionDataset:
    """Base class of datasets. A subclass fills `self.records` (list of Record), CLASSES and cat_ids, and calls `_filter`.

    batch_size: images per step, all processes together. seed: for order and augmentation. features: None, or the
    jsra.data.feature_files.FeatureFiles that replace the images.
    """

    default_evaluator = "COCOBoxAP"  # for configs without the key `evaluator`

    def __init__(
        self,
        classes,
        transforms,
        batch_size,
        num_workers,
        shuffle,
        drop_last,
        aspect_ratio_grouping,
        seed,
        with_masks,
        repeat,
    ):
        for name, value, least in (
            ("batch_size", batch_size, 1), ("repeat", repeat, 1), ("num_workers", num_workers, 0), ("seed", seed, 0)
        ):  # fmt: skip
            if value < least:
                raise ConfigError(f"{type(self).__name__}: {name} must be at least {least}, not {value}")
        self.CLASSES = tuple(classes)
        self.transforms = transforms if isinstance(transforms, Compose) else Compose(transforms)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.aspect_ratio_grouping = aspect_ratio_grouping
        self.seed = seed
        self.with_masks = with_masks
        self.repeat = repeat
        self.records = []
        self.order = None  # indices of the records in an epoch, if some appear more than once
        self.notes = []  # lines for the log about what was left out or is doubtful
        self.features = None

    def _filter(self, filter_empty_gt, filter_min_size):
        """Check that image ids are unique; with filter_empty_gt, drop images without any object and images with a side
        below filter_min_size pixels."""
        self._check_classes()
        img_id, count = Counter(self.img_ids).most_common(1)[0] if self.records else (None, 0)
        if count > 1:
            files = ", ".join(sorted({r.file for r in self.records if r.img_id == img_id}))
            raise ConfigError(f"{type(self).__name__}: image id {img_id!r} is listed {count} times ({files}); list it once")
        if filter_empty_gt:
            empty = [r for r in self.records if not len(r.boxes) + len(r.ignored)]
            small = [r for r in self.records if min(r.width, r.height) < filter_min_size]
            out = {id(r) for r in (*empty, *small)}
            if out:
                self.notes.append(
                    f"{len(out)} of {len(self.records)} images are left out: {len(empty)} without an object, {len(small)} "
                    f"with a side below {filter_min_size} pixels (filter_empty_gt, filter_min_size)"
                )
            self.records = [r for r in self.records if id(r) not in out]
        if not self.records:
            why = "".join(f"\n  {note}" for note in self.notes) or ": its annotations list none"
            raise ConfigError(f"{self!r} has no image{' with an object' if filter_empty_gt else ''}{why}")

    def check_pictures(self):
        """Raise DataError if files of records are missing. Folders are listed, which is faster than looking for each file."""
        if not self.is_ours("get", "picture"):
            return  # a user's own data set may have pictures that are no files
        names, missing = {}, []
        for record in self.records:
            folder, name = os.path.split(record.file)
            if folder not in names:
                names[folder] = _listed(folder)
            if name not in names[folder] and not os.path.exists(record.file):
                missing.append(record)
        if missing:
            more = f" ({len(missing)} of {len(self.records)} are)" if len(missing) > 1 else ""
            first = f"image {missing[0].file} (image id {missing[0].img_id})"
            cure = f"correct the dataset's root or the annotations{separator(missing[0].file)}"
            raise DataError(f"{first} is missing{more}; {cure}")

    def is_ours(self, *names) -> bool:
        """Whether these methods are those of the library."""
        return all((getattr(getattr(self, name), "__module__", None) or "").startswith("jsra.") for name in names)

    def has_objects(self) -> bool:
        """Whether there is something to evaluate. A user's own data set may have objects that its records have not."""
        if not self.is_ours("get", "picture", "target", "ground_truth"):
            return True
        return any(len(record.boxes) + len(record.ignored) for record in self.records)

    def check_objects(self):
        """Raise DataError if no record has an object to learn: a training would end without an error, and find nothing."""
        if not self.is_ours("get", "picture", "target"):
            return  # a user's own data set may have objects that its records have not
        if self.records and not any(len(record.boxes) for record in self.records):
            ignored = sum(len(record.ignored) for record in self.records)
            regions = f"{ignored} are crowds (iscrowd 1) or difficult, regions that are not learned"
            why = regions if ignored else "there are none"
            raise DataError(f"{self!r} has no object to train on: {why}; correct the annotations or classes")

    def _check_classes(self):
        """Raise ConfigError if classes, category ids and labels do not agree."""
        who, ids, count = type(self).__name__, list(getattr(self, "cat_ids", ())), len(self.CLASSES)
        if len(set(self.CLASSES)) != count:
            twice = next(name for name, times in Counter(self.CLASSES).items() if times > 1)
            raise ConfigError(f"{who}: the class {twice!r} appears twice in CLASSES: give each class a name of its own")
        if len(set(ids)) != count or len(ids) != count:
            raise ConfigError(f"{who}: cat_ids must be {count} different ids, one for each of CLASSES, not {short(ids)}")
        for record in self.records:
            if not isinstance(record, Record):
                raise ConfigError(f"{who}: records must be jsra.data.dataset.Record, not {short(record)}")
            labels = np.concatenate([record.labels, record.ignored_labels])
            if labels.max(initial=0) > count:
                raise ConfigError(
                    f"{who}: image id {record.img_id!r} has the label {labels.max()}; there are {count} classes"
                )

    def __repr__(self):
        return f"{type(self).__name__}({len(self.records)} images, {len(self.CLASSES)} classes)"

    def __len__(self):
        return (len(self.records) if self.order is None else len(self.order)) * self.repeat

    def each_once(self):
        """Let an epoch have every record once, for everything but training: without repeat, oversampling and drop_last."""
        self.repeat, self.order, self.drop_last = 1, None, False

    def first_sample(self, place):
        """The first sample of record number `place` in an epoch."""
        return place if self.order is None else self.order.index(place)

    @property
    def img_ids(self):
        """The image ids of all records, in order."""
        return [r.img_id for r in self.records]

    def record(self, index):
        """The Record of sample `index` in an epoch; repeated images have several samples."""
        if self.order is not None:
            return self.records[self.order[index % len(self.order)]]
        return self.records[index % len(self.records)]

    def target(self, record):
        """A new target dictionary for a record, before any transform."""
        target = new_target((record.width, record.height), record.img_id, record.file, self.CLASSES)
        target["bboxes"], target["labels"] = record.boxes.copy(), record.labels.copy()
        target["bboxes_ignore"] = record.ignored.copy()
        if self.with_masks:
            segmentations = record.segmentations() or [None] * len(record.boxes)
            target["masks"] = InstanceMasks(segmentations, record.width, record.height)
        fields = record.fields or {}
        target.update({key: v.copy() if isinstance(v, np.ndarray) else v for key, v in fields.items()})
        return target

    def get(self, index, epoch=0):
        """(image, target) of sample `index` in `epoch`; with `features`, their maps instead of the image. Raises DataError if
        the file cannot be used."""
        if self.features is None:
            return self.picture(index, epoch)
        record = self.record(index)
        return self.features.sample(record, self.target(record), self._rng(index, epoch))

    def picture(self, index, epoch=0):
        """(image, target) of a sample, also if the loader delivers features."""
        record = self.record(index)
        image = read_image(record.file, (record.width, record.height), record.img_id)
        return self.transformed(image, record, index, epoch)

    def transformed(self, image, record, index, epoch):
        """(image, target) after the transforms, with the random numbers of this sample."""
        with seeded(self.seed, epoch, index):
            return self.transforms(image, self.target(record), self._rng(index, epoch))

    def _rng(self, index, epoch):
        return np.random.default_rng([self.seed, epoch, index])

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return self.get(index)

    def loader(self, rank=0, world_size=1, **options):
        """The DataLoader of this dataset (see jsra.data.loader) for one of `world_size` processes."""
        from jsra.data.loader import DataLoader

        return DataLoader(self, rank=rank, world_size=world_size, **options)

    def ground_truth(self) -> dict:
        """The annotations in COCO's format, for evaluation and export."""
        images, annotations = [], []
        for r in self.records:
            images.append({"id": r.img_id, "file_name": os.path.basename(r.file), "width": r.width, "height": r.height})
            segmentations = r.segmentations() or [None] * len(r.boxes)
            rows = [(b, c, 0, s) for b, c, s in zip(r.boxes, r.labels, segmentations)]
            rows += [(b, c, 1, None) for b, c in zip(r.ignored, r.ignored_labels)]
            for box, label, crowd, segmentation in rows:
                x0, y0, x1, y1 = (float(v) for v in box)
                annotation = {
                    "id": len(annotations) + 1, "image_id": r.img_id, "category_id": self.cat_ids[label - 1],
                    "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": crowd,
                }  # fmt: skip
                if segmentation is not None:
                    annotation["segmentation"] = segmentation
                annotations.append(annotation)
        categories = [{"id": i, "name": name} for i, name in zip(self.cat_ids, self.CLASSES)]
        return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def _listed(folder) -> set:
    """The names in a folder; none if it does not exist or cannot be listed."""
    try:
        return set(os.listdir(folder or "."))
    except OSError:
        return set()


def with_masks(settings: dict) -> dict:
    """The settings of a dataset, with its masks if its type has any."""
    cls = get(settings.get("type"), "dataset", "dataset")
    return {**settings, "with_masks": True} if "with_masks" in parameters(cls) else settings


def all_images(settings: dict, path: str = "dataset") -> dict:
    """The settings of a dataset with all of its images, in their order: for everything but training.

    Detections in images without objects are false, and an AP without these images is too high. Frames of a video must follow
    one another.
    """
    known = parameters(get(settings.get("type"), path, "dataset"))
    of_training = ("filter_empty_gt", "drop_last", "shuffle", "aspect_ratio_grouping")
    return {**settings, **{key: False for key in of_training if key in known}}


def label_map(wanted, known, where, cure=""):
    """{category name: 1-based label} in the order of `wanted`. Raises ConfigError for a name that is not in `known`, with
    `cure` at the end of its message."""
    for name in wanted:
        if name not in known:
            meant = look_alike(name, known) or nearest(name, known)
            raise ConfigError(f"{where}: there is no class {name!r}{meant}{cure}")
    if len(set(wanted)) != len(wanted):
        raise ConfigError(f"{where}: a class appears twice in {list(wanted)}")
    return {name: i + 1 for i, name in enumerate(wanted)}
