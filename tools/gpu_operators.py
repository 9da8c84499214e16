"""What gpu_check.py runs: one function an operator, that yields Cases beside torchvision or PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torchvision
from cuda_library import Library

CHECKS = {}
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
NAN = float("nan")
DEGENERATE = [
    [0, NAN, 1, 9, 9],
    [NAN, 1, 1, 9, 9],
    [0, 1, 1, float("inf"), 9],
    [0, 9, 1, 5, 9],
    [0, 1, 9, 9, 5],
    [0, 5, 1, 5, 9],
    [0, 1e6, 1e6, 1e6 + 50, 1e6 + 50],
    [0, 1e20, 1e20, 2e20, 2e20],
    [9, 1, 1, 9, 9],
]


@dataclass
class Case:
    """Callables without arguments that return lists of tensors; bytes: what must be moved, by direction; to be timed."""

    name: str
    forward: object
    peer_forward: object = None
    backward: object = None
    peer_backward: object = None
    bytes: dict | None = None
    tolerance: float | None = None
    operator: str = ""
    dtype: str = ""


class Machine:
    """Where things run, and the compiled operators."""

    def __init__(self, stand_in, nvcc):
        self.stand_in, self.nvcc = stand_in, nvcc
        self.device = "cpu" if stand_in else "cuda"
        self.libraries = {}

    def library(self, name):
        if name not in self.libraries:
            self.libraries[name] = Library(name, self.stand_in, self.nvcc)
        return self.libraries[name]

    def wait(self):
        if not self.stand_in:
            torch.cuda.synchronize()

    def maps(self, dtype, large):
        """Levels P2 to P5 of two images of 800 x 1344 with 256 channels; or tiny ones."""
        full = large and not self.stand_in
        channels, base = (256, (200, 336)) if full else (24, (20, 34))
        return [self.random((2, channels, base[0] >> i, base[1] >> i), dtype) for i in range(4)]

    def random(self, shape, dtype=torch.float32):
        return torch.randn(shape, device=self.device).to(dtype)

    def rois(self, count, width, height, low=16.0, high=512.0):
        """RoIs [count, 5] and their FPN levels; half of them reach over the border by up to 8 pixels."""
        limit = torch.tensor([width, height], device=self.device)
        size = (
            torch.exp(torch.empty((count, 2), device=self.device).uniform_() * torch.log(torch.tensor(high / low)))
            * low
        )
        size = torch.minimum(size, limit.float())
        corner = torch.rand((count, 2), device=self.device) * (limit - size + 16) - 8
        batch = torch.randint(0, 2, (count, 1), device=self.device).float()
        level = torch.floor(torch.log2(size.prod(1).sqrt() / 56 + 1e-6)).clamp(0, 3).int()
        return torch.cat([batch, corner, corner + size], dim=1), level


def operator(function):
    CHECKS[function.__name__] = function
    return function


def sizes(maps):
    return dict(
        batches=maps[0].shape[0],
        channels=maps[0].shape[1],
        heights=[m.shape[2] for m in maps],
        widths=[m.shape[3] for m in maps],
    )


def shapes(maps, dtype=None):
    return [(tuple(m.shape), dtype or m.dtype) for m in maps]


def by_level(function, maps, rois, level, scales):
    """A torchvision RoI operator over a pyramid: one call a level, as its MultiScaleRoIAlign does."""
    out = None
    for i, (m, scale) in enumerate(zip(maps, scales)):
        index = torch.nonzero(level == i).flatten()
        result = function(m, rois[index], scale)
        if out is None:
            out = result.new_zeros((len(rois), *result.shape[1:]))
        out[index] = result
    return out


def peers(function, maps, rois, level, scales, dout):
    """A peer's forward and its gradient to the maps, in float32."""
    leaves = [m.float().clone().requires_grad_() for m in maps]

    def forward():
        with torch.no_grad():
            return [by_level(function, leaves, rois, level, scales)]

    state = by_level(function, leaves, rois, level, scales)

    def backward():
        return list(torch.autograd.grad(state, leaves, dout.float(), retain_graph=True, allow_unused=True))

    return forward, backward


def moved(tensors):
    return sum(t.numel() * t.element_size() for t in tensors)


