import json
import os

import numpy as np
import pytest

from jsra.cli import main
from jsra.data.check import check
from jsra.data.image import DataError
from jsra.data.vid import VIDDataset
from jsra.data.vid_devkit import spread
from jsra.evaluation.vid_boxes import VIDBoxAP
from jsra.registry import ConfigError
from tests.conftest import shared
from tests.data.small_vid import vid_object, write_frame, write_set, write_vid

PLAIN = [dict(type="Normalize", mean=[0, 0, 0], std=[1, 1, 1])]


@pytest.fixture
def root(tmp_path):
    return write_vid(str(tmp_path))


def make(root, image_set="VID/train_videos", transforms=PLAIN, **settings):
    from jsra.registry import build

    given = {"image_set": image_set} if "anno_file" not in settings else {}
    settings = {
        "type": "VIDDataset",
        "root": root,
        "transforms": transforms,
        "filter_empty_gt": False,
        **given,
        **settings,
    }
    return build(settings, "dataset", "dataset")


def test_all_frames_in_order(root):
    dataset = make(root)
    assert len(dataset) == 23 and [len(files) for files in dataset.videos.values()] == [20, 3]
    image, target = dataset[5]
    assert image.shape == (3, 30, 40) and abs(image.mean() - 50) < 1
    assert target["bboxes"].tolist() == [[5, 5, 17, 17]] and target["classes"][target["labels"][0] - 1] == "dog"
    assert (target["track_ids"].tolist(), target["video_id"], target["frame_index"]) == ([3], 1, 5)
    assert dataset.record(15).boxes.shape == (0, 4)  # the track has ended
    assert dataset[22][1]["video_id"] == 2 and dataset[22][1]["frame_index"] == 2


def test_frames_to_train_on(root):
    """Those that the lines of the image set name; of a video named as a whole 15, in the middle of as many equal parts."""
    dataset = make(root, ["VID/frames", "DET/foxes"], key_frames=True)
    assert [record.fields.get("frame_index") for record in dataset.records] == [None, 4, 11, 1]
    assert "video_id" not in dataset[0][1] and dataset.videos_of_samples() == [None, 1, 1, 2]
    assert sorted(spread(20, 15)) == [0, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18, 19] and spread(2, 15) == {0, 1}
    assert len(make(root, key_frames=True)) == 15 + 3
    assert len(make(root, key_frames=True, filter_empty_gt=True)) == 9 + 3


def greys(target):
    """Which frames the references are, by their greys."""
    return [int(round(float(frame.mean()) / 10)) for frame in target["references"]]


def test_references_are_from_both_sides(root):
    dataset = make(root, references=dict(num=2, frame_range=4))
    seen = set()
    for epoch in range(40):
        before, after = greys(dataset.get(10, epoch)[1])
        assert 6 <= before <= 9 and 11 <= after <= 14
        seen |= {before, after}
        assert greys(dataset.get(10, epoch)[1]) == [before, after]  # the same for the same epoch
        first, second = greys(dataset.get(0, epoch)[1])  # nothing is before the first frame
        assert 1 <= first < second <= 4
    assert seen == {6, 7, 8, 9, 11, 12, 13, 14}
    assert dataset[5][1]["references"].shape == (2, 3, 30, 40)


def test_a_still_image_and_a_clip_of_one_frame_are_their_own_references(root):
    write_set(root, "VID/one", ["train/d"])
    write_frame(root, "VID/train/d/000000", [vid_object("n02084071", (1, 2, 20, 21))], value=70)
    dataset = make(root, ["DET/foxes", "VID/one"], references=dict(num=2, frame_range=9))
    for index in (0, 1):
        image, target = dataset[index]
        assert target["references"].shape[0] == 2 and (target["references"] == image).all()


