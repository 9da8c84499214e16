from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from jsra.data.image import new_target
from jsra.data.masks import InstanceMasks
from jsra.data.transforms import (
    Compose,
    Normalize,
    Pad,
    RandomChoice,
    RandomCrop,
    RandomFlip,
    Resize,
    check_fixed,
    drawn,
    of_small_numbers,
    other_colours,
)
from jsra.registry import ConfigError, build


def sample(rng, width=60, height=40, boxes=((10, 5, 30, 25), (0, 0, 60, 40))):
    """An image whose boxes are also its masks."""
    target = new_target((width, height), 7, "x.jpg", ("a", "b"))
    target["bboxes"] = np.array(boxes, np.float32).reshape(-1, 4)
    target["labels"] = np.arange(1, len(boxes) + 1, dtype=np.int32)
    target["bboxes_ignore"] = np.array([[50, 30, 58, 38]], np.float32)
    bitmaps = np.zeros((len(boxes), height, width), np.uint8)
    for mask, (x0, y0, x1, y1) in zip(bitmaps, boxes):
        mask[y0:y1, x0:x1] = 1
    target["masks"] = InstanceMasks.of_bitmaps(bitmaps)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8), target


def mask_boxes(masks):
    out = []
    for mask in np.asarray(masks):
        y, x = np.nonzero(mask)
        out.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
    return np.array(out)


@pytest.mark.parametrize(
    "size, expected",
    [
        ((640, 480), (1067, 800)),  # 640 * 800 / 480 = 1066.67
        ((480, 640), (800, 1067)),
        ((1000, 300), (1333, 400)),  # the long side limits: 300 * 1.333 = 399.9
        ((640, 427), (1199, 800)),  # 640 * 800 / 427 = 1199.06
    ],
)
def test_resize_sizes_of_the_recipe(size, expected, rng):
    assert Resize(800, 1333).size(*size, rng) == expected


def test_resize_scales_boxes_masks_and_records_it(rng):
    image, target = sample(rng)
    image, target = Resize(80, 200)(image, target, rng)
    assert image.shape == (80, 120, 3)
    assert target["bboxes"].tolist() == [[20, 10, 60, 50], [0, 0, 120, 80]]
    assert target["bboxes_ignore"].tolist() == [[100, 60, 116, 76]]
    assert np.array_equal(mask_boxes(target["masks"]), target["bboxes"])
    assert target["img_size"] == target["pad_shape"] == (120, 80)
    assert target["ori_img_size"] == (60, 40)
    assert target["scale_factor"].tolist() == [2, 2, 2, 2]


def test_resize_cuts_boxes_at_the_border(rng):
    image, target = sample(rng)
    target["bboxes"] = np.array([[-5, -5, 70, 50]], np.float32)
    _, target = Resize(40, 60)(image, target, rng)
    assert target["bboxes"].tolist() == [[0, 0, 60, 40]]


def test_resize_draws_one_of_several_sizes(rng):
    resize = Resize([20, 40, 80], 1000)
    image, _ = sample(rng)
    heights = {resize(image, {}, np.random.default_rng(i))[0].shape[0] for i in range(40)}
    assert heights == {20, 40, 80}


def test_resize_without_keeping_the_ratio(rng):
    image, target = Resize(30, 90, keep_ratio=False)(*sample(rng), rng)
    assert image.shape == (30, 90, 3)
    assert np.allclose(target["scale_factor"], [1.5, 0.75, 1.5, 0.75])


def test_horizontal_flip(rng):
    image, target = sample(rng)
    flipped, target = RandomFlip(prob=1)(image, target, rng)
    assert np.array_equal(flipped, image[:, ::-1])
    assert target["bboxes"].tolist() == [[30, 5, 50, 25], [0, 0, 60, 40]]
    assert target["bboxes_ignore"].tolist() == [[2, 30, 10, 38]]
    assert np.array_equal(mask_boxes(target["masks"]), target["bboxes"])
    assert target["flip"] == "horizontal"


