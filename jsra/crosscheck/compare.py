"""The table of a cross-check: how much the arrays of both sides differ, and where they differ first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Fractions of the largest gradient. Gradients of weights that are below the first one on both sides count as zero: often they
# are zero mathematically (of a bias before a norm), with rounding errors on both sides. Relative differences of other
# gradients are relative to at least the second.
GRADIENT_ZERO, GRADIENT_FLOOR = 1e-4, 1e-2
# A relative difference in float32 that may be rounding. 3e-5 was seen: RoI Transformer predicts where it samples.
_ROUNDING = 1e-4
INPUTS = ("gradient/features/", "gradient/rois")
KINDS = {
    "intermediate/": "",
    "output": "",
    "after/": "after the batch: ",
    "evaluation": "",
    "gradient/": "gradient of ",
    "losses": "",
}


class Row(NamedTuple):
    """name: what is compared. largest: largest absolute value on our side. difference: largest difference. relative:
    difference / `largest`, or / a larger floor. tolerance: limit of `relative`. note: why it is not compared, or ''."""

    name: str
    shape: tuple
    largest: float
    difference: float
    relative: float
    tolerance: float
    note: str = ""

    @property
    def parts(self) -> bool:
        """Whether the two sides differ here. NaN counts as a difference."""
        return not self.note and not self.relative <= self.tolerance


def compare(ours: dict, theirs: dict, tolerance=1e-5, gradient_tolerance=1e-4, loss_tolerance=1e-3) -> list:
    """Rows for everything that one of the sides has, in the order of computation: forward, then backward."""
    gradients = [name for name in ours if name.startswith("gradient/") and name != "gradient/rois" and ours[name].size]
    largest = max((np.abs(ours[name]).max() for name in gradients), default=0.0)
    # The error of a running mean depends on the size of the numbers it averages, for which the variances are a measure.
    statistics = max((np.abs(ours[name]).max() for name in ours if name.startswith("after/")), default=0.0)
    rows = []
    for name in _ordered(ours, theirs):
        allowed = tolerance
        if name.startswith("gradient/"):
            allowed = gradient_tolerance
        elif name == "losses":
            allowed = loss_tolerance
        zero, floor = 0.0, statistics if name.startswith("after/") else 0.0
        if name in gradients and not name.startswith(INPUTS):
            zero, floor = GRADIENT_ZERO * largest, GRADIENT_FLOOR * largest
        rows.append(_row(name, ours.get(name), theirs.get(name), allowed, zero, floor))
    return [row for row in rows if row is not None]


def _ordered(ours, theirs):
    """The names sorted by kind; gradients from the output back to the input."""
    every = list(ours) + [name for name in theirs if name not in ours]
    for kind in KINDS:
        names = [name for name in every if name.startswith(kind)]
        inputs = [name for name in names if name.startswith(INPUTS)]
        weights = [name for name in names if name not in inputs]
        yield from (weights[::-1] + inputs if kind == "gradient/" else weights)


def _row(name, here, there, tolerance, zero, floor):
    """zero: numbers below it on both sides count as 0. floor: lower limit of the denominator of the relative difference."""
    kind = next(k for k in KINDS if name.startswith(k))
    label = KINDS[kind] + (name[len(kind) :] if kind.endswith("/") else name)
    nothing = (label, (), 0.0, 0.0, 0.0, tolerance)
    if here is None:
        return Row(*nothing, note="not here")
    if there is None and name == "gradient/rois":
        return None  # few layers have a gradient with respect to the boxes
    if there is None and kind == "gradient/":
        there = np.zeros_like(here)  # in PyTorch, no gradient means zero
    if there is None:
        return Row(*nothing, note="not there")
    if here.shape != there.shape:
        return Row(*nothing, note=f"{list(here.shape)} here, {list(there.shape)} there: not compared")
    if not here.size:
        return Row(label, here.shape, 0.0, 0.0, 0.0, tolerance)
    here, there = here.astype(np.float64), there.astype(np.float64)
    difference, largest = np.abs(here - there).max(), np.abs(here).max()
    if max(largest, np.abs(there).max()) < zero:
        return Row(label, here.shape, float(largest), float(difference), 0.0, tolerance)
    against = max(largest, floor) or 1.0
    return Row(label, here.shape, float(largest), float(difference), float(difference / against), tolerance)


def first_difference(rows):
    """The first Row in which the sides differ, or None."""
    return next((row for row in rows if row.parts), None)


def table(rows) -> str:
    """The rows as text, with the verdict below."""
    lines = [("compared", "shape", "largest", "difference", "relative", "")]
    for row in rows:
        if row.note:
            lines.append((row.name, "", "", "", "", row.note))
            continue
        numbers = (f"{row.largest:.3g}", f"{row.difference:.1e}", f"{row.relative:.1e}")
        lines.append((row.name, str(list(row.shape)), *numbers, "differs" if row.parts else ""))
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    text = []
    for line in lines:
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        text.append("  ".join([*cells, line[5]]).rstrip())
    return "\n".join(text)


def losses(here, there) -> str:
    """The losses of the steps side by side, as text."""
    lines = ["step  loss here  loss there  relative"]
    for step, (a, b) in enumerate(zip(here, there)):
        lines.append(f"{step:4}  {a:9.6f}  {b:10.6f}  {abs(a - b) / max(abs(a), 1e-30):8.1e}")
    return "\n".join(lines)


def verdict(rows, double=False) -> str:
    """One sentence: whether the sides agree, and if not, where they differ first. double: both sides in float64."""
    first = first_difference(rows)
    if first is None:
        compared = [row for row in rows if not row.note]
        of = {row.tolerance: "gradients" if row.name.startswith("gradient of ") else "losses" if row.name == "losses" else
              "forward" for row in reversed(compared)}  # fmt: skip
        within = ", ".join(f"{what} within {tolerance:g}" for tolerance, what in reversed(of.items()))
        return f"equal: {within}"
    before = [row.name for row in rows[: rows.index(first)] if not row.note]
    agree = f"; the steps before it agree: {', '.join(before[-3:])}" if before else ""
    cure = ""
    if not double and first.name.startswith("gradient of "):
        cure = "; rounding may change the sign of a ReLU's input and so its gradient: check with --double"
    elif not double and first.relative <= _ROUNDING:
        cure = "; this may be rounding, which positions of samples amplify: check with --double"
    return f"different: first at {first.name}, by {first.relative:.1e} (tolerance {first.tolerance:g}){agree}{cure}"
