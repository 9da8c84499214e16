"""Transforms of the training recipes. They change the image together with boxes, masks and other data of its objects.

A transform is called as `t(image, target, rng)` and returns image and target. `image` is uint8 RGB [H, W, 3] until Normalize,
which makes it float32 [3, H, W]; `target` is the dictionary of jsra.data.image.new_target (boxes xyxy in pixels of the
current image; sizes are (width, height)). Every random choice uses `rng`, a NumPy Generator that the dataset seeds per
sample, so that a sample does not depend on the process that loads it.
"""

from __future__ import annotations

import numpy as np

from jsra.arguments import part, short, takes
from jsra.data.masks import InstanceMasks
from jsra.data.resize import resize_bilinear
from jsra.registry import ConfigError, register

BOX_KEYS = ("bboxes", "bboxes_ignore")
MOST_PIXELS = 16384  # largest side of an image
OBJECT_KEYS = ("labels", "track_ids")  # arrays with one entry per box that do not change with the geometry of the image


def _pixels(image):
    """uint8 [H, W, 3] from an array or a Pillow image. Raises ConfigError for an image after Normalize."""
    pixels = np.asarray(image if isinstance(image, np.ndarray) else image.convert("RGB"))
    if pixels.dtype != np.uint8:
        raise ConfigError("transforms: only Pad can come after Normalize; move Normalize behind the others")
    return pixels


def _clip(boxes, width, height):
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
    return boxes


def _with_arrays(target):
    """The target with arrays instead of lists, which transforms of other libraries return; of lists without boxes, [0, 4]."""
    arrays = {}
    for key in (*BOX_KEYS, *OBJECT_KEYS):
        value = target.get(key)
        if value is None or (isinstance(value, np.ndarray) and value.shape != (0,)):
            continue
        try:
            arrays[key] = np.asarray(value)
        except ValueError:  # items of different lengths
            arrays[key] = np.array([str(value)])
        if not arrays[key].size:
            arrays[key] = np.zeros((0, 4), np.float32) if key in BOX_KEYS else np.zeros(0, np.int32)
    return {**target, **arrays} if arrays else target


def _with_masks(who, image, target):
    """The target with InstanceMasks instead of bitmaps [n, height, width], which transforms of other libraries return."""
    masks = target.get("masks")
    if masks is None or isinstance(masks, InstanceMasks):
        return target
    if isinstance(image, np.ndarray):
        height, width = image.shape[:2] if image.dtype == np.uint8 else image.shape[1:]
    else:
        width, height = image.size
    try:
        bitmaps = np.asarray(masks)
    except ValueError:  # bitmaps of several sizes
        bitmaps = np.zeros(0, object)
    empty = not bitmaps.size and len(masks) == 0
    if not empty and (bitmaps.shape[1:] != (height, width) or bitmaps.dtype.kind not in "biuf"):
        found = f"{bitmaps.dtype} {list(bitmaps.shape)}" if bitmaps.size else short(masks)
        raise ConfigError(
            f"{who}: masks must be InstanceMasks (jsra.data.masks), or bitmaps [n, {height}, {width}] of the picture, not "
            f"{found}"
        )
    return {**target, "masks": InstanceMasks([], width, height) if empty else InstanceMasks.of_bitmaps(bitmaps != 0)}


