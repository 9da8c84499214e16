"""Where results are written: never over what they were made from, never over one another."""

from __future__ import annotations

import os

from jsra.registry import ConfigError


def check_folder(folder: str, inputs, option: str = "--out"):
    """Refuse, with a ConfigError, a folder of results that holds one of the input files."""
    target = os.path.realpath(folder)
    for path in inputs:
        if os.path.dirname(os.path.realpath(path)) == target:
            raise ConfigError(
                f"{option}: {folder} is the folder of the input {path}, which results could overwrite: choose another folder"
            )


def distinct_names(paths) -> dict:
    """{path: file name without its ending}, numbered where two would be equal."""
    names, used = {}, set()
    for path in paths:
        stem = name = os.path.splitext(os.path.basename(path))[0]
        number = 2
        while name in used:
            name, number = f"{stem}_{number}", number + 1
        used.add(name)
        names[path] = name
    return names
