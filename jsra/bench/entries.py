"""The measurements of `jsra bench ops`: one entry per operator and setting.

To add an operator, write a function that yields Entries and decorate it with @entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

IMAGE = (800, 1216)  # height, width in pixels; P2 of it is 200 x 304
SHAPE = (2, 256, 200, 304)
SCALE = 0.25
_MAKERS = []


@dataclass
class Entry:
    """One measurement.

    Attributes:
        name: unique.
        call: the operator, a function of Vars and `settings`.
        inputs: function (rng, count) -> list of NumPy arrays, the operator's Vars.
        gradient: whether the backward is also measured.
        peer: name of a function in a peer (jsra/bench/peer.py) of the same inputs and settings, or None.
        peer_settings: its keyword arguments; `gradients`: the number of inputs, from the first on, that get gradients (1).
        sweep: whether the dependence on `count` is measured.
        count: number of RoIs (or boxes).
        compare: whether the peer's outputs must be the same.
    """

    name: str
    call: object
    inputs: object
    settings: dict = field(default_factory=dict)
    gradient: bool = True
    peer: str | None = None
    peer_settings: dict = field(default_factory=dict)
    sweep: bool = False
    count: int | None = None
    compare: bool = True


def entries(function):
    """Decorator of a function that yields Entries."""
    _MAKERS.append(function)
    return function


def all_entries() -> list:
    """Every Entry, in the order of this file."""
    return [entry for make in _MAKERS for entry in make()]


def rois(rng, count):
    """RoIs [count, 5] in two images: sides from 16 to 512 pixels, uniform in their logarithms."""
    sizes = np.exp(rng.uniform(np.log(16), np.log(512), (count, 2)))
    corners = rng.uniform(0, 1, (count, 2)) * (np.array(IMAGE[::-1]) - sizes)
    batch = rng.integers(0, SHAPE[0], (count, 1))
    return np.concatenate([batch, corners, corners + sizes], axis=1).astype(np.float32)


def features(rng):
    """Random features float32 of SHAPE, [B, C, H, W]."""
    return rng.standard_normal(SHAPE, dtype=np.float32)


def boxes(rng, count):
    """Boxes [count, 4] in clusters, like the proposals of a detector, and their scores."""
    centres = rng.uniform(0, 1000, (max(1, count // 40), 2))
    corners = centres[rng.integers(0, len(centres), count)] + rng.normal(0, 12, (count, 2))
    sizes = np.exp(rng.uniform(np.log(16), np.log(256), (count, 2)))
    found = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)
    return found, rng.uniform(0, 1, count).astype(np.float32)


@entries
def _roi_align():
    from jsra.ops import roi_align

    for ratio in (2, 0):
        settings = dict(output_size=7, spatial_scale=SCALE, sampling_ratio=ratio, aligned=True)
        yield Entry(
            f"roi_align ratio {ratio or 'adaptive'}",
            roi_align,
            lambda rng, count: [features(rng), rois(rng, count)],
            settings,
            peer="roi_align",
            peer_settings=settings,
            sweep=True,
        )


@entries
def _roi_pool():
    from jsra.ops import roi_pool

    settings = dict(output_size=7, spatial_scale=SCALE)
    make = lambda rng, count: [features(rng), rois(rng, count)]  # noqa: E731
    yield Entry("roi_pool", roi_pool, make, settings, peer="roi_pool", peer_settings=settings)


@entries
def _sra():
    from jsra.ops import dynamic_sampler, masked_sum

    align = dict(output_size=7, spatial_scale=SCALE, sampling_ratio=0, aligned=True)
    yield Entry(
        "dynamic_sampler M 64 (next to roi_align)",
        lambda x, r, **settings: dynamic_sampler(x, r, **settings)[0],
        lambda rng, count: [features(rng), rois(rng, count)],
        dict(spatial_scale=SCALE),
        peer="roi_align",
        peer_settings=align,
        sweep=True,
        compare=False,
    )

    def packed(rng, count):
        from jsra.ops.reference.dynamic_sampler import choose_grid

        sizes = [np.prod(choose_grid(r[3] - r[1], r[4] - r[2], 64)) for r in rois(rng, count)]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
        total = int(offsets[-1])
        logits = rng.standard_normal((total, 49), dtype=np.float32)
        return [logits, rng.standard_normal((total, SHAPE[1]), dtype=np.float32), offsets]

    yield Entry("masked_sum N 49", masked_sum, packed, dict(gamma=50.0), sweep=True)


@entries
def _nms():
    from jsra.ops import nms

    settings = dict(iou_threshold=0.7)
    yield Entry(
        "nms",
        nms,
        lambda rng, count: list(boxes(rng, count)),
        settings,
        gradient=False,
        peer="nms",
        peer_settings=settings,
        count=4000,
    )


def tokens(rng, *shapes):
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


@entries
def _transformers():
    """The operators of transformers and attention pyramids, on P2 of one image, channels-last."""
    from jsra.ops import attention, bmm, depthwise_conv2d, gelu, layer_norm

    _, c, h, w = SHAPE
    pooled = sum(-(-h // stride) * -(-w // stride) for stride in (16, 8))
    windows, head = h * w // 49, (49, 3, c // 8)

    def entry(name, call, gradients, *shapes, settings=None):
        return Entry(
            name,
            call,
            lambda rng, count: tokens(rng, *shapes),
            settings or {},
            peer=call.__name__,
            peer_settings=dict(settings or {}, gradients=gradients),
            count=1,
        )

    yield entry("attention, pooled keys", attention, 3, (1, h * w, 4, c // 4), *[(1, pooled, 4, c // 4)] * 2)
    yield entry("attention, windows of 7 x 7", attention, 4, *[(windows, *head)] * 3, (3, 49, 49), (windows, 49, 49))
    yield entry("bmm", bmm, 2, (8, h * w // 64, c // 8), (8, c // 8, h * w // 64))
    yield entry("layer_norm", layer_norm, 3, (h * w, c), (c,), (c,))
    yield entry("gelu", gelu, 1, (h * w, 2 * c))
    depthwise = (1, h, w, 2 * c), (2 * c, 1, 3, 3), (2 * c,)
    yield entry("depthwise_conv2d 3 x 3", depthwise_conv2d, 3, *depthwise, settings=dict(padding=1))


@entries
def _deformable():
    """ViT-Adapter-T's injector and the first stage of InternImage-T, on the maps of one image."""
    from jsra.ops import dcn_v3, ms_deform_attn

    _, c, h, w = SHAPE
    sizes = [[-(-h // stride), -(-w // stride)] for stride in (2, 4, 8)]

    def shares(rng, *shape):
        found = rng.random(shape, dtype=np.float32)
        return found / found.sum(-1, keepdims=True)

    def injected(rng, count):
        (rows, columns), heads, points = sizes[1], 6, 4
        centres = np.stack(np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows), -1)
        shape = 1, rows * columns, heads, len(sizes), points
        moved = 2 * rng.standard_normal((*shape, 2), dtype=np.float32) / np.float32(sizes)[:, None, ::-1]
        value = rng.standard_normal((1, sum(a * b for a, b in sizes), heads, c // 8), dtype=np.float32)
        locations = centres.reshape(1, -1, 1, 1, 1, 2).astype(np.float32) + moved
        return [value, locations, shares(rng, *shape[:3], len(sizes) * points).reshape(shape)]

    def convolved(rng, count):
        groups = 4
        x, offset = tokens(rng, (1, h, w, c // 4), (1, h, w, groups * 9 * 2))
        return [x, offset, shares(rng, 1, h, w, groups, 9).reshape(1, h, w, groups * 9)]

    yield Entry(
        "ms_deform_attn, 3 maps",
        ms_deform_attn,
        injected,
        dict(sizes=sizes),
        peer="ms_deform_attn",
        peer_settings=dict(sizes=sizes, gradients=3),
        count=1,
    )
    yield Entry("dcn_v3", dcn_v3, convolved, peer="dcn_v3", peer_settings=dict(gradients=3), count=1)
