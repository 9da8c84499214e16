import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from jsra.cli import main
from jsra.data.coco import COCODataset
from jsra.data.vid import VIDDataset
from jsra.registry import ConfigError, build
from jsra.visualize.browse import browse, draw_truth
from jsra.visualize.training import draw_batches
from tests.data.small_vid import write_vid
from tests.data.tiny import ANNOTATIONS, NORMALIZE, SIZES, write_coco, write_coco_config


def test_boxes_masks_and_crowds_are_drawn(tmp_path):
    dataset = COCODataset(**write_coco(str(tmp_path)), use_anno_cats=True, filter_empty_gt=False, with_masks=True)
    image, target = np.zeros((40, 30, 3), np.uint8), dataset.target(dataset.record(1))
    picture = draw_truth(image, target)
    assert picture.shape == image.shape and not image.any()
    assert picture[30, 2].tolist() == [160, 160, 160]  # the left edge of the crowd's box
    assert picture[18, 15].any()  # inside the dog's mask
    assert not picture[39, 29].any()


def test_transformed_pictures_show_what_the_model_gets(tmp_path):
    steps = [dict(type="Resize", min_size=90, max_size=400), NORMALIZE, dict(type="Pad", size_divisor=32)]
    dataset = COCODataset(**write_coco(str(tmp_path)), use_anno_cats=True, transforms=build(steps), filter_min_size=0)
    paths = browse(dataset, str(tmp_path / "out"), count=2, seed=1, transformed=True, progress=False)
    assert len(paths) == 2
    for path in paths:
        with Image.open(path) as picture:
            assert picture.size[0] % 32 == 0 and picture.size[1] % 32 == 0 and min(picture.size) >= 90


def test_exports_of_boxes_alone_are_drawn(tmp_path):
    """They write `segmentation: []`: no mask, and no error."""
    boxes = [{**a, "segmentation": []} for a in ANNOTATIONS if not a.get("iscrowd")]
    dataset = COCODataset(**write_coco(str(tmp_path), boxes), use_anno_cats=True, filter_empty_gt=False, with_masks=True)
    assert not np.asarray(dataset.target(dataset.record(1))["masks"]).any()
    assert len(browse(dataset, str(tmp_path / "out"), count=2, progress=False)) == 2


def test_videos_are_strips_of_frames(tmp_path):
    """Six frames of the first video, the three of the second, and the still image; named after the videos."""
    root = write_vid(str(tmp_path))
    dataset = VIDDataset(root, ["VID/train_videos", "DET/foxes"], filter_empty_gt=False)
    paths = browse(dataset, str(tmp_path / "out"), progress=False)
    sizes = {}
    for path in paths:
        with Image.open(path) as picture:
            sizes[os.path.basename(path)] = picture.size
    assert sizes == {"fox.jpg": (40, 30), "a.jpg": (240, 30), "b.jpg": (120, 30)}


@pytest.mark.parametrize("transformed", [False, True])
def test_each_picture_has_the_name_of_its_file_if_training_repeats_images(tmp_path, transformed):
    dataset = COCODataset(**write_coco(str(tmp_path)), use_anno_cats=True, filter_empty_gt=False)
    dataset.order = [0, 0, 1, 2, 2, 2, 3, 4]
    paths = browse(dataset, str(tmp_path / "out"), transformed=transformed, progress=False)
    for path, (width, height) in zip(paths, SIZES.values()):
        with Image.open(path) as picture:
            assert picture.size == (width, height), path


def test_a_file_of_two_images_is_drawn_twice(tmp_path):
    place = write_coco(str(tmp_path))
    with open(place["anno_file"], encoding="utf8") as f:
        content = json.load(f)
    content["images"].append({**content["images"][0], "id": 9})
    with open(place["anno_file"], "w", encoding="utf8") as f:
        json.dump(content, f)
    dataset = COCODataset(**place, use_anno_cats=True, filter_empty_gt=False)
    paths = browse(dataset, str(tmp_path / "out"), progress=False)
    assert len(set(paths)) == len(os.listdir(tmp_path / "out")) == 6
    assert os.path.basename(paths[-1]).startswith("0001_2")


def test_pictures_from_before_are_counted(tmp_path, capsys):
    config = write_coco_config(str(tmp_path))
    out = str(tmp_path / "out")
    assert main(["data", "browse", config, "--out", out]) == 0
    assert "from before" not in capsys.readouterr().out
    assert main(["data", "browse", config, "--out", out, "--count", "1"]) == 0
    assert f"1 pictures in {out} (and {len(os.listdir(out)) - 1} other files, from before)" in capsys.readouterr().out


def test_videos_in_one_folder_are_all_drawn(tmp_path):
    root = write_vid(str(tmp_path / "vid"))
    dataset = VIDDataset(root, ["VID/train_videos"], filter_empty_gt=False)
    for record in dataset.records:
        record.file = shutil.copy(record.file, f"{root}/{record.fields['video_id']}_{os.path.basename(record.file)}")
    paths = browse(dataset, str(tmp_path / "out"), progress=False)
    assert [os.path.basename(path) for path in paths] == ["vid.jpg", "vid_2.jpg"] and all(map(os.path.exists, paths))