def test_vertical_and_diagonal_flip(rng):
    image, target = sample(rng)
    flipped, after = RandomFlip(1, "vertical")(image, dict(target), rng)
    assert np.array_equal(flipped, image[::-1])
    assert after["bboxes"][0].tolist() == [10, 15, 30, 35]
    flipped, after = RandomFlip(1, "diagonal")(image, dict(target), rng)
    assert np.array_equal(flipped, image[::-1, ::-1])
    assert after["bboxes"][0].tolist() == [30, 15, 50, 35]
    assert np.array_equal(mask_boxes(after["masks"]), after["bboxes"])


@pytest.mark.parametrize("direction", ["left", ["horizontal", "vertical"]])
def test_a_flip_has_one_direction(direction):
    with pytest.raises(ConfigError, match="must be one of horizontal, vertical, diagonal, it is .*RandomChoice"):
        RandomFlip(0.5, direction)


def test_flip_happens_with_its_probability(rng):
    image, _ = sample(rng)
    flips = sum(RandomFlip(0.5)(image, {}, rng)[1]["flip"] is not None for _ in range(400))
    assert 140 < flips < 260


def test_crop_moves_cuts_and_drops_boxes(rng):
    image, target = sample(rng, boxes=((0, 0, 12, 12), (20, 10, 50, 35)))
    crop = RandomCrop((20, 30))
    crop.window = lambda *_: (15, 15, 30, 20)  # left, top, width, height
    cropped, target = crop(image, target, rng)
    assert np.array_equal(cropped, image[15:35, 15:45])
    assert target["bboxes"].tolist() == [[5, 0, 30, 20]]
    assert target["labels"].tolist() == [2]
    assert target["bboxes_ignore"].tolist() == []
    assert np.array_equal(mask_boxes(target["masks"]), target["bboxes"])
    assert target["img_size"] == (30, 20)


def test_crop_windows_lie_inside_and_in_range(rng):
    for _ in range(200):
        left, top, w, h = RandomCrop((10, 50), "absolute_range").window(60, 40, rng)
        assert 10 <= w <= 50 and 10 <= h <= 40
        assert 0 <= left <= 60 - w and 0 <= top <= 40 - h
    assert RandomCrop((100, 100)).window(60, 40, rng) == (0, 0, 60, 40)


def test_crop_without_box_only_where_allowed(rng):
    image, target = sample(rng, boxes=((0, 0, 2, 2),))
    kept = [len(RandomCrop((5, 5))(image, dict(target), rng)[1]["bboxes"]) for _ in range(30)]
    assert min(kept) == 1
    allowed = RandomCrop((5, 5), allow_negative_crop=True)
    assert 0 in [len(allowed(image, dict(target), rng)[1]["bboxes"]) for _ in range(30)]


def test_normalize_and_back(rng):
    image, target = sample(rng)
    normalize = Normalize([10, 20, 30], [2, 4, 5])
    out, _ = normalize(image, target)
    assert out.dtype == np.float32 and out.shape == (3, 40, 60)
    assert np.allclose(out[1, 3, 4], (image[3, 4, 1] - 20.0) / 4)
    assert np.array_equal(normalize.undo(out), image)
    bgr = Normalize([10, 20, 30], [2, 4, 5], to_bgr=True)
    assert np.allclose(bgr(image, target)[0][0, 3, 4], (image[3, 4, 2] - 10.0) / 2)
    assert np.array_equal(bgr.undo(bgr(image, target)[0]), image)


def test_pad_before_and_after_normalize(rng):
    image, target = sample(rng)
    padded, after = Pad(32)(image, dict(target))
    assert padded.shape == (64, 64, 3) and not padded[40:].any() and not padded[:, 60:].any()
    assert after["pad_shape"] == (64, 64) and after["img_size"] == (60, 40)
    assert np.asarray(after["masks"]).shape == (2, 64, 64)
    normalized, after = Compose([Normalize([1, 1, 1], [1, 1, 1]), Pad(32)])(image, dict(target))
    assert normalized.shape == (3, 64, 64) and not normalized[:, 40:].any()
    own = Compose([lambda image, target, rng: (image.transpose(2, 0, 1) / 255, target), Pad(32)])  # in double precision
    assert own(image, dict(target))[0].shape == (3, 64, 64)


