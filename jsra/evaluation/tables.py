"""Tables of text."""

from __future__ import annotations

import math


def percent(value) -> str:
    """Of a share, with one digit; '-' for nan."""
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def text_table(header, rows) -> str:
    """Columns of text, the first to the left, the others to the right."""
    rows = [tuple(map(str, row)) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = ["  ".join([row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) for row in rows]
    return "\n".join(lines)
