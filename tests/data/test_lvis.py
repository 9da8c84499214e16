"""LVIS: files, frequencies, classes that are not annotated in an image, oversampling of images with rare classes."""

import json
import math
import os

import pytest

from jsra.cli import main
from jsra.data.check import check
from jsra.data.dataset import with_masks
from jsra.data.image import DataError
from jsra.data.lvis import LVISDataset, repeat_factors
from jsra.paper.features import Objects
from jsra.registry import ConfigError, build
from jsra.visualize.browse import draw_truth
from tests.conftest import shared
from tests.data.tiny import ANNOTATIONS, NORMALIZE, SIZES, write_images


def write_lvis(folder, v1=True):
    """Returns root and anno_file; images 1, 3 and 5 are of val2017, the others of train2017; image 4 has no object."""
    split = {i: "val2017" if i % 2 else "train2017" for i in SIZES}
    for i in SIZES:
        write_images(os.path.join(folder, split[i]), {i: f"{i:012d}.png"})
    images = [
        dict(
            id=i, width=w, height=h, coco_url=f"http://images.cocodataset.org/{split[i]}/{i:012d}.png",
            neg_category_ids=[30] if i == 1 else [], not_exhaustive_category_ids=[20] if i == 2 else [],
            **({} if v1 else {"file_name": f"{i:012d}.png"}),
        )
        for i, (w, h) in SIZES.items()
    ]  # fmt: skip
    names = {20: ("cat", "r"), 10: ("dog", "c"), 30: ("person", "f")}
    categories = [dict(id=i, name=n, frequency=f, synset=f"{n}.n.01") for i, (n, f) in names.items()]
    annotations = [{k: v for k, v in a.items() if k != "iscrowd"} for a in ANNOTATIONS if not a["iscrowd"]]
    path = os.path.join(folder, "lvis.json")
    with open(path, "w") as f:
        json.dump(dict(images=images, annotations=annotations, categories=categories), f)
    return dict(root=str(folder), anno_file=path)


@pytest.fixture
def place(tmp_path):
    return write_lvis(str(tmp_path))


@pytest.mark.parametrize("v1", [True, False])
def test_targets(tmp_path, v1):
    dataset = LVISDataset(**write_lvis(str(tmp_path), v1), filter_empty_gt=False, with_masks=True)
    assert dataset.CLASSES == ("cat", "dog", "person") and dataset.cat_ids == [20, 10, 30]
    assert dataset.frequencies == {"cat": "rare", "dog": "common", "person": "frequent"}
    image, target = dataset[0]
    assert image.shape == (30, 40, 3) and "/val2017/" in target["img_file"]
    assert target["negative_labels"] == (3,) and target["not_exhaustive_labels"] == ()
    assert dataset[1][1]["not_exhaustive_labels"] == (1,) and "/train2017/" in dataset[1][1]["img_file"]
    assert len(target["masks"]) == 2
    chosen = LVISDataset(**dict(root=dataset.root, anno_file=dataset.anno_file), classes=["person"], filter_empty_gt=False)
    assert chosen[0][1]["negative_labels"] == (1,) and chosen[1][1]["not_exhaustive_labels"] == ()


def test_repeat_factors():
    """Four images; t = 0.5: class 1 is in one of them, f = 1/4, sqrt(2) -> 2; class 2 in two, f = 1/2, 1; class 3 in all."""
    assert repeat_factors([[1, 3, 3], [2, 3], [2, 3], [3]], 0.5) == [2, 1, 1, 1]
    assert repeat_factors([[1], [], [2], [2, 2]], 1.0) == [2, 1, 2, 2]  # sqrt(4) = 2, sqrt(2) -> 2
    # The recipe's threshold on 10,000 images: one image of a class gives sqrt(10) -> 4, ten give 1.
    labels = [[1]] + [[2]] * 10 + [[3]] * 9989
    factors = repeat_factors(labels, 0.001)
    assert factors[:3] == [math.ceil(math.sqrt(10)), 1, 1] and sum(factors) == 10003


def test_images_of_rare_classes_are_seen_more_often(place):
    settings = dict(filter_min_size=0, repeat=2, batch_size=2, shuffle=True, transforms=build([NORMALIZE]))
    dataset = LVISDataset(**place, oversample_threshold=1.0, **settings)
    # cat is in image 1, dog in 1 and 2, person in 3 and 5: sqrt(4) = 2 for image 1, sqrt(2) -> 2 for the others
    assert [dataset.record(i).img_id for i in range(len(dataset))] == [1, 1, 2, 2, 3, 3, 5, 5] * 2
    assert len(dataset.records) == 4 and len(dataset.img_ids) == 4  # what is evaluated
    loader = dataset.loader()
    seen = [t["img_id"] for _, targets in loader.epoch(0) for t in targets]
    assert sorted(seen) == [1] * 4 + [2] * 4 + [3] * 4 + [5] * 4
    with pytest.raises(ConfigError, match="oversample_threshold must be a share of images, not 3"):
        LVISDataset(**place, oversample_threshold=3)


