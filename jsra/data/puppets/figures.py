"""The classes: figures as trees of jointed parts, and the positions of the parts in a pose.

All figures face right. Colours are not a feature of a class (all figures use the same palettes); a biped, a quadruped and a
crab differ only in their parts and how these are connected.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jsra.data.puppets.shapes import capsule, ellipse, points, smooth, straight


class Part:
    """One rigid part.

    parent: name of the part to which it is attached, at point `at` of that part's frame, rotated by `angle` degrees
    (clockwise, as y points down). swing: degrees by which a pose may rotate it. z: drawing order, larger is nearer. role:
    which colour of the figure it has. eye: centre and radius of an eye, or None.
    """

    def __init__(self, name, outline, parent=None, at=(0, 0), angle=0, swing=0, z=0, role="body", eye=None):
        self.name = name
        self.outline = outline
        self.parent = parent
        self.at = at
        self.angle = angle
        self.swing = swing if isinstance(swing, tuple) else (-swing, swing)
        self.z = z
        self.role = role
        self.eye = eye


def _limb(side, name, parent, at, angle, lengths, radius, swing, z, bend=(0, 0), foot=None, role="limb"):
    """A limb of two segments (and a foot), in front of the body or behind it."""
    upper, lower = lengths
    parts = [
        Part(f"{side}_{name}_upper", capsule(upper, radius, radius * 0.8), parent, at, angle, swing, z, role),
        Part(
            f"{side}_{name}_lower",
            capsule(lower, radius * 0.8, radius * 0.6),
            f"{side}_{name}_upper",
            (upper, 0),
            bend[0],
            bend[1],
            z - 1 if z > 0 else z + 1,
            role,
        ),
    ]
    if foot is not None:
        outline, turn = foot
        parts.append(Part(f"{side}_{name}_end", outline, f"{side}_{name}_lower", (lower, 0), turn, 15, z, "accent"))
    return parts


def _biped():
    foot = (smooth("-5,-4 3,-5 13,-1 15,3 -5,4.5"), -85)
    hand = (ellipse(0.045, 0.04, 0.03), 0)
    parts = [
        Part("torso", smooth("-10,-34 10,-34 12,-20 8,2 -8,2 -13,-20"), swing=8),
        Part("neck", capsule(0.1, 0.045), "torso", (0.01, -0.34), -84, 8, -1, "limb"),
        Part(
            "head",
            smooth("2,-13 16,-15 27,-8 29,3 20,10 13,15.5 10,11 2,9 -1,0"),
            "neck",
            (0.09, 0),
            0,
            18,
            3,
            "accent",
            ((0.16, 0.06), 0.026),
        ),
        Part("hat", smooth("0,-15 3,-17 10,-13 11,13 6,20 0,14"), "head", (0.21, 0), -6, 0, 4, "body"),
    ]
    parts += _limb("far", "arm", "torso", (0.0, -0.29), 55, (0.21, 0.2), 0.05, 70, -4, (-35, (-55, 15)), hand)
    parts += _limb("near", "arm", "torso", (0.0, -0.29), 118, (0.21, 0.2), 0.05, 70, 4, (-35, (-55, 15)), hand)
    parts += _limb("far", "leg", "torso", (0.01, 0.0), 72, (0.27, 0.27), 0.065, 45, -6, (22, (-15, 55)), foot)
    parts += _limb("near", "leg", "torso", (-0.01, 0.0), 102, (0.27, 0.27), 0.065, 45, 2, (8, (-5, 60)), foot)
    return parts


def _quadruped():
    hoof = (straight("-2,-4.5 5,-5 5,5.5 -2,4.5"), 0)
    body = smooth("-40,-12 -20,-15 10,-11 34,-17 42,-2 30,15 0,11 -30,14 -43,2")
    parts = [
        Part("body", body, swing=6),
        Part("neck", smooth("-6,-13 20,-8.5 28,0 20,7.5 -6,12"), "body", (0.3, -0.06), -52, 22, 1, "body"),
        Part(
            "head",
            smooth("-8,-6 4,-10 20,-6 27,0 23,6 4,8 -7,5"),
            "neck",
            (0.22, -0.01),
            70,
            25,
            2,
            "accent",
            ((0.05, -0.035), 0.024),
        ),
        Part("ear", smooth("0,-4 13,-2 2,5"), "head", (-0.02, -0.07), -115, 25, 3, "limb"),
        Part("tail", smooth("0,-3.5 16,-3 34,3 36,9 15,4.5 0,3.5"), "body", (-0.41, -0.07), 140, 45, -1, "accent"),
    ]
    for side, z in (("far", -6), ("near", 4)):
        shift = 0.05 if side == "far" else -0.02
        parts += _limb(side, "front", "body", (0.3 + shift, 0.07), 88, (0.22, 0.2), 0.055, 35, z, (6, (-10, 50)), hoof)
        parts += _limb(
            side, "hind", "body", (-0.33 + shift, 0.05), 82, (0.23, 0.21), 0.065, 35, z, (22, (-40, 20)), hoof
        )
    return parts


def _bird():
    foot = (straight("-2,-1.5 3,-9 4.5,-7.5 3,0 4.5,6 3,7"), 0)
    parts = [
        Part("body", smooth("-33,-2 -10,-17 14,-20 28,-8 24,10 6,20 -16,14"), angle=-12, swing=15),
        Part("head", ellipse(0.135, 0.125, 0.09, 0.0), "body", (0.2, -0.15), -45, 25, 2, "body", ((0.12, 0.04), 0.027)),
        Part("beak", smooth("0,-5.5 9,-3 20,3 8,4.5 0,5"), "head", (0.17, 0.07), 52, 6, 1, "accent"),
        Part("crest", smooth("0,-5 10,-6 20,-13 12,0 0,5"), "head", (0.13, -0.1), -70, 12, 1, "accent"),
        Part("tail", straight("0,-5 30,-13 36,-4 31,0 35,8 28,11 0,6"), "body", (-0.28, 0.0), 172, 20, -1, "limb"),
        Part(
            "near_wing",
            smooth("0,-10 16,-12 40,-2 50,10 34,10 22,14 10,12 -4,6"),
            "body",
            (0.1, -0.07),
            190,
            (-10, 120),
            5,
            "limb",
        ),
        Part(
            "far_wing",
            smooth("0,10 16,12 40,2 50,-10 34,-10 22,-14 10,-12 -4,-6"),
            "body",
            (0.08, -0.1),
            236,
            (-50, 60),
            -5,
            "limb",
        ),
    ]
    parts += _limb("far", "leg", "body", (0.04, 0.12), 92, (0.11, 0.17), 0.028, 25, -4, (20, 20), foot, "accent")
    parts += _limb("near", "leg", "body", (-0.02, 0.14), 108, (0.11, 0.17), 0.028, 25, -2, (20, 20), foot, "accent")
    return parts


def _crab():
    jaw = points("-3,-6 8,-13 20,-10 29,0 20,-2.5 10,0 6,8 -2,6")
    thumb = points("0,5 10,7 24,3 20,11 10,14 2,11")
    shell = smooth("-30,-6 -18,-16 0,-18 18,-16 30,-6 24,10 10,16 -10,16 -24,10")
    parts = [Part("shell", shell, swing=12)]
    for side, x, tilt in (("left", -0.08, -8), ("right", 0.08, 8)):
        parts.append(Part(f"{side}_stalk", capsule(0.12, 0.018), "shell", (x, -0.15), -90 + tilt, 20, -1, "limb"))
        parts.append(
            Part(
                f"{side}_eye", ellipse(0.042, 0.042), f"{side}_stalk", (0.13, 0), 0, 0, 1, "accent", ((0.0, 0.0), 0.024)
            )
        )
    for i, (x, y, angle) in enumerate(((0.24, 0.04, 8), (0.2, 0.1, 32), (0.13, 0.14, 58))):
        parts += _limb("right", f"leg{i}", "shell", (x, y), angle, (0.2, 0.2), 0.03, 18, -2 - i, (48, 22))
        parts += _limb("left", f"leg{i}", "shell", (-x, y), 180 - angle, (0.2, 0.2), 0.03, 18, -2 - i, (-48, 22))
    # A fiddler crab: the right claw is larger, so a mirrored crab looks different.
    for side, sign, k in (("left", -1, 0.75), ("right", 1, 1.35)):
        angle = -40 if sign > 0 else 220
        elbow = -55 if sign > 0 else 55
        parts.append(
            Part(
                f"{side}_arm", capsule(0.17 * k**0.5, 0.04, 0.035), "shell", (sign * 0.25, -0.08), angle, 25, 2, "limb"
            )
        )
        mirror = np.array([k, -sign * k])
        parts.append(
            Part(f"{side}_claw", smooth(jaw * mirror), f"{side}_arm", (0.17 * k**0.5, 0), elbow, 25, 4, "accent")
        )
        parts.append(Part(f"{side}_thumb", smooth(thumb * mirror), f"{side}_claw", (0.0, 0.0), 0, 10, 3, "accent"))
    return parts


def _robot_arm():
    finger = straight("0,-3.5 10,-7.5 20,-3 20,0 10,-3 0,2")
    bar = straight("-3,-6.5 34,-5 34,5 -3,6.5")
    fore = straight("-3,-5 30,-3.5 30,3.5 -3,5")
    return [
        Part("base", straight("-24,0 -15,-14 15,-14 24,0")),
        Part("turret", ellipse(0.12, 0.09, 0.02, 0, 3), "base", (0.0, -0.14), -90, 0, -1, "limb"),
        Part("boom", bar, "turret", (0.06, 0.0), -26, 50, 2, "body"),
        Part("shoulder", ellipse(0.075, 0.075), "boom", (0.0, 0.0), 0, 0, 3, "accent"),
        Part("fore", fore, "boom", (0.33, 0.0), 78, 55, 1, "limb"),
        Part("elbow", ellipse(0.068, 0.068), "fore", (0.0, 0.0), 0, 0, 4, "accent"),
        Part("wrist", straight("-2,-6 6,-7.5 6,7.5 -2,6"), "fore", (0.3, 0), 12, 45, 2, "accent"),
        Part("upper_finger", finger, "wrist", (0.05, -0.035), 0, 22, 1, "body"),
        Part("lower_finger", finger * [1, -1], "wrist", (0.05, 0.035), 0, 22, 1, "body"),
        Part("counterweight", ellipse(0.09, 0.075, -0.08, 0, 4), "boom", (0.0, 0.0), 0, 0, 1, "limb"),
    ]


def _fish():
    return [
        Part("front", smooth("34,1 22,-14 0,-20 -13,-16 -16,0 -13,16 2,20 24,13"), swing=10, eye=((0.2, -0.05), 0.03)),
        Part("rear", smooth("-6,-17 12,-15 30,-6 32,4 12,14 -6,16"), "front", (-0.08, 0.0), 180, 25, -1, "body"),
        Part(
            "tail",
            smooth("-2,-4.5 10,-10 24,-22 20,-6 19,2 25,20 9,8 -2,4.5"),
            "rear",
            (0.29, -0.01),
            0,
            32,
            -2,
            "accent",
        ),
        Part(
            "dorsal",
            smooth("-14,3 -6,-8 8,-16 20,-17 15,-6 17,3") * [-1, 1],
            "front",
            (0.0, -0.17),
            0,
            12,
            -2,
            "accent",
        ),
        Part("belly", smooth("0,-4 10,-6 20,2 13,6 0,5"), "front", (-0.04, 0.16), 125, 25, -2, "limb"),
        Part("pectoral", smooth("0,-4.5 13,-9 22,-2 14,6 0,4.5"), "front", (0.08, 0.05), 148, 45, 3, "limb"),
        Part("gill", smooth("0,-10 3.5,0 0,10 -2,0"), "front", (0.1, 0.0), 0, 4, 2, "limb"),
        Part("lip", ellipse(0.035, 0.03), "front", (0.335, 0.03), 15, 6, 1, "accent"),
    ]


FIGURES = {
    "biped": _biped,
    "quadruped": _quadruped,
    "bird": _bird,
    "crab": _crab,
    "robot_arm": _robot_arm,
    "fish": _fish,
}


@lru_cache(maxsize=None)
def parts_of(name):
    """The parts of a class, parents before children."""
    return tuple(FIGURES[name]())


@lru_cache(maxsize=None)
def _normalisation(name):
    """(scale, centre) with which the longer side of the figure at rest is 1, centred at the origin."""
    outline = np.concatenate(list(_place(name, _frames(name, {})).values()))
    low, high = outline.min(0), outline.max(0)
    return 1 / (high - low).max(), (low + high) / 2


def _frames(name, pose):
    """{part: 2 x 3 matrix from its frame to the figure's}."""
    frames = {}
    for part in parts_of(name):
        turn = np.deg2rad(part.angle + pose.get(part.name, 0.0))
        local = np.array([[np.cos(turn), -np.sin(turn), part.at[0]], [np.sin(turn), np.cos(turn), part.at[1]]])
        if part.parent is not None:
            up = frames[part.parent]
            local = np.concatenate([up[:, :2] @ local[:, :2], up[:, :2] @ local[:, 2:] + up[:, 2:]], 1)
        frames[part.name] = local
    return frames


def _place(name, frames):
    return {p.name: p.outline @ frames[p.name][:, :2].T + frames[p.name][:, 2] for p in parts_of(name)}


def posed(name, pose):
    """A figure in a pose ({part: degrees}; missing parts are at rest). Its longer side at rest is 1, centred at the origin.

    Returns {part: (outline [n, 2], joint [2], eye (centre [2], radius) or None)}.
    """
    scale, centre = _normalisation(name)
    frames = _frames(name, pose)
    outlines = _place(name, frames)
    out = {}
    for part in parts_of(name):
        frame = frames[part.name]
        eye = None
        if part.eye is not None:
            eye = ((frame[:, :2] @ np.array(part.eye[0]) + frame[:, 2] - centre) * scale, part.eye[1] * scale)
        out[part.name] = ((outlines[part.name] - centre) * scale, (frame[:, 2] - centre) * scale, eye)
    return out


def random_pose(name, rng, amount=1.0):
    """{part: degrees}, drawn from the range of each joint."""
    return {p.name: amount * float(rng.uniform(*p.swing)) for p in parts_of(name)}