def test_transforms_that_are_drawn_are_for_training():
    fixed = [Resize(8, 16), Resize([8], 16), RandomFlip(0.0), Normalize([0] * 3, [1] * 3), Pad(), lambda *sample: sample]
    check_fixed(fixed, "dataset.val.transforms")
    random = [RandomFlip(1.0), Resize([8, 9], 16), RandomCrop((4, 4)), RandomChoice([[Pad()]])]
    assert drawn([*fixed, *random]) == ["RandomFlip", "Resize", "RandomCrop", "RandomChoice"]
    with pytest.raises(ConfigError, match="dataset.val.transforms: RandomFlip is drawn for each image, which is for"):
        check_fixed([*fixed, random[0]], "dataset.val.transforms")


def test_compose_takes_pillow_images(rng):
    image, target = sample(rng)
    steps = [dict(type="Resize", min_size=20, max_size=30), dict(type="Normalize", mean=[0, 0, 0], std=[1, 1, 1])]
    out, _ = Compose(build(steps))(Image.fromarray(image), target, rng)
    assert out.shape == (3, 20, 30)


def test_same_generator_same_sample(seed):
    steps = Compose(
        [RandomFlip(0.5), RandomChoice([[Resize([10, 20, 30], 99)], [RandomCrop((9, 30), "absolute_range")]])]
    )
    image, target = sample(np.random.default_rng(0))
    runs = [steps(image, dict(target), np.random.default_rng([seed, 3, 5])) for _ in range(2)]
    assert np.array_equal(runs[0][0], runs[1][0])
    assert np.array_equal(runs[0][1]["bboxes"], runs[1][1]["bboxes"])


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Resize(0, 10), "at least 1 and at most 16384 pixels"),
        (lambda: Resize(800, 100000), "at least 1 and at most 16384 pixels"),
        (lambda: RandomFlip(prob=2), "prob must be from 0 to 1, not 2"),
        (lambda: RandomFlip(prob=float("nan")), "prob must be from 0 to 1"),
        (lambda: Normalize([1, 2, float("nan")], [1, 1, 1]), "must be finite and std above 0"),
        (lambda: Normalize([1, 2, 3], [1, 0, 1]), "must be finite and std above 0"),
        (lambda: Pad(100000), "size_divisor must be from 1 to 16384"),
        (lambda: build([dict(type="RandomCrop", crop_size=[50.5, 60])]), r"crop_size\[0\]: expected a whole number"),
        (lambda: RandomChoice([]), "an empty list"),
        (lambda: RandomChoice([[], []], prob=[2, -1]), "from 0 on that sum to 1"),
        (lambda: RandomChoice([[], []], prob=[float("nan"), 1]), "sum to 1"),
        (lambda: RandomFlip(direction="up"), "horizontal, vertical, diagonal"),
        (lambda: RandomCrop((50, 10), "absolute_range"), "low, high"),
        (lambda: Pad(0), "size_divisor"),
        (lambda: build([dict(type="Resize", min_sizes=3, max_size=4)]), "did you mean 'min_size'"),
        (lambda: Compose([3]), r"transforms\[0\]"),
        (lambda: RandomChoice([[], []], prob=[0.5, 0.6]), "sum to 1"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


@pytest.mark.parametrize("late", [Resize(20, 30), RandomFlip(1.0), RandomCrop((9, 9)), Normalize([0] * 3, [1] * 3)])
def test_what_takes_a_picture_refuses_what_normalize_makes(late, rng):
    """A flip of [3, H, W] would mirror rows, and the boxes by the number of channels."""
    image, target = sample(rng)
    with pytest.raises(ConfigError, match="only Pad can come after Normalize"):
        Compose([Normalize([0] * 3, [1] * 3), late])(image, target, rng)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda image, target: None, "must return .image, target., not None"),
        (lambda image, target: (image, None), "must return .image, target."),
        (lambda image, target: (image[..., 0], target), r"an image uint8 \[30, 40\]"),
        (lambda image, target: (image.transpose(2, 0, 1), target), r"an image uint8 \[3, 30, 40\]"),
        (lambda image, target: (image / 255, target), r"an image float64 \[30, 40, 3\]"),
        (lambda image, target: ("a.png", target), "returned 'a.png' as the image"),
        (lambda image, target: (image, {"bboxes": target["bboxes"]}), "img_id, .* missing in the target"),
        (lambda image, target: (image, {**target, "bboxes": target["bboxes"][:0]}), "image id 5: 0 bboxes, but 1 labels"),
        (lambda image, target: (image, {**target, "bboxes": target["bboxes"] * np.nan}), "bboxes must be finite numbers"),
        (lambda image, target: (image, {**target, "bboxes": [[1, 2, 3, 4], [5]]}), r"numbers \[n, 4\], not .*\[5\]"),
        (lambda image, target: (image, {**target, "bboxes": [[9, 1, 5, 4]]}), r"x0 <= x1 and y0 <= y1, not \[\[9, 1"),
        (lambda image, target: (image, {**target, "bboxes": np.array([[9, 1, 5, 4]])}), "x0 <= x1 and y0 <= y1, not"),
        (lambda image, target: (image, {**target, "labels": target["labels"] * 0}), r"labels must be .*1 to 2, not \[0\]"),
        (lambda image, target: (image, {**target, "labels": target["labels"] + 2}), r"labels must be .*1 to 2, not \[3\]"),
    ],
)
def test_what_a_users_transform_returns(change, message):
    def own(image, target, rng):
        return change(image, target)

    target = {**new_target((40, 30), 5, classes=("a", "b")), "bboxes": np.ones((1, 4)), "labels": np.ones(1, int)}
    with pytest.raises(ConfigError, match=rf"transforms\[1\], function: .*{message}"):
        Compose([RandomFlip(0.0), own])(np.zeros((30, 40, 3), np.uint8), target)


