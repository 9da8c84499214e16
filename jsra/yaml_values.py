"""The YAML of configs: numbers as people read them, and None and tuples, which are text in YAML 1.1."""

from __future__ import annotations

import contextlib
import re
from collections import Counter

import yaml


class ValueLoader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number, None is null and (7, 7) is a list; all three are text in YAML 1.1. There, 010 is eight
    and 1:30 is ninety; here they are ten, as in YAML 1.2, and text. A duplicate key is an error (in YAML, the last one would
    be used)."""

    def construct_mapping(self, node, deep=False):
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key, count in Counter(written).items():
            if count > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is written {count} times", node.start_mark)
        _refuse_cut_tuples(node, [value for _, value in node.value])
        return super().construct_mapping(node, deep)

    def construct_sequence(self, node, deep=False):
        _refuse_cut_tuples(node, node.value)
        return super().construct_sequence(node, deep)


def _refuse_cut_tuples(node, values):
    """Within {...} and [...], YAML ends a text at a comma: (0.9, 0.99) would be '(0.9' and one more entry."""
    for value in values if node.flow_style else ():
        if isinstance(value, yaml.ScalarNode) and value.style is None and re.match(r"\([^)]+$", value.value):
            problem = f"{value.value!r}: within {{...}} and [...], write a tuple in brackets, as [1, 2]"
            raise yaml.constructor.ConstructorError(None, None, problem, value.start_mark)


def unread(text: str) -> str | None:
    """What is wrong with the value of a command line of which YAML reads less than its text; None if nothing is lost."""
    if not text.strip():
        return "the value is empty (a variable of the shell that is not set?): None is written null, empty text '\"\"'"
    value, quotes = yaml.load(text, Loader=ValueLoader), "put the whole value in quotes, '\"...\"'"
    plain = text.strip(" \t\r\n")
    cut = isinstance(value, str) and value != plain and plain[0] not in "'\"!|>"  # such as before a comment
    if cut or (value is None and plain.startswith(("&", "---"))):
        return f"YAML reads only {value!r} of the value: {quotes}"
    for found in re.finditer("#", text):
        before, cut = text[: found.start()], text[found.start() :].strip()
        with contextlib.suppress(yaml.YAMLError, ValueError):  # such as an opened quote, so that # is text
            if repr(yaml.load(before, Loader=ValueLoader)) == repr(value):  # nan is not equal to itself
                return f"{cut!r} would be a comment: {quotes}"
    return None


def _tuple(loader, node):
    items = [yaml.load(item, Loader=ValueLoader) for item in node.value[1:-1].split(",")]
    return items[:-1] if items[-1] is None else items  # (7,)


class ValueDumper(yaml.SafeDumper):
    """Quotes text that ValueLoader would not read as text; text of several lines is written in one."""


def _text(dumper, value):
    several = any(character in value for character in "\n\r\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if several else None)


def _whole(loader, node):
    text = node.value.replace("_", "")
    return int(text, {"0x": 16, "0b": 2, "0o": 8}.get(text.lstrip("+-")[:2].lower(), 10))


_NUMBERS = {
    "tag:yaml.org,2002:int": r"^[-+]?(0[xX][\da-fA-F_]+|0b[01_]+|0o[0-7_]+|\d[\d_]*)$",
    "tag:yaml.org,2002:float": r"^([-+]?(\d[\d_]*\.[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$",
}
for _side in (ValueLoader, ValueDumper):
    _side.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in forms if tag not in _NUMBERS]
        for first, forms in _side.yaml_implicit_resolvers.items()
    }
    for _tag, _form in _NUMBERS.items():
        _side.add_implicit_resolver(_tag, re.compile(_form), list("-+.0123456789"))
    _side.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^None$"), ["N"])
    _side.add_implicit_resolver("!tuple", re.compile(r"^\((?=.*,)[-+.\deE, ]+\)$"), ["("])
ValueDumper.add_representer(str, _text)
ValueLoader.add_constructor("!tuple", _tuple)
ValueLoader.add_constructor("tag:yaml.org,2002:int", _whole)