def _checked(where, sample, before):
    """Returns the result of a transform. Raises ConfigError unless it is an image and a target with consistent objects."""
    if not isinstance(sample, tuple) or len(sample) != 2 or not isinstance(sample[1], dict):
        raise ConfigError(f"{where}: must return (image, target), not {short(sample)}")
    image, target = sample
    if isinstance(image, np.ndarray) and not (
        image.ndim == 3 and image.size and image.shape[2 if image.dtype == np.uint8 else 0] == 3
    ):
        found = f"{image.dtype} {list(image.shape)}"
        raise ConfigError(f"{where}: returned an image {found}; it must be uint8 [H, W, 3], or float32 [3, H, W] (Normalize)")
    if not isinstance(image, np.ndarray) and not hasattr(image, "convert"):
        raise ConfigError(f"{where}: returned {short(image)} as the image; it must be an array or a Pillow image")
    lost = [key for key in before if key not in target]
    if lost:
        raise ConfigError(f"{where}: {', '.join(lost)} missing in the target that it returned")
    who = f"{where}: image id {target.get('img_id')!r}"
    target = _with_masks(who, image, _with_arrays(target))
    boxes = target.get("bboxes")
    if boxes is None:
        return image, target
    if boxes.dtype.kind not in "iuf" or boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ConfigError(f"{who}: bboxes must be finite numbers [n, 4], not {short(boxes.tolist())}")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        raise ConfigError(f"{who}: bboxes must be (x0, y0, x1, y1) with x0 <= x1 and y0 <= y1, not {short(boxes.tolist())}")
    for key in ("masks", *OBJECT_KEYS):
        if target.get(key) is not None and len(target[key]) != len(boxes):
            raise ConfigError(f"{who}: {len(boxes)} bboxes, but {len(target[key])} {key}")
    labels = np.asarray(target.get("labels", ()))
    most = len(target.get("classes") or ()) or np.inf
    if labels.size and (labels.dtype.kind not in "iu" or labels.min() < 1 or labels.max() > most):
        raise ConfigError(f"{who}: labels must be whole numbers from 1 to {most}, not {short(labels.tolist())}")
    return image, target


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms=()):
        self.transforms = list(transforms or ())
        for i, transform in enumerate(self.transforms):
            if not callable(transform):
                raise ConfigError(f"transforms[{i}]: {transform!r} is not a transform")
            if not takes(transform, 3):
                raise ConfigError(f"transforms[{i}], {type(transform).__name__}: must be called as t(image, target, rng)")

    def __call__(self, image, target=None, rng=None):
        target = {} if target is None else target
        rng = np.random.default_rng() if rng is None else rng
        for i, transform in enumerate(self.transforms):
            image, target = _checked(f"transforms[{i}], {type(transform).__name__}", transform(image, target, rng), target)
        return image, target


def test_transforms(config):
    """The settings of the transforms for inference."""
    for split in ("test", "val"):
        transforms = (config["dataset"].get(split) or {}).get("transforms")
        if transforms and not isinstance(transforms, (list, tuple)):
            raise ConfigError(f"dataset.{split}.transforms: expected a list, got {transforms!r}")
        if transforms:
            return transforms
    raise ConfigError("inference needs transforms in dataset.test or dataset.val, but the config has none")


def check_fixed(transforms, where: str):
    """Raise ConfigError for transforms (built) that draw how they change an image.

    In evaluation and inference, boxes are only brought back through Resize: those in a mirrored or cropped image are wrong.
    """
    found = drawn(transforms)
    if found:
        raise ConfigError(
            f"{where}: {', '.join(found)} is drawn for each image, which is for training: detections would be compared with, "
            "or drawn on, an image that is not the one they were found in. Leave it out here (Resize: give one min_size)"
        )


def drawn(transforms) -> list:
    """The names of the built transforms that draw how they change an image."""
    return [type(t).__name__ for t in transforms if getattr(t, "is_drawn", False)]


@register("transform")
class Resize:
    """Resize so that the short side is `min_size`, or the long side is `max_size` if that gives a smaller image.

    min_size: pixels, or a list from which one is drawn per sample; if it is above max_size, the two are exchanged, as in
    mmdet. keep_ratio=False: width max_size, height min_size.
    Sizes are rounded and boxes scaled as in mmdet: new = int(old * scale + 0.5), boxes by the true ratio of each axis.
    Sets img_size, pad_shape and scale_factor (4 floats: x, y, x, y ratios).
    """

    def __init__(self, min_size: int | tuple[int, ...], max_size: int, keep_ratio: bool = True):
        self.min_size = tuple(min_size) if isinstance(min_size, (list, tuple)) else (min_size,)
        self.max_size = max_size
        self.keep_ratio = keep_ratio
        if not self.min_size or min(*self.min_size, max_size) < 1 or max(*self.min_size, max_size) > MOST_PIXELS:
            sizes = f"min_size={min_size}, max_size={max_size}"
            raise ConfigError(f"Resize: sizes must be at least 1 and at most {MOST_PIXELS} pixels, not {sizes}")

    is_drawn = property(lambda self: len(self.min_size) > 1)

    def size(self, width, height, rng):
        """The (width, height) to which an image of width x height pixels is resized."""
        short = self.min_size[int(rng.integers(len(self.min_size)))] if len(self.min_size) > 1 else self.min_size[0]
        if not self.keep_ratio:
            return self.max_size, short
        low, high = sorted((short, self.max_size))
        scale = min(high / max(width, height), low / min(width, height))
        return max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5))

    def __call__(self, image, target, rng):
        image = _pixels(image)
        old_height, old_width = image.shape[:2]
        width, height = self.size(old_width, old_height, rng)
        image = resize_bilinear(image, width, height)
        ratio = np.array([width / old_width, height / old_height] * 2, np.float32)
        for key in BOX_KEYS:
            if key in target:
                target[key] = _clip(target[key] * ratio, width, height)
        if target.get("masks") is not None:
            target["masks"] = target["masks"].resize(width, height)
        # Of a picture that is already padded, img_size stays the part that is no padding: detections are moved back by it.
        part = target.get("img_size", (old_width, old_height))
        target["img_size"] = tuple(min(max(1, int(p * r + 0.5)), s) for p, r, s in zip(part, ratio, (width, height)))
        target["pad_shape"] = (width, height)
        target["scale_factor"] = target.get("scale_factor", np.ones(4, np.float32)) * ratio
        return image, target