@pytest.mark.parametrize("boxes", [[], np.array([]), [(1, 2, 11, 12), (3.5, 4, 5, 6)]])
@pytest.mark.parametrize(
    "after", [RandomFlip(1.0), Resize(60, 80), RandomCrop((30, 40), allow_negative_crop=True), Normalize([0] * 3, [1] * 3)]
)
def test_lists_that_a_users_transform_returns(boxes, after, rng):
    """Those of Albumentations are lists of tuples, and [] without boxes; others make an array of it."""

    def lists(image, target, rng):
        return image, {**target, "bboxes": boxes, "labels": [1] * len(boxes) if len(boxes) else boxes}

    def arrays(image, target, rng):
        return image, {**target, "bboxes": np.float32(boxes).reshape(-1, 4), "labels": np.ones(len(boxes), np.int32)}

    image, target = np.zeros((30, 40, 3), np.uint8), new_target((40, 30))
    found, expected = (Compose([own, after])(image, target, np.random.default_rng(0))[1] for own in (lists, arrays))
    for key in ("bboxes", "labels"):
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-6)
        assert isinstance(found[key], np.ndarray) and found[key].shape == expected[key].shape


@pytest.mark.parametrize("form", [np.asarray, lambda masks: np.asarray(masks) > 0, lambda masks: list(np.asarray(masks))])
def test_bitmaps_that_a_users_transform_returns(form, rng):
    """Those of torchvision are [n, height, width]; NumPy's own resize would make None of them, without an error."""

    def own(image, target, rng):
        return image, {**target, "masks": form(target["masks"])}

    steps = [Resize(80, 120), RandomFlip(1.0), Pad(32)]
    image, target = sample(rng)
    expected = Compose(steps)(image, dict(target))[1]["masks"]
    for at in range(len(steps)):
        found = Compose([*steps[:at], own, *steps[at:]])(image, dict(target))[1]["masks"]
        assert isinstance(found, InstanceMasks) and np.array_equal(np.asarray(found), np.asarray(expected))
    nothing = {**target, "bboxes": [], "labels": [], "masks": []}
    assert np.asarray(Compose([lambda i, t, r: (i, nothing), *steps])(image, target)[1]["masks"]).shape == (0, 96, 128)


