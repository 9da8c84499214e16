"""The content of one image: figures, loose parts, occluders and light, drawn from a seed.

There are two kinds of scenes. In the ordinary ones everything varies. In the fixed ones, figures are upright in their rest
pose, facing right, with nearly the same size; the test splits show the same scenes (positions, colours, background, light)
with one transformation applied to every figure, so that a loss of accuracy is due to this transformation.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from jsra.data.puppets.figures import FIGURES, parts_of, posed, random_pose

ORDINARY = ("train", "val")
FIXED = (
    "train_fixed", "test_fixed", "test_rotation", "test_reflection", "test_perspective", "test_pose", "test_scale",
)  # fmt: skip
SPLITS = ORDINARY + FIXED
CLASSES = tuple(FIGURES)


class Figure:
    """A figure of a scene. `matrix` [3, 3] maps the figure's plane (longer side 1 at rest, centred at the origin, y down) to
    pixels, with perspective. `change`: how it was made: angle (degrees, clockwise), mirrored, scale (pixels of
    the longer side at rest), tilt (degrees about the figure's x and y axes), pose ({part: degrees})."""

    def __init__(self, name, centre, scale, angle=0.0, mirrored=False, tilt=(0.0, 0.0), pose=None, style=0):
        self.name = name
        self.change = {
            "angle": angle, "mirrored": mirrored, "scale": scale, "tilt": list(tilt), "pose": pose or {},
        }  # fmt: skip
        self.style = style
        self.matrix = _matrix(centre, scale, angle, mirrored, tilt)

    @cached_property
    def parts(self):
        """{part: (outline [n, 2] in pixels, joint [2], eye outline [m, 2] or None)}, in the order of parts_of."""
        out = {}
        for name, (outline, joint, eye) in posed(self.name, self.change["pose"]).items():
            if eye is not None:
                t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
                eye = project(self.matrix, eye[0] + eye[1] * np.stack([np.cos(t), np.sin(t)], 1))
            out[name] = (project(self.matrix, outline), project(self.matrix, joint[None])[0], eye)
        return out


class Scene:
    """size: (width, height) in pixels. figures: from far to near. loose: [(outline in pixels, style, role)]. occluders:
    [outline]. seed: for background, light and noise."""

    def __init__(self, size, figures, loose, occluders, seed, hard):
        self.size = size
        self.figures = figures
        self.loose = loose
        self.occluders = occluders
        self.seed = seed
        self.hard = hard


def project(matrix, points):
    """Points [n, 2] through a 3 x 3 homography."""
    p = points @ matrix[:, :2].T + matrix[:, 2]
    return p[:, :2] / p[:, 2:]


def _matrix(centre, scale, angle, mirrored, tilt):
    a, tx, ty = np.deg2rad([angle, *tilt])
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    about_x = np.array([[1, 0, 0], [0, np.cos(tx), -np.sin(tx)], [0, np.sin(tx), np.cos(tx)]])
    about_y = np.array([[np.cos(ty), 0, np.sin(ty)], [0, 1, 0], [-np.sin(ty), 0, np.cos(ty)]])
    plane = (about_y @ about_x)[:, :2] @ turn
    distance = 1.6  # of the camera, in lengths of the figure: so near that the perspective is visible
    homography = np.eye(3)
    homography[:2, :2] = scale * plane[:2]
    homography[2, :2] = plane[2] / distance
    shift = np.eye(3)
    shift[:2, 2] = centre
    return shift @ homography


def _layout(rng, size, count, scales, spread, margin):
    """Centres of at most `count` figures of the given sizes; the distance of two is at least spread * their mean size."""
    placed = []
    for scale in scales[:count]:
        for _ in range(40):
            centre = rng.uniform(margin * scale, size - margin * scale, 2)
            if all(np.hypot(*(centre - c)) >= spread * (scale + s) / 2 for c, s in placed):
                placed.append((centre, scale))
                break
    return placed


def _sign(rng):
    return 1 if rng.random() < 0.5 else -1


def _ordinary(rng, size):
    count = int(rng.integers(1, 6))
    scales = np.exp(rng.uniform(np.log(0.19), np.log(0.62), count)) * size
    figures = []
    for centre, scale in _layout(rng, size, count, np.sort(scales)[::-1], 0.6, 0.38):
        name = CLASSES[int(rng.integers(len(CLASSES)))]
        angle = float(rng.normal(0, 12) if rng.random() < 0.5 else rng.uniform(-180, 180))
        tilt = rng.uniform(-45, 45, 2) if rng.random() < 0.6 else np.zeros(2)
        figures.append(Figure(name, centre, float(scale), angle, bool(rng.random() < 0.5), [float(t) for t in tilt],
                              random_pose(name, rng), int(rng.integers(2**31))))  # fmt: skip
    return [figures[i] for i in rng.permutation(len(figures))]


def _fixed(rng, change, size, split):
    count = int(rng.integers(1, 5))
    scales = rng.uniform(0.29, 0.36, count) * size
    figures = []
    for centre, scale in _layout(rng, size, count, scales, 0.95, 0.52):
        name = CLASSES[int(rng.integers(len(CLASSES)))]
        how = {"style": int(rng.integers(2**31))}
        if split == "test_rotation":
            how["angle"] = float(change.uniform(30, 330))
        elif split == "test_reflection":
            how["mirrored"] = True
        elif split == "test_perspective":
            strong, other = _sign(change) * change.uniform(40, 58), change.uniform(-30, 30)
            how["tilt"] = [float(t) for t in ((strong, other) if change.random() < 0.5 else (other, strong))]
        elif split == "test_pose":
            how["pose"] = random_pose(name, change)
        elif split == "test_scale":
            scale *= change.uniform(0.45, 0.7) if change.random() < 0.5 else change.uniform(1.4, 1.8)
            centre = np.clip(centre, 0.45 * scale, size - 0.45 * scale)
        figures.append(Figure(name, centre, float(scale), **how))
    return figures


def _loose_parts(rng, size, count):
    """Single parts of figures at random positions, so that a part alone does not determine the class."""
    out = []
    for _ in range(count):
        name = CLASSES[int(rng.integers(len(CLASSES)))]
        parts = parts_of(name)
        part = parts[int(rng.integers(len(parts)))]
        scale, turn, centre = rng.uniform(0.2, 0.45) * size, rng.uniform(0, 2 * np.pi), rng.uniform(0, size, 2)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        out.append(((part.outline * scale) @ rotation.T + centre, int(rng.integers(2**31)), part.role))
    return out


def _occluders(rng, size, count):
    """Bars and blades of grass in front of everything."""
    out = []
    for _ in range(count):
        centre, turn = rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0, np.pi)
        along = np.array([np.cos(turn), np.sin(turn)]) * size * rng.uniform(0.25, 0.9)
        across = np.array([-np.sin(turn), np.cos(turn)]) * size * rng.uniform(0.012, 0.035)
        t = np.linspace(-1, 1, 20)[:, None]
        bend = across * rng.uniform(-6, 6) * (1 - t**2)
        thick = across * (1 - rng.uniform(0, 0.8) * np.abs(t))
        out.append(np.concatenate([centre + along * t + bend + thick, (centre + along * t + bend - thick)[::-1]]))
    return out


def make_scene(split, index, seed, size):
    """Scene `index` of a split. The test splits of the fixed scenes differ only in the transformation."""
    if split in ORDINARY:
        rng = np.random.default_rng([seed, ORDINARY.index(split), index])
        figures = _ordinary(rng, size)
        loose, occluders = int(rng.integers(0, 7)), int(rng.integers(0, 3))
    else:
        world = len(ORDINARY) + (split != "train_fixed")
        rng = np.random.default_rng([seed, world, index])
        change = np.random.default_rng([seed, 100 + FIXED.index(split), index])
        figures = _fixed(np.random.default_rng(rng.integers(2**63)), change, size, split)
        loose, occluders = int(rng.integers(0, 5)), int(rng.integers(0, 2))
    return Scene((size, size), figures, _loose_parts(rng, size, loose), _occluders(rng, size, occluders),
                 int(rng.integers(2**31)), split in ORDINARY)  # fmt: skip


def still_life(rng, size):
    """The static part of a clip: (loose parts, occluders, seed of background and light) of a Scene."""
    return _loose_parts(rng, size, int(rng.integers(0, 5))), _occluders(rng, size, int(rng.integers(0, 3))), int(
        rng.integers(2**31)
    )
