"""Paths of data: paths in configs are relative to the current directory; JSRA_DATA can replace their `data/`, and
`package:NAME/FILE` is a file of an installed Python package.

A path in a config is resolved once, where it is read from the config (the datasets' constructors, jsra.data.check and
jsra.engine.pretrained for weights). All other code gets the resolved path.
"""

from __future__ import annotations

import codecs
import importlib.util
import io
import os
import unicodedata

from jsra.data.image import DataError, is_special
from jsra.folders import exists

PACKAGE = "package:"


def data_path(path) -> str:
    """The resolved path: `~` becomes the user's folder; `data/...` becomes the absolute path of `$JSRA_DATA/...` if that
    variable is set; `package:NAME/FILE` becomes the file in the package, which is not imported; others are unchanged. Raises
    FileNotFoundError for a package that is not installed."""
    path = os.path.expanduser(os.fspath(path))
    if path.startswith(PACKAGE):
        return _in_package(*path[len(PACKAGE) :].partition("/")[::2])
    base = os.environ.get("JSRA_DATA")
    if base and (path == "data" or path.startswith("data/")):
        return absolute(os.path.join(os.path.expanduser(base), path[len("data/") :].lstrip("/")))
    return path


def composed(name: str) -> str:
    """The text with accented letters in the form that most programs write; file names of macOS have another form."""
    return unicodedata.normalize("NFC", name)


def absolute(path: str) -> str:
    """os.path.abspath, but after a link `..` is the folder above the link's target, as for the system."""
    plain = os.path.abspath(path)
    same = not os.path.exists(path) or (os.path.exists(plain) and os.path.samefile(path, plain))
    return plain if same else os.path.realpath(path)


def _in_package(name, file) -> str:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        distribution = name.replace("_", "-")
        raise FileNotFoundError(f"{PACKAGE}{name}/{file}: the package is not installed: pip install {distribution}")
    return os.path.join(list(found.submodule_search_locations)[0], file)


def text_of(path, errors: str = "surrogateescape") -> str:
    """The content of a text file in UTF-8 or (as some programs of Windows write) UTF-16. errors: what becomes of bytes in
    another encoding, as for bytes.decode; by default they stay as they are in names of files."""
    with open(path, "rb") as f:
        data = f.read()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors=errors)


def lines_of(path):
    """The lines of a list of names; see text_of."""
    return io.StringIO(text_of(path), newline=None)


def existing_file(path, what: str) -> str:
    """Returns the (resolved) path. Raises FileNotFoundError, which says what was looked for and what to do; DataError for a
    pipe or a device."""
    if not exists(path):
        base = os.environ.get("JSRA_DATA")
        cure = "correct the path in the config"
        if not os.path.isabs(path):
            cure = f"set JSRA_DATA to the folder that replaces data/, or {cure}"
        elif base:
            cure = f"JSRA_DATA is {base}: correct it, or {cure}"
        if "puppets" in os.path.normpath(path).split(os.sep):
            cure = f"draw the built-in data (`jsra data puppets data/puppets`), {cure}"
        raise FileNotFoundError(f"{what} does not exist: {os.path.abspath(path)}; {cure}")
    if is_special(path):
        raise DataError(f"{path} is not a regular file (a device or a pipe): give a file as {what}")
    return path