def test_references_are_transformed_as_their_key_frame(root):
    """Flips and crops, drawn once for a sample, whatever is in the other frames."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    from PIL import Image

    for i in range(20):
        Image.fromarray(noise).save(os.path.join(root, f"Data/VID/train/a/{i:06d}.JPEG"))
    transforms = [
        dict(type="RandomFlip"), dict(type="RandomCrop", crop_size=[20, 25], crop_type="absolute"), *PLAIN,
    ]  # fmt: skip
    dataset, shifts = make(root, references=dict(num=4, frame_range=9), transforms=transforms), set()
    for epoch in range(8):
        image, target = dataset.get(11, epoch)
        assert all((frame == image).all() for frame in target["references"])
        shifts.add(image.sum())
    assert len(shifts) > 4


@pytest.mark.parametrize("settings", [dict(num=3), dict(num=0), dict(frame_range=0), dict(method="left")])
def test_wrong_references(root, settings):
    with pytest.raises(ConfigError, match="references: num and frame_range are at least 1|references.num: expected a whole"):
        make(root, references=settings)


def test_wrong_arguments(root):
    with pytest.raises(ConfigError, match="give either image_set or anno_file"):
        VIDDataset(root)
    with pytest.raises(ConfigError, match="must begin with VID/ or DET/"):
        make(root, "train_videos")
    with pytest.raises(FileNotFoundError, match="the image set does not exist.*ImageSets/VID/none.txt"):
        make(root, "VID/none")
    for line in ("train/a 1 x 20", "train/a b", "a b c d e", "\xff\xfe 1 2"):
        write_set(root, "VID/wrong", ["train/a", line])
        with pytest.raises(DataError, match="wrong.txt, line 2: .* is no line of an image set"):
            make(root, "VID/wrong")


def test_one_file_gives_the_same(root, tmp_path):
    path = str(tmp_path / "out" / "all.json")
    assert main(["data", "vid", root, path, "--sets", "VID/train_videos", "DET/foxes"]) == 0
    listed = os.path.join(root, "ImageSets", "VID", "train_videos.txt")
    before = open(listed).read()
    assert main(["data", "vid", root, listed, "--sets", "VID/train_videos"]) == 2 and open(listed).read() == before
    ours = make(root, ["VID/train_videos", "DET/foxes"])
    read = make(root, anno_file=path)
    assert len(ours) == len(read) == 24
    for a, b in zip(ours.records, read.records):
        assert (a.file, a.img_id, a.boxes.tolist()) == (b.file, b.img_id, b.boxes.tolist())
        assert a.fields["track_ids"].tolist() == b.fields["track_ids"].tolist()
    assert len(make(root, anno_file=path, key_frames=True)) == 15 + 3 + 1


def test_a_file_of_mmtracking(root, tmp_path):
    """Its still images have no video_id; ids of images and videos begin anywhere."""
    content = {
        "videos": [{"id": 7, "name": "train/a"}],
        "images": [
            {"id": 31, "file_name": "VID/train/a/000001.JPEG", "width": 40, "height": 30, "video_id": 7, "frame_id": 1,
             "is_vid_train_frame": False},
            {"id": 30, "file_name": "VID/train/a/000000.JPEG", "width": 40, "height": 30, "video_id": 7, "frame_id": 0,
             "is_vid_train_frame": True},
            {"id": 32, "file_name": "DET/train/c/fox.JPEG", "width": 40, "height": 30, "is_vid_train_frame": True},
        ],
        "annotations": [
            {"id": 1, "image_id": 30, "category_id": 12, "bbox": [1, 2, 10, 12], "area": 120},
            {"id": 2, "image_id": 30, "category_id": 12, "bbox": [5, 2, 50, 12], "area": 600},
            {"id": 3, "image_id": 30, "category_id": 12, "bbox": [1, 2, 30, 12], "area": 360, "iscrowd": 1},
        ],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(make(root).CLASSES)],
    }  # fmt: skip
    path = str(tmp_path / "file.json")
    with open(path, "w") as f:
        json.dump(content, f)
    dataset = make(root, anno_file=path, key_frames=True, references=dict(num=2, frame_range=9))
    assert dataset.img_ids == [32, 30]
    target = dataset[1][1]
    assert greys(target) == [0, 1]  # one other frame: the key frame stands in for the second
    assert target["bboxes"].tolist() == [[1, 2, 11, 14], [5, 2, 40, 14]]  # cut at the border
    assert target["bboxes_ignore"].tolist() == [[1, 2, 31, 14]] and target["track_ids"].tolist() == [-1, -1]
    for kind, key, value in (
        ("images", "video_id", "a"), ("images", "video_id", None), ("images", "frame_id", 0.5),
        ("annotations", "instance_id", None), ("annotations", "instance_id", "x"), ("annotations", "instance_id", 2**40),
    ):  # fmt: skip
        changed = {**content, kind: [{**content[kind][0], key: value}, *content[kind][1:]]}
        with open(path, "w") as f:
            json.dump(changed, f)
        with pytest.raises(DataError, match=f"{key} is {value!r}; write"):
            make(root, anno_file=path)
        found = check(dict(type="VIDDataset", root=str(root), anno_file=str(path)), progress=False)
        assert [p.what for p in found if key in p.what] == [f"{key} is {value!r}"]


def test_numbers_that_do_not_order_the_frames(tmp_path):
    """They would make the order of the frames, and the motion of objects, a matter of chance."""
    frame = dict(width=40.0, height=30, video_id=1)
    images = [dict(frame, id=i, file_name=f"{i}.jpg", frame_id=i) for i in range(3)]
    objects = [dict(id=i, image_id=i, category_id=1, bbox=[1, 2, 10, 12], instance_id=4) for i in range(3)]
    path = tmp_path / "file.json"

    def read(images=images, annotations=objects):
        categories = [{"id": 1, "name": "cat"}]
        path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        return make(str(tmp_path), anno_file=str(path), classes=["cat"])

    assert read().notes == [] and [type(r.width) for r in read().records] == [int] * 3
    for wrong, words in ((1, "image id 2: frame_id 1 appears twice in video 1"), (-1, "image id 2: has no frame_id")):
        with pytest.raises(DataError, match=words):
            read([*images[:2], {**images[2], "frame_id": wrong}])
    with pytest.raises(DataError, match=r"image id 1 \(.*\): 2 objects have the track id 4"):
        read(annotations=[*objects[:2], {**objects[2], "image_id": 1}])
    assert read([*images[:2], {**images[2], "frame_id": 20}]).notes[0].startswith("the frame numbers of 1 videos have gaps")
    found = check(dict(type="VIDDataset", root=str(tmp_path), anno_file=str(path)), progress=False)
    assert any("gap" in p.what for p in found)


def test_videos_stay_whole(root):
    dataset = make(root, batch_size=8)
    loaders = [dataset.loader(rank, 2) for rank in range(2)]
    assert [len(batch) for batch in loaders[0].batches(0)] == [8, 8, 4]
    assert loaders[1].batches(0) == [[20, 21, 22]]
    alone = dataset.loader().batches(0)
    assert alone == loaders[0].batches(0) + loaders[1].batches(0)
    three = [dataset.loader(rank, 3) for rank in range(3)]
    assert sum((loader.batches(0) for loader in three), []) == alone


def test_boxes_that_are_none_are_counted_for_the_log(root):
    boxes = (1, 1, 1, 9), (100, 1, 120, 9), (2, 2, 50, 9)
    write_frame(root, "VID/train/b/000001", [vid_object("n02118333", box, i) for i, box in enumerate(boxes)])
    assert make(root, "VID/train_videos").notes[:2] == [
        "2 of 17 objects are marked ignore, thinner than a pixel, without area or outside the image: left out",
        "1 of 17 boxes exceed their image by more than a pixel: `jsra data check` lists them; a bbox is "
        "[x, y, width, height]",
    ]


def test_what_is_left_out_is_in_the_log(root, tmp_path):
    os.remove(os.path.join(root, "Data/VID/train/a/000004.JPEG"))
    write_frame(root, "VID/train/b/000001", [vid_object("n99999999", (1, 1, 9, 9))])
    notes = make(root, "VID/train_videos").notes
    assert any("there is no frame between 000003.JPEG and 000005.JPEG" in line for line in notes), notes
    assert any(line.startswith("class 'n99999999': 1 objects have this class, which is not in") for line in notes), notes
    for number in range(9):
        write_frame(root, "VID/train/b/000001", [vid_object(f"n9{i}", (1, 1, 9, 9)) for i in range(number)])
    notes = make(root, "VID/train_videos").notes
    assert sum(line.startswith(("class", "video")) for line in notes) == 6
    assert any("3 more warnings" in line for line in notes)
    image = dict(id=1, file_name="VID/train/a/000000.JPEG", width=40, height=30, video_id=1, frame_id=0)
    annotations = [dict(id=i, image_id=1, category_id=i, bbox=[1, 1, 9, 9]) for i in (1, 2)]
    content = dict(images=[image], annotations=annotations, categories=[dict(id=i, name=f"c{i}") for i in (1, 2)])
    (tmp_path / "v.json").write_text(json.dumps(content))
    dataset = VIDDataset(root, anno_file=str(tmp_path / "v.json"), classes=("c1",))
    assert dataset.notes == ["1 of 2 objects are of other classes: left out"] and len(dataset.records[0].boxes) == 1


def test_what_is_missing_is_named(root):
    os.remove(os.path.join(root, "Data/VID/train/a/000004.JPEG"))
    with pytest.raises(DataError, match="video train/a: frame 4 is missing; the video has 19 frames"):
        make(root, "VID/frames", key_frames=True)
    assert len(make(root)) == len(make(root, "VID/train_videos.txt")) == 22
    os.remove(os.path.join(root, "Annotations/VID/train/a/000006.xml"))
    with pytest.raises(DataError, match="frame train/a/000006.JPEG: annotation .*000006.xml is missing"):
        make(root)
    write_set(root, "VID/gone", ["train/gone", "train/a/000099"])
    with pytest.raises(DataError, match="(?s)2 errors.*train/gone of the image set: is neither a folder nor a picture in"):
        make(root, "VID/gone")


def test_annotations_of_frames_that_are_missing_at_the_ends_of_a_video(root):
    """Between other frames, the gap is said."""
    for name in ("a/000000", "a/000018", "a/000019", "b/000001"):
        os.remove(os.path.join(root, "Data/VID/train", f"{name}.JPEG"))
    os.makedirs(os.path.join(root, "Annotations/VID/train/a/000500.xml.d"))
    for lines in (make(root, "VID/train_videos").notes, [text for _, text in problems_of(root)]):
        found = [line for line in lines if "without a picture" in line]
        assert len(found) == 1 and "train/a: 3 annotations without a picture, such as 000000.xml" in found[0], lines


def test_a_reference_that_cannot_be_read(root):
    dataset = make(root, references=dict(num=2, frame_range=1))
    with open(os.path.join(root, "Data/VID/train/a/000009.JPEG"), "wb") as f:
        f.write(b"\xff\xd8")
    with pytest.raises(DataError, match="000009.JPEG .image id near 9. cannot be read"):
        dataset.get(8)


def problems_of(root, image_set="VID/train_videos", **settings):
    found = check({"type": "VIDDataset", "root": root, "image_set": image_set, **settings}, progress=False)
    return [(p.level, f"{p.where}: {p.what}") for p in found]


def test_check(root):
    assert problems_of(root) == []
    write_frame(root, "VID/train/a/000002", [vid_object("n02084071", (50, 5, 60, 17), 1)])
    write_frame(
        root, "VID/train/a/000003", [vid_object("n02118333", (1, 1, 9, 9), 1), vid_object("n02118333", (1, 1, 9, 9), 1)]
    )
    write_frame(root, "VID/train/a/000004", [vid_object("cat", (1, 1, 9, 9))])
    write_frame(root, "VID/train/a/000005", [], size=(20, 20))
    os.remove(os.path.join(root, "Data/VID/train/a/000006.JPEG"))
    with open(os.path.join(root, "Data/VID/train/a/000007.JPEG"), "wb") as f:
        f.write(b"\xff\xd8")
    write_frame(root, "VID/train/d/000000", [])
    write_set(root, "VID/all", ["a", "d", "nothing"])
    found = problems_of(root, "VID/all")
    for level, words in (
        ("error", "frame VID/train/a/000002.JPEG, track 1: the box (50, 5, 60, 17) is outside"),
        ("error", "frame VID/train/a/000003.JPEG: two objects have the track id 1"),
        ("warning", "class 'cat': 1 objects have this class"),
        ("warning", "video VID/train/a: its frames have several sizes: [(20, 20), (40, 30)]"),
        ("warning", "there is no frame between 000005.JPEG and 000007.JPEG"),
        ("error", "000007.JPEG cannot be read"),
        ("warning", "video VID/train/d: has only one frame"),
        ("warning", "video VID/train/d: has no annotations"),
        ("error", "nothing of the image set: is neither a folder"),
    ):
        assert any(level == at and words in text for at, text in found), (words, found)
    found = problems_of(root, "VID/all", references=dict(num=2))
    assert ("error", "video VID/train/a: its frames have several sizes: [(20, 20), (40, 30)]") in found


def test_real_clips():
    """36 clips to train, of 15 frames each, and the AP of the ground truth itself."""
    root = shared("data", "foda_vid")
    with open(os.path.join(root, "classes.txt")) as f:
        classes = f.read().split()
    dataset = make(root, classes=classes, key_frames=True, references=dict(num=2), filter_empty_gt=True)
    assert len(dataset) == 36 * 15 and dataset[0][1]["references"].shape == (2, 3, 300, 300)
    val = make(root, "VID/val_videos", classes=classes)
    results = {r.img_id: {"boxes": r.boxes, "scores": np.ones(len(r.boxes)), "labels": r.labels} for r in val.records}
    evaluator = VIDBoxAP(backend="pycocotools")
    metrics = evaluator.evaluate(val, results, evaluator.submission(val, results))
    assert len(val) == 384 and metrics["bbox_mAP"] > 0.999
    assert evaluator.columns["vid_AP50"] == "bbox_mAP_50"


def test_two_objects_of_one_track_in_a_frame_of_a_folder_are_noted(root, tmp_path, capsys):
    """A huge data set is not refused for them; but `jsra data vid` would write a file that cannot be read."""
    write_frame(root, "VID/train/a/000004", [vid_object("cat", (1, 1, 9, 9))])
    assert main(["data", "vid", root, str(tmp_path / "b.json"), "--sets", "VID/train_videos"]) == 0
    assert "note: class 'cat': 1 objects have this class, which is not in" in capsys.readouterr().out
    foxes = [vid_object("n02118333", (x, 3, 30, 20)) for x in (2, 5)]
    write_frame(root, "VID/train/b/000001", foxes)
    said = [note for note in make(root).notes if "2 objects have the track id 0" in note]
    assert len(said) == 1 and "VID/train/b/000001.JPEG" in said[0]
    assert main(["data", "vid", root, str(tmp_path / "a.json"), "--sets", "VID/train_videos"]) == 2
    assert "2 objects have the track id 0" in capsys.readouterr().err and not (tmp_path / "a.json").exists()


def test_copies_in_a_frame_are_named(root):
    fox = vid_object("n02118333", (2, 3, 30, 20), 0), vid_object("n02118333", (2, 3, 30, 20), 1)
    write_frame(root, "VID/train/b/000001", fox)
    found = [p.what for p in check({"type": "VIDDataset", "root": root, "image_set": "VID/train_videos"}, progress=False)]
    assert any("appears 2 times" in what for what in found)


def test_frames_of_several_sizes_need_no_epoch_to_be_found(root):
    write_frame(root, "VID/train/b/000001", [], size=(30, 30))
    make(root)
    with pytest.raises(DataError, match="video 2: its frames have several sizes: .*40, 30.*30, 30.*leave out references"):
        make(root, references=dict(num=2, frame_range=2))


def test_frames_are_evaluated_all_and_in_order(root):
    """Also if dataset.val was copied from dataset.train: a detector of several frames takes neighbours from their order."""
    from jsra.data.dataset import all_images
    from jsra.registry import build

    entry = dict(type="VIDDataset", root=str(root), image_set="VID/train_videos")
    copied = {**entry, "shuffle": True, "aspect_ratio_grouping": True, "drop_last": True, "batch_size": 3}
    expected = build(all_images(entry, "dataset.val"), "dataset.val", "dataset")
    dataset = build(all_images(copied, "dataset.val"), "dataset.val", "dataset")
    assert dataset.img_ids == expected.img_ids and len(dataset) == 23
    assert [i for batch in dataset.loader(0, 1).batches(0) for i in batch] == list(range(23))
    assert not dataset.notes
    (note,) = build(all_images({**entry, "key_frames": True}, "dataset.val"), "dataset.val", "dataset").notes
    assert note == "key_frames: 18 frames for training are used, not all frames of the videos"


def test_image_sets_in_utf_16(root):
    with open(os.path.join(root, "ImageSets", "VID", "train_videos.txt"), "w", encoding="utf-16") as f:
        f.write("a\r\ntrain/b\r\n")
    assert len(make(root)) == 23