SCALES = [1 / 4, 1 / 8, 1 / 16, 1 / 32]


@operator
def roi_align(machine, dtype):
    library, dtype = machine.library("roi_align"), DTYPES[dtype]

    def ours(maps, rois, level, scales, bins, ratio, aligned):
        scalars = dict(sizes(maps), scales=scales, count=len(rois), bins_y=bins[0], bins_x=bins[1])
        scalars.update(sampling_ratio=ratio, aligned=aligned)
        shape = (len(rois), maps[0].shape[1], *bins)
        dout = machine.random(shape, dtype)
        return (
            dout,
            lambda: library.run("forward", [maps, rois, level], [(shape, dtype), shapes(maps)], **scalars)[:1],
            lambda: library.run("backward", [dout, rois, level], [shapes(maps), (shape, dtype)], **scalars)[
                : len(maps)
            ],
        )

    for large, bins, ratio, aligned in (
        (False, (3, 2), 0, True),
        (False, (7, 7), 2, False),
        (True, (7, 7), 0, True),
        (True, (7, 7), 2, True),
        (True, (14, 14), 0, True),
    ):
        maps = machine.maps(dtype, large)
        width, height = maps[0].shape[3] * 4, maps[0].shape[2] * 4
        rois, level = machine.rois(2000 if large and not machine.stand_in else 12, width, height)
        dout, forward, backward = ours(maps, rois, level, SCALES, bins, ratio, aligned)

        def peer(m, r, scale, bins=bins, ratio=ratio, aligned=aligned):
            return torchvision.ops.roi_align(m, r, bins, scale, ratio, aligned)

        bytes_ = dict.fromkeys(("forward", "backward"), moved([*maps, dout]))
        name = f"{len(rois)} RoIs, {bins[0]}x{bins[1]}, ratio {ratio}, aligned {aligned}"
        yield Case(
            name, forward, *_swap(backward, peers(peer, maps, rois, level, SCALES, dout)), bytes_ if large else None
        )

    maps = machine.maps(dtype, False)[:1]
    good, _ = machine.rois(len(DEGENERATE), 100, 70, 5, 60)
    bad = torch.tensor(DEGENERATE, device=machine.device)
    mixed = torch.stack([good, bad], dim=1).reshape(-1, 5).contiguous()
    level = torch.zeros(len(mixed), dtype=torch.int32, device=machine.device)
    dout, forward, backward = ours(maps, mixed, level, [0.25], (7, 7), 0, True)
    peer_forward, peer_backward = peers(
        lambda m, r, scale: torchvision.ops.roi_align(m, r, 7, scale, 0, True),
        maps,
        good,
        level[::2],
        [0.25],
        dout[::2],
    )
    yield Case(
        "degenerate boxes",
        forward,
        lambda: [torch.stack([peer_forward()[0], torch.zeros_like(peer_forward()[0])], 1).flatten(0, 1)],
        backward,
        peer_backward,
    )
    huge = torch.tensor([[0, -1e6, -1e6, 1e6, 1e6]], device=machine.device)
    dout, forward, backward = ours(maps, huge, level[:1], [0.25], (7, 7), 0, True)
    yield Case("a box of a million pixels ends", forward, None, backward)
    dout, forward, backward = ours(maps, huge[:0], level[:0], [0.25], (7, 7), 0, True)
    yield Case("no RoIs", forward, lambda: [dout], backward, lambda: [torch.zeros_like(m) for m in maps])


def _swap(backward, pair):
    """The three callables that follow `forward` in a Case."""
    return pair[0], backward, pair[1]