@register("transform")
class RandomFlip:
    """Mirror with probability `prob`; direction 'horizontal' (x -> width - x), 'vertical' or 'diagonal' (both)."""

    def __init__(self, prob: float = 0.5, direction: str | tuple[str, ...] = "horizontal"):  # a tuple has its own message
        if direction not in ("horizontal", "vertical", "diagonal"):
            raise ConfigError(
                f"RandomFlip: direction must be one of horizontal, vertical, diagonal, it is {direction!r}; RandomChoice "
                "draws one of several transforms"
            )
        if not 0 <= prob <= 1:
            raise ConfigError(f"RandomFlip: prob must be from 0 to 1, not {prob}")
        self.prob = prob
        self.direction = direction

    is_drawn = property(lambda self: self.prob > 0)

    def __call__(self, image, target, rng):
        image = _pixels(image)
        target["flip"] = None
        if rng.random() >= self.prob:
            return image, target
        height, width = image.shape[:2]
        for axis, length, name in ((1, width, "horizontal"), (0, height, "vertical")):
            if self.direction not in (name, "diagonal"):
                continue
            image = np.flip(image, axis)
            low = 1 - axis  # column of the low edge: x0 for a horizontal flip
            for key in BOX_KEYS:
                if key in target:
                    boxes = target[key].copy()
                    boxes[:, low], boxes[:, low + 2] = length - target[key][:, low + 2], length - target[key][:, low]
                    target[key] = boxes
        if target.get("masks") is not None:
            target["masks"] = target["masks"].flip(self.direction != "vertical", self.direction != "horizontal")
        target["flip"] = self.direction
        if "img_size" in target:
            target["img_size"] = (width, height)  # padding is now at the left or the top: the whole picture counts
        return np.ascontiguousarray(image), target


@register("transform")
class RandomCrop:
    """Crop a random window, drop the boxes outside it and clip the others.

    crop_size: (a, b) pixels. crop_type 'absolute': a window of height a and width b (at most the size of the image);
    'absolute_range': height and width are drawn separately from a..b. Without allow_negative_crop, a window without a box
    is drawn again, up to 50 times; after that the image is not cropped.
    """

    is_drawn = True

    def __init__(
        self, crop_size: tuple[int, int], crop_type: str = "absolute", allow_negative_crop: bool = False
    ):
        if crop_type not in ("absolute", "absolute_range"):
            raise ConfigError(f"RandomCrop: crop_type {crop_type!r}; known: absolute, absolute_range")
        if len(crop_size) != 2 or min(crop_size) < 1 or (crop_type == "absolute_range" and crop_size[0] > crop_size[1]):
            raise ConfigError(f"RandomCrop: crop_size {crop_size} is not a pair of pixels (low, high)")
        self.crop_size = tuple(crop_size)
        self.crop_type = crop_type
        self.allow_negative_crop = allow_negative_crop

    def window(self, width, height, rng):
        """A random window (left, top, width, height) in an image of width x height pixels."""
        a, b = self.crop_size
        if self.crop_type == "absolute":
            h, w = min(height, a), min(width, b)
        else:
            h = int(rng.integers(min(height, a), min(height, b) + 1))
            w = int(rng.integers(min(width, a), min(width, b) + 1))
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        return left, top, w, h

    def __call__(self, image, target, rng):
        image = _pixels(image)
        height, width = image.shape[:2]
        for _ in range(50):
            left, top, w, h = self.window(width, height, rng)
            cropped, kept = {}, {}
            for key in BOX_KEYS:
                if key in target:
                    boxes = _clip(target[key] - np.array([left, top] * 2, np.float32), w, h)
                    kept[key] = (boxes[:, 2:] > boxes[:, :2]).all(1)
                    cropped[key] = boxes[kept[key]]
            if self.allow_negative_crop or "bboxes" not in cropped or len(cropped["bboxes"]):
                break
        else:
            return image, target
        target.update(cropped)
        if "bboxes" in kept:
            for key in OBJECT_KEYS:
                if key in target:
                    target[key] = target[key][kept["bboxes"]]
            if target.get("masks") is not None:
                target["masks"] = target["masks"].select(kept["bboxes"]).crop(left, top, w, h)
        target["img_size"] = target["pad_shape"] = (w, h)
        return np.ascontiguousarray(image[top : top + h, left : left + w]), target


