"""Tables of text."""

from __future__ import annotations

import math


def percent(value) -> str:
    """A fraction as percent with one decimal; '-' for nan."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def text_table(header, rows) -> str:
    """A table as text; the first column is left-aligned, the others right-aligned."""
    rows = [tuple(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) for row in rows]
    return "\n".join(lines)
