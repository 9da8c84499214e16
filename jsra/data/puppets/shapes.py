"""Outlines of parts: closed polygons [n, 2] in the part's own frame, joint at the origin, x along the bone, y down."""

from __future__ import annotations

import numpy as np


def ellipse(rx, ry, cx=0.0, cy=0.0, power=2.0, n=36):
    """An ellipse with centre (cx, cy); with a power above 2 it is closer to a rectangle."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    x = np.sign(c) * np.abs(c) ** (2 / power)
    y = np.sign(s) * np.abs(s) ** (2 / power)
    return np.stack([cx + rx * x, cy + ry * y], 1)


def capsule(length, r0, r1=None, n=12):
    """A limb from the joint to (length, 0); its radius changes from r0 to r1."""
    r1 = r0 if r1 is None else r1
    t = np.linspace(np.pi / 2, 3 * np.pi / 2, n)
    start = np.stack([r0 * np.cos(t), r0 * np.sin(t)], 1)
    end = np.stack([length - r1 * np.cos(t), -r1 * np.sin(t)], 1)
    return np.concatenate([start, end])


def points(text):
    """Points [n, 2] from the text "x,y x,y ..." in hundredths."""
    return np.array([[float(v) for v in pair.split(",")] for pair in text.split()]) / 100


def smooth(through, per_edge=7):
    """A closed Catmull-Rom curve through points: an array [n, 2], or text as for `points`."""
    p = points(through) if isinstance(through, str) else through
    t = np.linspace(0, 1, per_edge, endpoint=False)[:, None]
    out = []
    for i in range(len(p)):
        a, b, c, d = p[i - 1], p[i], p[(i + 1) % len(p)], p[(i + 2) % len(p)]
        out.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(out)


def straight(corners, per_edge=6):
    """A polygon with straight edges (corners: as in `smooth`); each edge is divided into several."""
    p = points(corners) if isinstance(corners, str) else corners
    t = np.linspace(0, 1, per_edge, endpoint=False)[:, None]
    return np.concatenate([p[i] + (p[(i + 1) % len(p)] - p[i]) * t for i in range(len(p))])