class Own(COCODataset):
    """Its pictures are no files, and its targets have no more than a detector needs."""

    def get(self, index, epoch=0):
        self.opened = True
        target = {"bboxes": np.float32([[2, 2, 40, 40]]), "labels": np.array([1]), "video_id": 1, "track_ids": np.array([5])}
        return np.full((3, 64, 64), 100.0 * index, np.float32), target


def own(tmp_path, **settings):
    settings = dict(transforms=build([NORMALIZE]), use_anno_cats=True, filter_min_size=0, **settings)
    dataset = Own(**write_coco(str(tmp_path)), **settings)
    for record in dataset.records:
        record.file = ""
    return dataset


def test_pictures_that_are_no_files_are_drawn_as_the_data_set_gives_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = browse(own(tmp_path), ".", progress=False)
    assert [os.path.basename(path) for path in paths] == ["1.jpg", "2.jpg", "3.jpg", "5.jpg"]
    with Image.open(paths[0]) as picture:
        assert picture.size == (64, 64)
    dataset = own(tmp_path)
    (tmp_path / "volume.h5").write_bytes(b"x")
    dataset.records[0].file = str(tmp_path / "volume.h5")
    assert os.path.basename(browse(dataset, "out", count=1, progress=False)[0]) == "volume.jpg"


@pytest.mark.parametrize(
    "more", [{}, dict(classes=None), dict(classes=np.array(["a", "b"])), dict(video_id=1, track_ids=None)]
)
def test_targets_of_a_users_data_set(more):
    """A label that there is no name for is refused by the model, with a message; it is no reason to end before."""
    target = dict(bboxes=[[1, 1, 20, 20]] * 2, labels=[2, 3], bboxes_ignore=[], masks=np.ones((2, 40, 30), bool), **more)
    assert draw_truth(np.zeros((40, 30, 3), np.uint8), target).any()


def test_batches_are_drawn_as_the_users_data_set_gives_them(tmp_path):
    dataset = own(tmp_path, batch_size=2)
    loader = dataset.loader(joint=True)
    paths = draw_batches(loader, str(tmp_path / "out"), 1)
    assert not hasattr(dataset, "opened")  # the workers of a training will open its file, each its own
    undo = dataset.transforms.transforms[-1].undo
    undone = [undo(np.full((3, 64, 64), 100.0 * i, np.float32)) for i in loader.batches(0)[0]]
    with Image.open(paths[0]) as picture:
        sheet = np.asarray(picture).astype(int)
    for place, expected in zip((sheet[50:64, :64], sheet[50:64, 64:]), undone):
        assert np.abs(place - expected[50:64]).max() < 40 and place.shape[1] == 64


@pytest.mark.parametrize("change", [
    dict(bboxes=None), dict(labels=None), dict(labels=[1]), dict(bboxes=[[np.nan, 1, 2, 3]] * 2), dict(bboxes=[1, 2]),
    dict(bboxes_ignore=[[1, 2, np.inf, 4]]), dict(bboxes=[["a"] * 4] * 2), dict(bboxes=[[1, 2, 3, 4], [5]]),
    dict(labels=["cat", "dog"]), dict(labels=[1, None]), dict(labels=[1, np.nan]), dict(labels=[[1], [2]]),
])  # fmt: skip
def test_boxes_that_cannot_be_drawn(tmp_path, change):
    """A training goes on: the model says what is wrong with them, or needs none. `jsra data browse` names them."""
    target = {**dict(bboxes=[[1, 1, 20, 20]] * 2, labels=[1, 2]), **change}
    assert not draw_truth(np.zeros((40, 30, 3), np.uint8), target).any()
    dataset = own(tmp_path)
    dataset.get = lambda index, epoch=0: (np.zeros((3, 64, 64), np.float32), target)
    assert len(draw_batches(dataset.loader(joint=True), str(tmp_path / "out"), 1)) == 1
    with pytest.raises(ConfigError, match=r"Own.get: image 1: the target must have bboxes \[n, 4\] and labels \[n\]"):
        browse(dataset, str(tmp_path / "drawn"), progress=False)


@pytest.mark.parametrize(
    "image, words",
    [
        (np.zeros((64, 48, 3), np.float32), r"float32 \[64, 48, 3\]"),
        (np.zeros((3, 64, 64), np.uint8), r"uint8 \[3, 64, 64\]"),
        (np.zeros((64, 64), np.uint8), r"uint8 \[64, 64\]"),
        (Image.new("RGB", (64, 64)), "<PIL.Image"),
    ],
)
def test_images_of_another_form_are_refused_before_they_are_drawn(tmp_path, image, words):
    dataset = own(tmp_path)
    dataset.get = lambda index, epoch=0: (image, dict(bboxes=[[1, 1, 20, 20]], labels=[1]))
    with pytest.raises(ConfigError, match=rf"must be float32 \[3, H, W\], not {words}.*: add Normalize"):
        draw_batches(dataset.loader(joint=True), str(tmp_path / "out"), 1)
    with pytest.raises(ConfigError, match=rf"must be float32 \[3, H, W\], not {words}.*: add Normalize"):
        browse(dataset, str(tmp_path / "drawn"), progress=False)
    dataset.get = lambda index, epoch=0: image
    with pytest.raises(ConfigError, match=r"Own.get\(0\): must return \(image, target\), not "):
        browse(dataset, str(tmp_path / "drawn"), progress=False)
