"""Textured backgrounds, float32 [H, W, 3] in 0..255."""

from __future__ import annotations

import numpy as np
from PIL import Image

_PALETTES = (
    ("264653", "2a9d8f", "e9c46a", "f4a261"), ("606c38", "283618", "dda15e", "fefae0"),
    ("3d405b", "81b29a", "f2cc8f", "e07a5f"), ("22223b", "4a4e69", "9a8c98", "c9ada7"),
    ("386641", "6a994e", "a7c957", "f2e8cf"), ("03045e", "0077b6", "48cae4", "caf0f8"),
    ("6b705c", "a5a58d", "cb997e", "ffe8d6"), ("2b2d42", "8d99ae", "edf2f4", "b56576"),
    ("582f0e", "936639", "b6ad90", "a4ac86"), ("355070", "6d597a", "b56576", "eaac8b"),
)  # fmt: skip


def rgb(code):
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], np.float32)


def noise(rng, size, octaves=4, first=3):
    """Fractal value noise [H, W], mean 0, standard deviation 1."""
    out = rng.standard_normal((first, first), np.float32)
    for octave in range(1, octaves):
        cells = first * 2**octave
        finer = np.asarray(Image.fromarray(out).resize((cells, cells), Image.BICUBIC))
        out = finer + rng.standard_normal((cells, cells), np.float32) * 0.55**octave
    out = np.asarray(Image.fromarray(out).resize(size, Image.BICUBIC))
    return (out - out.mean()) / max(out.std(), 1e-6)


def _ramp(values, colours):
    """Values 0..1 to colours by linear interpolation between the palette's."""
    at = np.clip(values, 0, 1) * (len(colours) - 1)
    low = np.minimum(at.astype(int), len(colours) - 2)
    colours = np.stack(colours)
    fraction = (at - low)[..., None]
    return colours[low] * (1 - fraction) + colours[low + 1] * fraction


def background(rng, size):
    """One of seven textures in one of ten palettes."""
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(size)
    palette = _PALETTES[int(rng.integers(len(_PALETTES)))]
    colours = [rgb(c) for c in rng.permutation(palette)]
    rough = noise(rng, size, 5)
    turn = rng.uniform(0, np.pi)
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    kind = int(rng.integers(7))
    if kind == 0:  # clouds
        out = _ramp(0.5 + 0.28 * rough, colours)
    elif kind == 1:  # wavy stripes
        wave = np.sin(2 * np.pi * rng.uniform(3, 9) * (u + 0.02 * noise(rng, size, 2)))
        out = _ramp(0.5 + 0.5 * np.tanh(3 * wave), colours[:2])
    elif kind == 2:  # tiles
        n = rng.uniform(4, 9)
        tile = (np.floor(u * n) + np.floor(v * n)).astype(int)
        joint = np.minimum(np.abs(u * n % 1 - 0.5), np.abs(v * n % 1 - 0.5)) > 0.46
        out = np.stack(colours[:3])[tile % 3] * np.where(joint, 0.6, 1)[..., None]
    elif kind == 3:  # cells
        points = rng.uniform(0, 1, (int(rng.integers(14, 45)), 2))
        first, second, owner = np.full((3, height, width), 9, np.float32)
        for i, (px, py) in enumerate(points.astype(np.float32)):
            distance = np.hypot(x - px, y - py)
            owner = np.where(distance < first, i, owner)
            second = np.minimum(second, np.maximum(distance, first))
            first = np.minimum(first, distance)
        edge = np.clip((second - first) * 40, 0.45, 1)
        out = np.stack(colours)[owner.astype(int) % len(colours)] * edge[..., None]
    elif kind == 4:  # hills under a sky
        out = _ramp(y * 1.3, colours[:2])
        for i in range(3):
            ridge = 0.35 + 0.2 * i + 0.07 * noise(rng, (width, 1), 4, 2)[0]
            out = np.where((y > ridge)[..., None], colours[(i + 2) % 4] * (0.75 + 0.12 * i), out)
    elif kind == 5:  # dots
        n = rng.uniform(5, 12)
        inside = np.hypot(u * n % 1 - 0.5, v * n % 1 - 0.5) < rng.uniform(0.2, 0.38)
        out = np.where(inside[..., None], colours[1], colours[0])
    else:  # wood
        out = _ramp(0.5 + 0.5 * np.sin(14 * (v * 2 + 0.1 * rough) + 3 * noise(rng, size, 2)), colours[:3])
    out = out * (1 + 0.07 * noise(rng, size, 6, 6))[..., None]
    # A middle range, so that figures are neither always lighter nor always darker than their background.
    return np.clip(128 + (out - 128) * rng.uniform(0.55, 0.95), 0, 255).astype(np.float32)
