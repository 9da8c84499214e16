"""Pixels and visible masks of a scene."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from jsra.data.puppets.backgrounds import background, noise, rgb
from jsra.data.puppets.figures import parts_of

OVERSAMPLING = 2
_PALETTES = (
    ("e63946", "f1faee", "457b9d"), ("ffb703", "fb8500", "219ebc"), ("8ecae6", "ffb703", "023047"),
    ("f28482", "f6bd60", "84a59d"), ("9b5de5", "f15bb5", "fee440"), ("bc6c25", "dda15e", "606c38"),
    ("ef476f", "ffd166", "06d6a0"), ("5f0f40", "fb8b24", "9a031e"), ("e0fbfc", "98c1d9", "ee6c4d"),
    ("cdb4db", "ffc8dd", "a2d2ff"), ("3a86ff", "ffbe0b", "ff006e"), ("d8e2dc", "9d8189", "f4acb7"),
    ("52796f", "cad2c5", "84a98c"), ("495057", "ced4da", "adb5bd"), ("780000", "fdf0d5", "669bbc"),
)  # fmt: skip


class Style:
    """Colours and patterns of one figure: role -> (colour, pattern, frequency)."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        palette = _PALETTES[int(rng.integers(len(_PALETTES)))]
        self.roles = {}
        for role, code in zip(("body", "limb", "accent"), rng.permutation(palette)):
            pattern = ("plain", "plain", "stripes", "dots")[int(rng.integers(4))]
            colour = np.clip(rgb(code) * rng.uniform(0.85, 1.05) + rng.normal(0, 10, 3), 10, 250)
            self.roles[role] = (colour.astype(np.float32), pattern, float(rng.uniform(0.5, 1.1)))


class Canvas:
    """Colours [H, W, 3] and, per pixel, which part of which figure is visible (0: none), at OVERSAMPLING times the size."""

    def __init__(self, colours, light):
        self.colours = colours
        self.height, self.width = colours.shape[:2]
        self.seen = np.zeros((self.height, self.width), np.int32)
        self.light = light

    def stencil(self, outline, pad=2):
        """(left, top, coverage image) of an outline in canvas pixels, or None if it is outside."""
        low = np.maximum(np.floor(outline.min(0)).astype(int) - pad, 0)
        high = np.minimum(np.ceil(outline.max(0)).astype(int) + pad, (self.width, self.height))
        if (high - low < 2).any():
            return None
        image = Image.new("L", tuple(int(v) for v in high - low))
        ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in outline - low], fill=255)
        return int(low[0]), int(low[1]), image

    def paint(self, outline, colour, mark, relief=1.0, pattern="plain", frequency=1.0, joint=None):
        """Fill an outline with the shading of a round body, and mark its pixels."""
        found = self.stencil(outline)
        if found is None:
            return
        left, top, image = found
        extent = outline.max(0) - outline.min(0)
        radius = float(np.clip(0.16 * extent.min(), 0.5 * OVERSAMPLING, 5 * OVERSAMPLING))
        inside = np.asarray(image) > 0
        height = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255
        slope_y, slope_x = np.gradient(height)
        shade = 0.62 + 0.4 * np.clip(2 * height - 0.9, 0, 1)
        shade += relief * radius * 0.75 * (self.light[0] * slope_x + self.light[1] * slope_y)
        if pattern != "plain" and joint is not None:
            y, x = np.ogrid[: image.height, : image.width]
            axis = outline.mean(0) - joint
            axis = axis / max(np.hypot(*axis), 1e-6)
            x, y = x + (left - joint[0]), y + (top - joint[1])
            period = frequency * 3.5 * OVERSAMPLING
            wave = np.sin((x * axis[0] + y * axis[1]) / period)
            if pattern == "dots":
                wave = wave * np.sin((y * axis[0] - x * axis[1]) / period) - 0.3
            shade *= 1 - 0.28 * np.clip(4 * wave, 0, 1)
        place = (slice(top, top + image.height), slice(left, left + image.width))
        self.colours[place][inside] = np.clip(colour * shade[inside][:, None], 0, 255)
        self.seen[place][inside] = mark

    def shadow(self, outlines, depth, blur):
        """Darken the area behind a figure, shifted `depth` pixels away from the light and blurred by `blur` pixels."""
        moved = [outline - np.array(self.light) * depth for outline in outlines]
        pad = int(3 * blur) + 1
        low = np.maximum(np.min([m.min(0) for m in moved], 0).astype(int) - pad, 0)
        high = np.minimum(np.max([m.max(0) for m in moved], 0).astype(int) + pad, (self.width, self.height))
        if (high <= low).any():
            return
        image = Image.new("L", tuple(int(v) for v in high - low))
        draw = ImageDraw.Draw(image)
        for outline in moved:
            draw.polygon([(float(x), float(y)) for x, y in outline - low], fill=255)
        dark = 1 - np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32) * (0.45 / 255)
        self.colours[low[1] : high[1], low[0] : high[0]] *= dark[..., None]


