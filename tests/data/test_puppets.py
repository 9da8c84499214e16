import hashlib
import json
import os

import numpy as np
import pytest

from jsra.cli import main
from jsra.config import load_config
from jsra.data.check import check
from jsra.data.coco import COCODataset
from jsra.data.masks import to_bitmap
from jsra.data.puppets.figures import FIGURES, parts_of, posed, random_pose
from jsra.data.puppets.generate import generate
from jsra.data.puppets.scene import CLASSES, FIXED, SPLITS, make_scene, project
from jsra.data.puppets.video import generate_clips
from jsra.registry import ConfigError, build

SIZE = 96


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return generate(str(tmp_path_factory.mktemp("puppets")), train=8, test=6, size=SIZE, workers=2, progress=False)


def dataset(folder, split, **arguments):
    anno_file = os.path.join(folder, "annotations", f"{split}.json")
    arguments = {"use_anno_cats": True, "filter_empty_gt": False, **arguments}
    return COCODataset(os.path.join(folder, split), anno_file, **arguments)


def annotations(folder, split):
    with open(os.path.join(folder, "annotations", f"{split}.json")) as f:
        return json.load(f)["annotations"]


def test_every_split_is_sound(folder):
    for split in SPLITS:
        data = dataset(folder, split, with_masks=True)
        assert len(data) == (8 if split.startswith("train") else 6)
        assert data.CLASSES == CLASSES and len(CLASSES) == 6
        # The annotations stand up to the checker. (A picture may happen to show no figure.)
        problems = check({"type": "COCODataset", "root": data.root, "anno_file": data.anno_file}, progress=False)
        assert [p for p in problems if "no annotations" not in p.what] == []
        image, target = data[0]
        assert image.shape == (SIZE, SIZE, 3) and np.asarray(target["masks"]).shape[1:] == (SIZE, SIZE)
        for box, mask in zip(target["bboxes"], np.asarray(target["masks"])):
            y, x = np.nonzero(mask)
            assert [x.min(), y.min(), x.max() + 1, y.max() + 1] == box.tolist()


def test_same_seed_same_bytes_whatever_the_workers(folder, tmp_path):
    def digest(root):
        out = {}
        for split in ("train", "test_pose"):
            for name in sorted(os.listdir(os.path.join(root, split))):
                with open(os.path.join(root, split, name), "rb") as f:
                    out[split, name] = hashlib.sha256(f.read()).hexdigest()
            out[split] = annotations(root, split)
        return out

    again = generate(str(tmp_path / "a"), 8, 6, SIZE, workers=1, splits=("train", "test_pose"), progress=False)
    assert digest(again) == digest(folder)
    other = generate(str(tmp_path / "b"), 8, 6, SIZE, 1, workers=1, splits=("train", "test_pose"), progress=False)
    assert not set(map(str, digest(other).values())) & set(map(str, digest(folder).values()))


def test_a_complete_folder_is_left_alone(tmp_path):
    arguments = dict(train=1, test=1, size=64, splits=("train",), workers=1, progress=False)
    root = generate(str(tmp_path), **arguments)
    image = tmp_path / "train" / "000001.jpg"
    image.write_bytes(b"mine")
    generate(root, **arguments)
    assert image.read_bytes() == b"mine"
    generate(root, **arguments, force=True)
    assert image.read_bytes() != b"mine"
    (tmp_path / "puppets.json").write_text("{")  # a run that was cut off
    image.write_bytes(b"mine")
    generate(root, **arguments)
    assert image.read_bytes() != b"mine"


def test_parts_tell_the_classes_apart():
    names = {name: tuple(p.name for p in parts_of(name)) for name in FIGURES}
    assert len(set(names.values())) == len(FIGURES)
    for name in FIGURES:
        at_rest = posed(name, {})
        points = np.concatenate([outline for outline, _, _ in at_rest.values()])
        assert (points.max(0) - points.min(0)).max() == pytest.approx(1)
        assert points.max(0) + points.min(0) == pytest.approx([0, 0], abs=1e-12)
        roots = [p.name for p in parts_of(name) if p.parent is None]
        assert len(roots) == 1 and len(at_rest) >= 8 and len(at_rest) <= 63
        # Not its own mirror image, so that a reflection is a change.
        mirrored = points * [-1, 1]
        far = [np.hypot(*(points - p).T).min() for p in mirrored]
        assert max(far) > 0.05