@operator
def roi_pool(machine, dtype):
    library, dtype = machine.library("roi_pool"), DTYPES[dtype]
    for large in (False, True):
        maps = machine.maps(dtype, large)
        rois, level = machine.rois(
            2000 if large and not machine.stand_in else 12, maps[0].shape[3] * 4, maps[0].shape[2] * 4
        )
        bins = dict(count=len(rois), bins_y=7, bins_x=7)
        shape = (len(rois), maps[0].shape[1], 7, 7)
        dout = machine.random(shape, dtype)

        def forward(maps=maps, rois=rois, level=level, bins=bins, shape=shape):
            outputs = [(shape, dtype), (shape, torch.int32)]
            return library.run("forward", [maps, rois, level], outputs, **sizes(maps), scales=SCALES, **bins)

        argmax = forward()[1]

        def backward(maps=maps, rois=rois, level=level, bins=bins, dout=dout, argmax=argmax):
            outputs = [shapes(maps), shapes(maps, torch.int64), ((1,), torch.int32)]
            return library.run("backward", [dout, rois, level, argmax], outputs, **sizes(maps), **bins)[: len(maps)]

        peer = peers(lambda m, r, s: torchvision.ops.roi_pool(m, r, 7, s), maps, rois, level, SCALES, dout)
        bytes_ = dict.fromkeys(("forward", "backward"), moved([*maps, dout]))
        yield Case(f"{len(rois)} RoIs", lambda f=forward: f()[:1], *_swap(backward, peer), bytes_ if large else None)


@operator
def dynamic_sampler(machine, dtype):
    """On a fixed grid of 8 x 8, which torchvision has too."""
    library, dtype = machine.library("dynamic_sampler"), DTYPES[dtype]
    for large in (False, True):
        maps = machine.maps(dtype, large)
        count = 2000 if large and not machine.stand_in else 12
        rois, level = machine.rois(count, maps[0].shape[3] * 4, maps[0].shape[2] * 4)
        grids = torch.full((count, 2), 8, dtype=torch.int32, device=machine.device)
        offsets = torch.arange(count + 1, dtype=torch.int32, device=machine.device) * 64
        inputs = [rois, level, grids, offsets]
        scalars = dict(sizes(maps), scales=SCALES, count=count, sides=16, sampling_ratio=0)
        shape = (64 * count, maps[0].shape[1])
        dout = machine.random(shape, dtype)

        def forward(maps=maps, inputs=inputs, scalars=scalars, shape=shape):
            return library.run("forward", [maps, *inputs], [(shape, dtype), shapes(maps)], **scalars)[:1]

        def backward(maps=maps, inputs=inputs, scalars=scalars, dout=dout):
            return library.run("backward", [dout, *inputs], [shapes(maps)], **scalars)

        def packed(m, r, scale):
            return torchvision.ops.roi_align(m, r, 8, scale, 0, True).flatten(2).transpose(1, 2)

        peer_forward, peer_backward = peers(packed, maps, rois, level, SCALES, dout.reshape(count, 64, -1))
        bytes_ = dict.fromkeys(("forward", "backward"), moved([*maps, dout]))
        yield Case(
            f"{count} RoIs, 8x8",
            forward,
            lambda p=peer_forward: [p()[0].flatten(0, 1)],
            backward,
            peer_backward,
            bytes_ if large else None,
        )


@operator
def nms(machine, dtype):
    if dtype != "float32":
        return
    library = machine.library("nms")
    for count in (200, 4000) if not machine.stand_in else (50,):
        corner = torch.rand((count, 2), device=machine.device) * 300
        boxes = torch.cat([corner, corner + 5 + torch.rand((count, 2), device=machine.device) * 80], dim=1)
        scores = torch.rand(count, device=machine.device)
        groups = torch.zeros(count, dtype=torch.int32, device=machine.device)
        words, int32 = (count + 31) // 32, torch.int32
        outputs = [
            ((1, count), int32),
            ((1,), int32),
            ((1, count), int32),
            ((count * words,), int32),
            ((1,), int32),
            ((1,), torch.float32),
        ]

        def forward(boxes=boxes, scores=scores, groups=groups, outputs=outputs, count=count):
            numbers = dict(images=1, count=count, limit=count, groups_shared=1, has_valid=0, moved_limit=-1, threshold=0.7)
            keep, kept = library.run("forward", [boxes, scores, groups, groups], outputs, **numbers)[:2]
            return [keep[0, : int(kept)].long()]

        def peer(boxes=boxes, scores=scores):
            return [torchvision.ops.nms(boxes, scores, 0.7)]

        bytes_ = dict(forward=moved([boxes, scores]))
        yield Case(f"{count} boxes", forward, peer, bytes=bytes_, tolerance=0.0)