def render(scene):
    """(uint8 [H, W, 3], seen [H * k, W * k] int32 with k = OVERSAMPLING).

    seen is 64 * (number of the figure + 1) + (number of the part in parts_of) where a part of a figure is visible, otherwise
    a number below 64.
    """
    rng = np.random.default_rng(scene.seed)
    k = OVERSAMPLING
    width, height = scene.size
    base = Image.fromarray(background(rng, scene.size).astype(np.uint8)).resize((width * k, height * k), Image.BICUBIC)
    turn = rng.uniform(-np.pi, 0)  # light from above
    canvas = Canvas(np.asarray(base, np.float32).copy(), (-np.cos(turn), -np.sin(turn)))
    for outline, style, role in scene.loose:
        colour, pattern, frequency = Style(style).roles[role]
        canvas.shadow([outline * k], 2.5 * k, 2.0 * k)
        canvas.paint(outline * k, colour, 0, 1.0, pattern, frequency, outline[0] * k)
    for number, figure in enumerate(scene.figures):
        _paint_figure(canvas, figure, number)
    for outline in scene.occluders:
        canvas.shadow([outline * k], 4 * k, 2.5 * k)
        canvas.paint(outline * k, np.clip(rng.uniform(40, 200, 3), 0, 255), 0)
    picture = sum(canvas.colours[i::k, j::k] for i in range(k) for j in range(k)) / k**2
    return _photograph(picture, rng, scene), canvas.seen


def _paint_figure(canvas, figure, number):
    k = OVERSAMPLING
    style = Style(figure.style)
    placed = figure.parts
    size = figure.change["scale"]
    depth, blur = (0.035 * size + 1) * k, (0.015 * size + 1) * k
    canvas.shadow([outline * k for outline, _, _ in placed.values()], depth, blur)
    order = sorted(enumerate(parts_of(figure.name)), key=lambda item: item[1].z)
    for index, part in order:
        outline, joint, eye = placed[part.name]
        colour, pattern, frequency = style.roles[part.role]
        far = 0.72 if part.name.startswith("far_") else 1.0  # limbs behind the body are darker
        mark = 64 * (number + 1) + index
        canvas.paint(outline * k, colour * far, mark, 1.0, pattern, frequency * size / 60, joint * k)
        if eye is not None:
            centre = eye.mean(0)
            for factor, shift, tone in ((1.5, 0.0, 245), (0.95, 0.0, 25), (0.35, -0.35, 250)):
                ring = (centre + (eye - centre) * factor + (eye[0] - centre) * shift) * k
                canvas.paint(ring, np.full(3, tone, np.float32), mark, 0.0)


def _photograph(picture, rng, scene):
    """Uneven light, colour cast, contrast, a little blur and sensor noise."""
    width, height = scene.size
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(scene.size) - 0.5
    turn, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.75 if scene.hard else 0.5)
    picture = (
        picture * (1 + strength * (np.cos(turn) * x + np.sin(turn) * y) + 0.05 * noise(rng, scene.size, 2))[..., None]
    )
    picture = picture * rng.uniform(0.9, 1.1, 3) * rng.uniform(0.75, 1.2)
    grey = picture.mean()
    picture = grey + (picture - grey) * rng.uniform(0.7, 1.1)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.9 if scene.hard else 0.6))))
    noisy = np.asarray(image, np.float32) + rng.standard_normal((height, width, 3), np.float32) * rng.uniform(1, 6)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