@pytest.mark.parametrize("change", [lambda bitmaps: bitmaps[:, :-1], lambda bitmaps: bitmaps[0], lambda bitmaps: ["a", "b"]])
def test_other_masks_of_a_users_transform_are_refused(change, rng):
    image, target = sample(rng)
    made = {**target, "masks": change(np.asarray(target["masks"]))}
    with pytest.raises(ConfigError, match=r"image id 7: masks must be InstanceMasks .*, or bitmaps \[n, 40, 60\]"):
        Compose([lambda image, target, rng: (image, made)])(image, target)


def test_a_transform_that_takes_no_random_generator():
    class Own:
        def __call__(self, image, target):
            return image, target

    with pytest.raises(ConfigError, match=r"transforms\[0\], Own: must be called as t\(image, target, rng\)"):
        Compose([Own()])
    Compose([lambda image, target, rng=None: (image, target)])


def test_another_normalize_is_named():
    one = SimpleNamespace(transforms=Compose([Resize(20, 40), Normalize([1, 2, 3], [4, 5, 6])]))
    for same in (Compose([Normalize([1, 2, 3], [4, 5, 6])]), Compose([]), None, len):  # len: a user's own function
        assert other_colours(one, SimpleNamespace(transforms=same)) == []
    for change in (dict(mean=[3, 2, 1]), dict(std=[1, 1, 1]), dict(to_bgr=True)):
        other = Compose([Normalize(**{"mean": [1, 2, 3], "std": [4, 5, 6], **change})])
        (line,) = other_colours(one, SimpleNamespace(transforms=other))
        assert line.startswith("warning: dataset.val.transforms has another Normalize")


def test_numbers_for_images_from_0_to_1_are_named():
    def lines(mean, std):
        return of_small_numbers(SimpleNamespace(transforms=Compose([Normalize(mean, std)])))

    for mean, std in (([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), ([0.5] * 3, [0.5] * 3), ([0, 0, 0], [0.3] * 3)):
        (line,) = lines(mean, std)
        assert "images from 0 to 1" in line and "multiply them by 255" in line
    means = [123.675, 116.28, 103.53]
    for mean, std in ((means, [58.395, 57.12, 57.375]), ([0] * 3, [1] * 3), (means, [1] * 3), (means, [0.5] * 3)):
        assert lines(mean, std) == []
    assert of_small_numbers(SimpleNamespace(transforms=Compose([]))) == []


def test_a_padded_picture_is_resized_and_mirrored(rng):
    """img_size stays the part with the picture: detections are clipped to it, and moved back by its ratio to the original."""
    image, target = np.zeros((80, 100, 3), np.uint8), new_target((100, 80))
    target.update(bboxes=np.array([[60, 40, 100, 80]], np.float32), labels=np.ones(1, np.int32))
    steps = [Pad(128), Resize(256, 256)]
    padded, found = Compose(steps)(image, target, rng)
    assert padded.shape == (256, 256, 3) and found["bboxes"].tolist() == [[120, 80, 200, 160]]
    assert found["img_size"] == (200, 160) and found["pad_shape"] == (256, 256)
    mirrored, found = Compose([RandomFlip(1.0)])(padded, found, rng)
    assert found["bboxes"].tolist() == [[56, 80, 136, 160]] and found["img_size"] == (256, 256)
    assert Compose([Resize(30, 40), Pad(64), Resize(32, 32)])(image, new_target((100, 80)), rng)[1]["img_size"] == (19, 15)