@register("transform")
class RandomChoice:
    """Applies one of `pipelines`, lists of transforms, drawn per sample with probabilities `prob` (default: equal)."""

    is_drawn = True

    def __init__(self, pipelines: list[list[part.transform]], prob: tuple[float, ...] | None = None):
        if not pipelines:
            raise ConfigError("RandomChoice: pipelines is an empty list: there is nothing to choose from")
        self.pipelines = [Compose(p) for p in pipelines]
        self.prob = prob
        if prob is not None and (len(prob) != len(pipelines) or min(prob) < 0 or not abs(sum(prob) - 1) < 1e-6):
            raise ConfigError(f"RandomChoice: prob must be {len(pipelines)} numbers from 0 on that sum to 1, not {prob}")

    def __call__(self, image, target, rng):
        return self.pipelines[int(rng.choice(len(self.pipelines), p=self.prob))](image, target, rng)


@register("transform")
class Normalize:
    """(image - mean) / std per channel -> float32 [3, H, W], RGB (to_bgr=True: BGR, with mean and std in this order)."""

    def __init__(self, mean: tuple[float, float, float], std: tuple[float, float, float], to_bgr: bool = False):
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and min(std) > 0):
            raise ConfigError(f"Normalize: mean and std must be finite and std above 0, not {mean} and {std}")
        self.mean = np.asarray(mean, np.float32).reshape(3, 1, 1)
        self.inverse = 1 / np.asarray(std, np.float32).reshape(3, 1, 1)
        self.to_bgr = to_bgr

    def __call__(self, image, target, rng=None):
        image = _pixels(image).transpose(2, 0, 1)
        image = image[::-1] if self.to_bgr else image
        out = image.astype(np.float32, order="C")
        out -= self.mean
        out *= self.inverse
        return out, target

    def undo(self, image):
        """The uint8 RGB image [H, W, 3] from a normalised image [3, H, W]."""
        image = (image / self.inverse + self.mean).clip(0, 255).round().astype(np.uint8)
        return np.ascontiguousarray((image[::-1] if self.to_bgr else image).transpose(1, 2, 0))


@register("transform")
class Pad:
    """Pad image and masks with zeros, at the right and bottom, to multiples of `size_divisor`. Sets pad_shape, not img_size.

    After Normalize (as in the recipes) zero is the mean colour; before it, black.
    """

    def __init__(self, size_divisor: int = 32):
        if not 1 <= size_divisor <= MOST_PIXELS:
            raise ConfigError(f"Pad: size_divisor must be from 1 to {MOST_PIXELS}, got {size_divisor}")
        self.size_divisor = size_divisor

    def __call__(self, image, target, rng=None):
        channels_first = isinstance(image, np.ndarray) and image.dtype.kind == "f"
        image = image if channels_first else _pixels(image)
        height, width = image.shape[1:] if channels_first else image.shape[:2]
        down, right = -height % self.size_divisor, -width % self.size_divisor
        if down or right:
            sides = ((0, 0), (0, down), (0, right))
            image = np.pad(image, sides if channels_first else (*sides[1:], (0, 0)))
            if target.get("masks") is not None:
                target["masks"] = target["masks"].pad(right, down)
        target["pad_shape"] = (width + right, height + down)
        return image, target


def steps_of(dataset):
    """The transforms of a data set; () if those of a user's own class are no Compose."""
    return getattr(getattr(dataset, "transforms", None), "transforms", ())


def of_small_numbers(training) -> list:
    """A list with a line for the log if the Normalize of a data set has numbers for images from 0 to 1, else []."""
    step = next((t for t in steps_of(training) if isinstance(t, Normalize)), None)
    if step is None or step.mean.max() >= 1 or step.inverse.min() <= 1:  # a std of at least 1
        return []
    return [
        "warning: mean and std of Normalize in dataset.train.transforms look like those of images from 0 to 1, but jsra's "
        "pixels are 0 to 255: multiply them by 255"
    ]


def other_colours(training, evaluation) -> list:
    """A list with a line for the log if the Normalize of these data sets differ, else []."""
    both = [next((t for t in steps_of(one) if isinstance(t, Normalize)), None) for one in (training, evaluation)]
    if None in both or all(np.array_equal(*(getattr(one, key) for one in both)) for key in ("mean", "inverse", "to_bgr")):
        return []
    return [
        "warning: dataset.val.transforms has another Normalize than dataset.train.transforms: AP will be low, because the "
        "model is trained on images with other colours; give both the same mean, std and to_bgr"
    ]
