"""Types of numbers for argparse options: impossible values are refused before anything runs."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError


def whole(text: str) -> int:
    """0, 1, 2, ..."""
    return _whole(text, 0)


def count(text: str) -> int:
    """1, 2, 3, ..."""
    return _whole(text, 1)


def _whole(text, least):
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ArgumentTypeError(f"{text!r}: expected a whole number of at least {least}")
    return value


def score(text: str) -> float:
    """0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"{text!r}: a score is a number from 0 to 1")
    return value


def angle(text: str) -> float:
    """0 to 360 degrees."""
    value = _number(text)
    if not 0 <= value <= 360:
        raise ArgumentTypeError(f"{text!r}: an angle is a number from 0 to 360, in degrees")
    return value


def finite(text: str) -> float:
    """Any number except nan and inf."""
    value = _number(text)
    if not math.isfinite(value):
        raise ArgumentTypeError(f"{text!r}: expected a number")
    return value


def _number(text):
    """The number, or nan for other text."""
    try:
        return float(text)
    except ValueError:
        return math.nan