def test_a_joint_turns_what_hangs_on_it_and_nothing_else(rng):
    rest = posed("biped", {})
    bent = posed("biped", {"near_arm_upper": 40.0})
    moved = {n for n in rest if not np.allclose(rest[n][0], bent[n][0])}
    assert moved == {"near_arm_upper", "near_arm_lower", "near_arm_end"}
    # Parts are rigid: distances within a part stay.
    pose = random_pose("crab", rng)
    for name, (outline, _, _) in posed("crab", pose).items():
        a, b = outline - outline[0], posed("crab", {})[name][0] - posed("crab", {})[name][0][0]
        assert np.hypot(*a.T) == pytest.approx(np.hypot(*b.T))


def test_poses_stay_within_the_joints(rng):
    for name in FIGURES:
        pose = random_pose(name, rng)
        assert all(p.swing[0] <= pose[p.name] <= p.swing[1] for p in parts_of(name))


def test_the_fixed_world_is_fixed_and_its_tests_change_one_thing():
    for index in range(4):
        scenes = {split: make_scene(split, index, 0, SIZE) for split in FIXED}
        for figure in scenes["train_fixed"].figures + scenes["test_fixed"].figures:
            change = figure.change
            assert change["angle"] == 0 and not change["mirrored"] and not change["pose"] and change["tilt"] == [0, 0]
            assert 0.29 * SIZE <= change["scale"] <= 0.36 * SIZE
        plain = scenes["test_fixed"]
        for split, key in (("test_rotation", "angle"), ("test_reflection", "mirrored"), ("test_perspective", "tilt"),
                           ("test_pose", "pose"), ("test_scale", "scale")):  # fmt: skip
            changed = scenes[split]
            assert changed.seed == plain.seed and len(changed.figures) == len(plain.figures)
            for before, after in zip(plain.figures, changed.figures):
                assert (before.name, before.style) == (after.name, after.style)
                different = {k for k in before.change if before.change[k] != after.change[k]}
                assert different == {key}


