"""Problems of annotations, and the error for data that has any."""

from __future__ import annotations

from collections import namedtuple

from jsra.data.image import DataError

# level: 'error' (training would fail, or learn something wrong) or 'warning'; where: the image id, and the annotation if any.
Problem = namedtuple("Problem", "level where what cure")

MOST = 20  # problems that a message lists


def error(where, what, cure) -> Problem:
    """A problem with which training would fail or learn something wrong. cure: what to do."""
    return Problem("error", where, what, cure)


def warning(where, what, cure) -> Problem:
    """A problem with which training is possible. cure: what to do."""
    return Problem("warning", where, what, cure)


def counted(number: int, noun: str) -> str:
    """'1 picture', '2 pictures'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def first_lines(lines, most=MOST, rest="more") -> list:
    """The first lines, and one with the number of further ones, which `rest` names."""
    more = len(lines) - most
    return [*lines[:most], *([f"... and {more} {rest}"] if more > 0 else [])]


def refuse(source, problems):
    """Raise DataError if there are errors among the problems of `source` (a path): the first 20 and their number."""
    errors = [p for p in problems if p.level == "error"]
    if not errors:
        return
    lines = first_lines([f"{p.where}: {p.what}; {p.cure}" for p in errors])
    if len(errors) == 1:
        raise DataError(f"{source}: {lines[0]}")
    listed = "".join(f"\n  {line}" for line in lines)
    raise DataError(f"{source}: {len(errors)} errors (`jsra data check` lists them and all warnings):{listed}")
