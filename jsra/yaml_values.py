"""The YAML of configs: with numbers such as 1e-4, None and tuples, which are text in YAML 1.1."""

from __future__ import annotations

import re
from collections import Counter

import yaml


class ValueLoader(yaml.SafeLoader):
    """YAML in which 1e-4 is a number, None is null and (7, 7) is a list; all three are text in YAML 1.1. A duplicate key is
    an error (in YAML, the last one would be used)."""

    def construct_mapping(self, node, deep=False):
        written = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key, count in Counter(written).items():
            if count > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is written {count} times", node.start_mark)
        return super().construct_mapping(node, deep)


def _tuple(loader, node):
    items = [yaml.load(item, Loader=ValueLoader) for item in node.value[1:-1].split(",")]
    return items[:-1] if items[-1] is None else items  # (7,)


class ValueDumper(yaml.SafeDumper):
    """Quotes text that ValueLoader would not read as text."""


for _side in (ValueLoader, ValueDumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )
    _side.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^None$"), ["N"])
    _side.add_implicit_resolver("!tuple", re.compile(r"^\((?=.*,)[-+.\deE, ]+\)$"), ["("])
ValueLoader.add_constructor("!tuple", _tuple)