@pytest.mark.parametrize(
    "kind, key, value, words",
    [
        ("categories", "frequency", None, "category id 20: frequency is None; write r, c or f"),
        ("categories", "frequency", "x", "category id 20: frequency is 'x'"),
        ("categories", "frequency", ["f"], "category id 20: frequency is ['f']"),
        ("images", "neg_category_ids", [[1]], "image id 1: neg_category_ids names [[1]], not listed"),
        ("images", "neg_category_ids", None, "image id 1: neg_category_ids is None; write a list"),
        ("images", "neg_category_ids", [30, 99], "image id 1: neg_category_ids names [99], not listed"),
        ("images", "not_exhaustive_category_ids", "20", "image id 1: not_exhaustive_category_ids is '20'"),
        ("images", "coco_url", None, "image id 1: coco_url is None; write the picture's file name"),
        ("images", "coco_url", 5, "image id 1: coco_url is 5; write the picture's file name"),
    ],
)
def test_what_is_wrong_is_named(place, tmp_path, capsys, kind, key, value, words):
    with open(place["anno_file"]) as f:
        content = json.load(f)
    content[kind][0][key] = value
    with open(place["anno_file"], "w") as f:
        json.dump(content, f)
    with pytest.raises(DataError) as raised:
        LVISDataset(**place)
    assert words in str(raised.value)
    config = tmp_path / "c.py"
    config.write_text(f"dataset = dict(train=dict(type='LVISDataset', **{place!r}))")
    assert main(["data", "check", str(config)]) == 1
    assert f"error: {words}" in capsys.readouterr().out


def test_commands(place, tmp_path, capsys):
    config = tmp_path / "c.py"
    config.write_text(f"dataset = dict(train=dict(type='LVISDataset', **{place!r}))")
    assert main(["data", "check", str(config)]) == 0
    assert "0 errors" in capsys.readouterr().out
    assert main(["data", "browse", str(config), "--out", str(tmp_path / "out")]) == 0
    assert len(os.listdir(tmp_path / "out")) == 5


def test_masks_are_shown_and_studied_as_those_of_coco(place, monkeypatch):
    """Commands that use masks ask for them, whatever the type of the data set is: LVISDataset passes **settings on."""
    drawn = []
    monkeypatch.setattr("jsra.visualize.browse.draw_detections", lambda image, result, **_: drawn.append(result) or image)
    dataset = build(with_masks({"type": "LVISDataset", **place}), "d")
    draw_truth(*dataset.get(0))
    assert len(drawn[0]["masks"]) == len(drawn[0]["boxes"]) > 0
    config = {"dataset": {"val": {"type": "LVISDataset", **place}}}
    _, boxes, masks = next(iter(Objects(config)))
    assert len(masks) == len(boxes) > 0 and masks.any((1, 2)).all()
    assert with_masks({"type": "VOCDataset"}) == {"type": "VOCDataset"}


def real(tmp_path, count=44):
    """LVIS 0.5 of `count` images of coco_people, in the folders that LVIS's files name."""
    os.symlink(shared("data", "coco_people", "images"), tmp_path / "val2017")
    with open(shared("data", "lvis05.json")) as f:
        content = json.load(f)
    content["images"] = content["images"][:count]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    with open(tmp_path / "lvis05.json", "w") as f:
        json.dump(content, f)
    return dict(root=str(tmp_path), anno_file=str(tmp_path / "lvis05.json"))


def test_real_annotations(tmp_path):
    place = real(tmp_path)
    dataset = LVISDataset(**place, with_masks=True, oversample_threshold=0.1)
    assert len(dataset.CLASSES) == 1230 and len(dataset.records) == 42  # of 44; two have no object
    assert 42 < len(dataset) <= 3 * 42  # of a class in one image: sqrt(0.1 * 42) -> 3
    assert sum(len(r.boxes) for r in dataset.records) > 450
    assert sum(len(r.fields["not_exhaustive_labels"]) for r in LVISDataset(**place, filter_empty_gt=False).records) == 9
    image, target = dataset[0]
    assert max(image.shape) == 320 and len(target["masks"]) == len(target["labels"])
    assert not [p for p in check({"type": "LVISDataset", **place}, progress=False) if "is missing" in p.what]


def test_the_studies_take_every_image_once(place):
    settings = dict(type="LVISDataset", oversample_threshold=1.0, filter_min_size=0, transforms=[], **place)
    objects = Objects({"dataset": {"val": settings}})
    assert objects.dataset.order is None
    assert [image.shape[1::-1] for image, *_ in objects] == [SIZES[i] for i in (1, 2, 3, 5)]
