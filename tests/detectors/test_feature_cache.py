"""Cached features of a frozen backbone: the maps, the targets and a step are those without the cache."""

import os

import jittor as jt
import numpy as np
import pytest

from jsra import resources
from jsra.config import load_config
from jsra.data.feature_files import FeatureFiles
from jsra.data.image import DataError
from jsra.detectors.detector import Detector, model_input
from jsra.detectors.feature_cache import use_features
from jsra.evaluation.evaluator import Evaluator, detect
from jsra.registry import ConfigError, build
from jsra.runtime.seed import set_seed
from tests.data.tiny import NORMALIZE, write_coco

SIDE = 64
RESIZE = dict(type="Resize", min_size=SIDE, max_size=SIDE)
PAD = dict(type="Pad", size_divisor=SIDE)
FLIP = dict(type="RandomFlip", prob=0.5)
# The model of the preset 'real', with the weights that are drawn.
MODEL = load_config(os.path.join(resources.folder("jdet_configs"), "real", "coco_lite0_fpn_roi_align.py")).model


class Plain(Detector):
    """A detector that is its backbone."""

    def execute(self, images, targets=None):
        return self.features(images)


class Rounded(jt.nn.Module):
    """A backbone whose maps are rounded to half precision."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def execute(self, images):
        return [jt.array(m.numpy().astype(np.float16).astype(np.float32)) for m in self.backbone(images)]


@pytest.fixture
def config(tmp_path):
    return settings_of(tmp_path)


def settings_of(folder, transforms=(RESIZE, FLIP, NORMALIZE, PAD), **cache):
    data = write_coco(str(folder / "data"))
    dataset = dict(type="COCODataset", use_anno_cats=True, filter_min_size=0, transforms=list(transforms), **data)
    train = dict(dataset, batch_size=2, shuffle=True, repeat=3)
    val = dict(dataset, transforms=[t for t in transforms if t is not FLIP], batch_size=1)
    return dict(
        feature_cache=dict(folder=str(folder / "features"), **cache),
        model=MODEL.to_dict(),
        dataset=dict(train=train, val=val),
    )


def parts(config, split="train"):
    return build(config["dataset"][split], "dataset", "dataset"), Plain(build(config["model"]["backbone"], "backbone"))


def stored(config):
    return {
        os.path.join(place, name): os.stat(os.path.join(place, name)).st_mtime_ns
        for place, _, names in os.walk(config["feature_cache"]["folder"])
        for name in names
    }


@pytest.mark.parametrize("side", [SIDE, 20])  # images below 32 pixels are padded to 32 in a batch
def test_maps_and_targets_are_those_without_the_cache(tmp_path, side):
    sizes = dict(RESIZE, min_size=side, max_size=side), dict(PAD, size_divisor=side)
    config = settings_of(tmp_path, (sizes[0], FLIP, NORMALIZE, sizes[1]))
    dataset, model = parts(config)
    plain = list(dataset.loader().epoch(3))
    use_features(config, "train", dataset, model, progress=False)
    assert len(stored(config)) == 2 * len(dataset.records)
    flips = set()
    for (images, targets), (maps, cached_targets) in zip(plain, dataset.loader().epoch(3)):
        expected = model(model_input(images, targets))
        given = model_input(maps, cached_targets)
        assert given.shape == images.shape
        for found, wanted in zip(model(given), expected):
            np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-3, atol=1e-5)
            assert np.abs(wanted.numpy()).max() > 0.1
        for target, cached in zip(targets, cached_targets):
            assert target.keys() == cached.keys()
            assert all(np.array_equal(target[k], cached[k]) for k in target)
            flips.add(target["flip"])
    assert flips == {None, "horizontal"}


def test_the_annotated_size_is_part_of_the_name(config):
    """It decides whether the EXIF orientation is applied, so the picture may be another."""
    dataset, _ = parts(config)
    files, record = FeatureFiles("features", dataset.transforms), dataset.records[0]
    shown = files.path(record, None)
    record.width, record.height = record.height, record.width
    assert files.path(record, None) != shown


def test_pictures_that_a_user_makes_are_not_those_of_the_files(config):
    dataset, model = parts(config)

    class Dark(type(dataset)):
        def picture(self, index, epoch=0):
            image, target = super().picture(index, epoch)
            return image / 2, target

    dataset.__class__ = Dark
    with pytest.raises(ConfigError, match="feature_cache: .*Dark makes its pictures itself"):
        use_features(config, "train", dataset, model, progress=False)


def test_what_is_there_is_not_computed_again(config):
    dataset, model = parts(config)
    use_features(config, "train", dataset, model, progress=False)
    before = stored(config)
    again, _ = parts(config)
    use_features(config, "train", again, model, progress=False)
    assert stored(config) == before
    os.utime(dataset.records[0].file, ns=(1, 1))  # the image was changed
    use_features(config, "train", again, model, progress=False)
    assert len(stored(config)) == len(before) + 2
    model.backbone.stem_bn.bias.assign(model.backbone.stem_bn.bias + 1)  # other weights: another folder
    use_features(config, "train", again, model, progress=False)
    assert len({os.path.dirname(path) for path in stored(config)}) == 2


def test_two_that_fill_the_folder_share_the_work(config, monkeypatch):
    """A second one comes while the first computes a picture, and does all the others."""
    dataset, model = parts(config)
    second, _ = parts(config)
    computed = []

    def picture(files, record, flip, target):
        computed.append((record.img_id, flip))
        if len(computed) == 1:
            use_features(config, "train", second, model, progress=False)
        return original(files, record, flip, target)

    original = FeatureFiles.picture
    monkeypatch.setattr(FeatureFiles, "picture", picture)
    use_features(config, "train", dataset, model, progress=False)
    assert len(stored(config)) == 2 * len(dataset.records) == len(computed) - 1
    assert all(np.array_equal(a, b) for a, b in zip(dataset.get(1)[0], second.get(1)[0]))


def test_room_is_checked_also_if_another_process_stored_the_first_picture(tmp_path, monkeypatch):
    config = settings_of(tmp_path, max_gib=1e-6)
    dataset, model = parts(config)

    def missing(files, records):
        found = original(files, records)
        first = found[np.random.default_rng(os.getpid()).permutation(len(found))[0]]
        os.makedirs(files.folder)
        open(files.path(*first), "wb").close()
        return found

    original = FeatureFiles.missing
    monkeypatch.setattr(FeatureFiles, "missing", missing)
    with pytest.raises(ConfigError, match="max_gib=1e-06 allows no more"):
        use_features(config, "train", dataset, model, progress=False)


def test_killed_while_it_wrote(config, monkeypatch):
    dataset, model = parts(config)
    written = []

    def stop(file, *arrays):
        file.write(b"half of it")
        written.append(file)
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        use_features(config, "train", dataset, model, progress=False)
    assert written and dataset.features is None and not stored(config)


@pytest.mark.parametrize("content", [b"PK\x03\x04 half", b""])  # nothing: the power failed
def test_a_broken_file_is_named(config, content):
    dataset, model = parts(config)
    use_features(config, "train", dataset, model, progress=False)
    for path in stored(config):
        with open(path, "wb") as file:
            file.write(content)
    with pytest.raises(DataError, match="cached features of .*image id .*delete this file"):
        dataset.get(0)
    image, _ = dataset.picture(0)  # what the data look like is drawn from images
    assert image.shape == (3, SIDE, SIDE)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(transforms=[RESIZE, FLIP, FLIP]), "a second RandomFlip among the transforms makes ever new pictures"),
        (dict(transforms=[dict(type="Resize", min_size=[32, 64], max_size=64)]), "a Resize of several sizes"),
        (dict(transforms=[dict(type="RandomCrop", crop_size=[8, 8]), NORMALIZE]), "RandomCrop among the transforms"),
        (dict(max_gib=1e-6), "GiB are already used; max_gib=1e-06 allows no more"),
        (dict(size=3), "FeatureCache takes no 'size'"),
    ],
)
def test_refusals(tmp_path, change, message):
    config = settings_of(tmp_path, **change)
    dataset, model = parts(config)
    with pytest.raises(ConfigError, match=message):
        use_features(config, "train", dataset, model, progress=False)


def test_a_backbone_that_trains_is_refused(config):
    dataset, frozen = parts(config)
    config["model"]["backbone"]["frozen_stages"] = 2
    _, model = parts(config)
    with pytest.raises(ConfigError, match="the backbone is not completely frozen .blocks.5"):
        use_features(config, "train", dataset, model, progress=False)
    frozen.backbone.stem_bn.frozen = False  # its statistics move
    with pytest.raises(ConfigError, match="not completely frozen .stem_bn and 0 more"):
        use_features(config, "train", dataset, frozen, progress=False)


def test_a_detector_of_several_frames_is_refused(config):
    class Stream(Plain):
        def stream(self):
            return self

    dataset, model = parts(config)
    with pytest.raises(ConfigError, match="Stream needs more than one backbone's maps"):
        use_features(config, "train", dataset, Stream(model.backbone), progress=False)


def test_maps_of_different_sizes_are_refused(tmp_path):
    config = settings_of(tmp_path, [dict(type="Resize", min_size=32, max_size=64), NORMALIZE, dict(type="Pad")])
    dataset, model = parts(config)
    dataset.records[0].width, dataset.records[0].height = dataset.records[0].height, dataset.records[0].width
    files = FeatureFiles(config["feature_cache"]["folder"], dataset.transforms)
    os.makedirs(files.folder)
    for record, flip in files.missing(dataset.records):
        files.write(record, flip, [np.zeros((4, record.height // 8, record.width // 8))])
    dataset.features = files
    with pytest.raises(ConfigError, match="maps of different sizes"):
        list(dataset.loader().epoch(0))


def test_a_missing_picture_of_val_is_found_before_any_features_are_computed(config):
    dataset = build(config["dataset"]["val"], "dataset.val", "dataset")
    os.remove(dataset.records[1].file)
    config = {"work_dir": "nowhere", "evaluator": dict(type="COCOBoxAP"), **config}
    with pytest.raises(DataError, match=r"\(image id 2\) is missing; correct the dataset's root"):
        Evaluator(config, "val")


def test_a_step_and_an_evaluation_of_a_whole_detector(config):
    """Losses and detections are those of maps in half precision, and nothing else is changed."""
    config["model"]["roi_head"]["box"]["test"]["score_thr"] = 0.0
    model = build(config["model"], "model")
    backbone, found = model.backbone, {"train": [], "val": []}
    for cached in (False, True):
        model.backbone = backbone if cached else Rounded(backbone)
        for split in ("train", "val"):
            dataset = build(config["dataset"][split], "dataset", "dataset")
            if cached:
                use_features(config, split, dataset, model, progress=False)
            if split == "val":
                found[split].append(list(detect(model, dataset.loader())))
                continue
            model.train()
            set_seed(1)
            images, targets = next(iter(dataset.loader().epoch(0)))
            losses = model(model_input(images, targets), targets)
            found[split].append({name: value.item() for name, value in losses.items()})
    plain, with_cache = found["train"]
    assert plain.keys() == with_cache.keys()
    for name in plain:
        assert with_cache[name] == pytest.approx(plain[name], rel=1e-5), name
    for one, other in zip(*found["val"]):
        # The best ones: of an untrained model's, rounding decides which of two equal boxes NMS keeps.
        assert one["img_id"] == other["img_id"] and len(one["boxes"]) == len(other["boxes"]) > 0
        np.testing.assert_allclose(one["scores"][:3], other["scores"][:3], atol=1e-3)
