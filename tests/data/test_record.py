"""The fields of a record arrive in the target, through the transforms, without errors."""

import pickle

import numpy as np
import pytest
from PIL import Image

from jsra.data.dataset import FIELDS, DetectionDataset, Record
from jsra.registry import ConfigError, build
from jsra.visualize.browse import as_picture

TRIANGLE = [[4.0, 2.0, 24.0, 2.0, 4.0, 22.0]]
VIDEO = dict(
    track_ids=[7, 3], video_id=12, frame_index=5, negative_labels=[2], not_exhaustive_labels=np.array([1]),
)  # fmt: skip


class One(DetectionDataset):
    """One picture of 40 x 30 pixels with two objects."""

    cat_ids = [1, 2]

    def __init__(self, file, transforms, **fields):
        super().__init__(("a", "b"), build(transforms), 1, 0, False, False, False, 0, True, 1)
        boxes = [[4, 2, 24, 22], [30, 20, 40, 30]]
        self.records = [Record(9, file, 40, 30, boxes, [1, 2], segmentations=[TRIANGLE, None], **fields)]


@pytest.fixture
def file(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_fields_reach_the_target_through_flip_and_resize(file):
    steps = [
        dict(type="Resize", min_size=60, max_size=80), dict(type="RandomFlip", prob=1.0), dict(type="Pad", size_divisor=32),
    ]  # fmt: skip
    dataset = One(file, steps, **VIDEO)
    for _ in range(2):  # a sample does not change the record
        target = dataset.get(0)[1]
        assert target["track_ids"].tolist() == [7, 3] and target["track_ids"].dtype == np.int32
        assert (target["video_id"], target["frame_index"]) == (12, 5)
        assert (target["negative_labels"], target["not_exhaustive_labels"]) == ((2,), (1,))
        assert target["bboxes"].tolist() == [[32, 4, 72, 44], [0, 40, 20, 60]]
        assert target["masks"].segmentations == [[[72, 4, 32, 4, 72, 44]], None]  # a polygon still
        assert np.asarray(target["masks"]).shape == (2, 64, 96)


def test_a_transform_that_changes_a_target_does_not_change_the_record(file):
    def own(image, target, rng):
        for key in ("bboxes", "labels", "track_ids"):
            target[key][:] = 2
        target["masks"].segmentations[0][0][0] = 9.0
        return image, target

    dataset = One(file, [], **VIDEO)
    before = dataset.target(dataset.records[0])
    dataset.transforms.transforms = [own]
    dataset.get(0)
    after = dataset.target(dataset.records[0])
    for key in ("bboxes", "labels", "track_ids"):
        np.testing.assert_array_equal(before[key], after[key])
    assert after["masks"].segmentations == [TRIANGLE, None]


def test_what_belongs_to_an_object_goes_with_it(file):
    crop = dict(type="RandomCrop", crop_size=(10, 10))
    dataset = One(file, [crop], **VIDEO)
    seen = set()
    for epoch in range(30):
        target = dataset.get(0, epoch)[1]
        assert len(target["bboxes"]) == len(target["labels"]) == len(target["track_ids"]) == len(target["masks"]) > 0
        seen.add(tuple(zip(target["labels"].tolist(), target["track_ids"].tolist())))
    assert seen <= {((1, 7),), ((2, 3),), ((1, 7), (2, 3))} and len(seen) > 1


def test_a_record_without_fields_has_none(file):
    dataset = One(file, [])
    assert dataset.records[0].fields is None
    assert not set(FIELDS) & set(dataset.get(0)[1])
    assert not hasattr(dataset.records[0], "__dict__")
    again = pickle.loads(pickle.dumps(Record(1, "x", 4, 3, track_ids=[], video_id="v")))
    assert again.fields["video_id"] == "v" and len(again.fields["track_ids"]) == 0


def test_wrong_fields_are_refused():
    with pytest.raises(ValueError, match="no field 'track_id'; did you mean 'track_ids'"):
        Record(1, "x", 4, 3, track_id=[1])
    with pytest.raises(ValueError, match="image id 1: 2 track_ids for 1 boxes"):
        Record(1, "x", 4, 3, [[0, 0, 1, 1]], [1], track_ids=[1, 2])


@pytest.mark.parametrize(
    "boxes, labels, message",
    [
        ([[0, 0, 1, 1]], [1, 2], "1 boxes, but 2 labels"), ([[0, 0, 1, 1]], [0], "labels must be numbers from 1"),
        ([[5, 5, 1, 9]], [1], "x0 <= x1"), ([[0, 0, np.nan, 1]], [1], "x0 <= x1"),
    ],
)  # fmt: skip
def test_records_of_a_users_data_set(boxes, labels, message):
    with pytest.raises(ConfigError, match=f"image id 'a' .b.png.: .*{message}"):
        Record("a", "b.png", 9, 9, boxes, labels)


def test_an_image_id_that_is_a_list():
    with pytest.raises(ConfigError, match=r"record of b.png: an image id must be a number or text, not \[1\]"):
        Record([1], "b.png", 9, 9)


def test_a_class_that_a_users_data_set_has_twice(file):
    """Metrics by class, {name: AP}, would have one of the two."""
    dataset = One(file, [])
    dataset.CLASSES, dataset.cat_ids = ("cat", "cat"), [1, 2]
    with pytest.raises(ConfigError, match="One: the class 'cat' appears twice in CLASSES"):
        dataset._filter(True, 1)


def test_classes_of_a_users_data_set(file):
    for ids, labels, message in (([1], [1, 2], "cat_ids"), ([1, 1], [1, 2], "cat_ids"), ([1, 2], [1, 3], "the label 3")):
        dataset = One(file, [])
        dataset.cat_ids, dataset.records[0].labels = ids, np.array(labels)
        with pytest.raises(ConfigError, match=f"One: .*{message}"):
            dataset._filter(True, 1)


@pytest.mark.parametrize("sample", [None, (None, None), np.zeros((3, 4, 4))])
def test_samples_of_a_users_data_set(file, sample):
    dataset = One(file, [])
    dataset.get = lambda index, epoch=0: sample
    with pytest.raises(ConfigError, match=r"One.get\(0\): must return .image, target."):
        next(iter(dataset.loader()))


def test_pictures_of_a_users_normalisation(file):
    """Training draws its first batches, with whatever makes images of pictures."""

    def own(image, target, rng):
        return np.asarray(image).transpose(2, 0, 1) / 255.0 - 0.5, target

    for steps in ([own], [*build([dict(type="Normalize", mean=[0.0] * 3, std=[255.0] * 3)]), lambda *s: (s[0] * 1.0, s[1])]):
        dataset = One(file, [])
        dataset.transforms.transforms = steps
        pixels = np.zeros((30, 40, 3), np.uint8)
        pixels[0, 0] = 255
        image, _ = dataset.transforms(pixels, dataset.target(dataset.records[0]))
        np.testing.assert_array_equal(as_picture(dataset, np.asarray(image, np.float64)), pixels)