def test_matrix_maps_the_figure_to_the_image():
    figure = make_scene("test_rotation", 0, 0, SIZE).figures[0]
    angle = np.deg2rad(figure.change["angle"])
    centre = project(figure.matrix, np.zeros((1, 2)))[0]
    right = project(figure.matrix, np.array([[1.0, 0.0]]))[0] - centre
    assert right == pytest.approx(figure.change["scale"] * np.array([np.cos(angle), np.sin(angle)]))
    mirrored = make_scene("test_reflection", 0, 0, SIZE).figures[0]
    left = project(mirrored.matrix, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert left[0, 0] < left[1, 0] and left[0, 1] == pytest.approx(left[1, 1])
    # Perspective: what is nearer is larger, so that the middle of two points is not the middle of their images.
    tilted = make_scene("test_perspective", 0, 0, SIZE).figures[0]
    ends = project(tilted.matrix, np.array([[-0.5, -0.5], [0.5, 0.5]]))
    assert np.hypot(*(ends.mean(0) - project(tilted.matrix, np.zeros((1, 2)))[0])) > 0.3


def test_parts_and_joints_lie_where_the_figure_is(folder):
    for a in annotations(folder, "test_fixed"):
        mask = to_bitmap(a["segmentation"], SIZE, SIZE)
        assert a["area"] == mask.sum() and len(a["parts"]) == len(parts_of(CLASSES[a["category_id"] - 1]))
        x, y, w, h = a["bbox"]
        for part in a["parts"]:
            assert 0 <= part["visible"] <= 1
            if a["visible"] > 0.95:
                cx, cy = part["center"]
                assert x - 2 <= cx <= x + w + 2 and y - 2 <= cy <= y + h + 2
        keypoints = np.array(a["keypoints"]).reshape(-1, 3)
        for px, py, v in keypoints:
            assert v in (0, 1, 2)
            if v == 2:
                assert mask[int(py), int(px)]


def test_hidden_figures_are_crowds(folder):
    rows = [a for split in SPLITS for a in annotations(folder, split)]
    assert all(a["iscrowd"] == (a["visible"] < 0.25 or a["area"] < 16) for a in rows)
    assert sum(not a["iscrowd"] for a in rows) > 0.9 * len(rows)


def test_configs(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("JSRA_DATA", str(tmp_path))
    os.symlink(folder, tmp_path / "puppets")
    base = os.path.join(os.path.dirname(__file__), "..", "..", "jdet_configs", "_base_")
    own = {split: split for split in SPLITS if split.startswith("test_")}
    expected = {
        "puppets": {"train": "train", "val": "val", "test": "val", **own},
        "puppets_fixed": {"train": "train_fixed", "val": "test_fixed", "test": "test_fixed", **own},
    }
    for name, folders in expected.items():
        config = load_config(os.path.join(base, f"{name}.py"), ["dataset.train.batch_size=2"])
        assert {split: os.path.basename(d.root) for split, d in config.dataset.items()} == folders
        for split in config.dataset:
            data = build(config.dataset[split])
            images, _ = next(data.loader(num_workers=0).epoch(0))
            assert images.shape == (2 if split == "train" else 1, 3, 224, 224)


def test_command(tmp_path, monkeypatch):
    arguments = ["--train", "2", "--test", "1", "--size", "64", "--splits", "train", "val", "--workers", "1"]
    assert main(["data", "puppets", str(tmp_path), *arguments]) == 0
    assert sorted(os.listdir(tmp_path)) == ["annotations", "puppets.json", "train", "val"]
    monkeypatch.setenv("JSRA_DATA", str(tmp_path / "sets"))  # data/puppets is where the configs look for it
    assert main(["data", "puppets", "data/puppets", *arguments]) == 0 and (tmp_path / "sets" / "puppets" / "train").exists()
    with pytest.raises(ValueError, match="unknown split 'vall'"):
        generate(str(tmp_path), splits=("vall",))
    with pytest.raises(ValueError, match="at least 1 image"):
        generate(str(tmp_path), train=0)


def test_clips(tmp_path):
    """Clips in ImageNet VID's layout: the same for the same seed, with tracks, boxes around what moves, and a stamp."""
    from jsra.data.check import check
    from jsra.data.vid import VIDDataset
    from jsra.evaluation.motion_ap import motion_iou

    folder = str(tmp_path / "clips")
    sizes = dict(train=3, test=2, frames=6, size=96, workers=1, progress=False)
    assert generate_clips(folder, **sizes) == folder
    settings = {"type": "VIDDataset", "root": folder, "image_set": "VID/train_videos", "classes": list(CLASSES)}
    assert not [p for p in check(settings, progress=False) if p.level == "error"]
    dataset = VIDDataset(folder, "VID/train_videos", classes=CLASSES, filter_empty_gt=False)
    assert len(dataset) == 18 and [len(files) for files in dataset.videos.values()] == [6, 6, 6]
    motion = np.concatenate(motion_iou(dataset.records))
    assert len(motion) > 12 and np.nanmin(motion) < 0.7 < np.nanmax(motion)
    first, second = dataset[0][0].astype(int), dataset[1][0].astype(int)
    assert 0 < np.abs(first - second).mean() < 30  # the background stays
    drawn = os.path.getmtime(dataset.records[0].file)
    generate_clips(folder, **sizes)
    assert os.path.getmtime(dataset.records[0].file) == drawn
    again = generate_clips(str(tmp_path / "again"), **{**sizes, "train": 1, "test": 1})
    same = VIDDataset(again, "VID/train_videos", classes=CLASSES, filter_empty_gt=False)
    assert (same[2][0] == dataset[2][0]).all() and same.records[2].boxes.tolist() == dataset.records[2].boxes.tolist()
    generate_clips(folder, **{**sizes, "train": 1, "test": 1, "frames": 2, "size": 64})  # nothing of the longer clip is left
    short = VIDDataset(folder, "VID/train_videos", classes=CLASSES, filter_empty_gt=False)
    assert [record.width for record in short.records] == [64, 64]
    with pytest.raises(ValueError, match="need 1 clip"):
        generate_clips(folder, train=0)


@pytest.mark.parametrize("make, own", [(generate, "annotations/train.json"), (generate_clips, "Data/VID/train/a/0.JPEG")])
def test_somebody_elses_folder_is_not_overwritten(tmp_path, make, own):
    file = tmp_path / own
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    small = dict(train=1, test=1, size=64, workers=1, progress=False)
    with pytest.raises(ConfigError, match="is not a folder of puppets, and its files would be overwritten"):
        make(str(tmp_path), **small)
    assert file.read_text() == "mine" and sum(len(names) for _, _, names in os.walk(tmp_path)) == 1
