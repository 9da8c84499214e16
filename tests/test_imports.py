"""There are no import circles between modules or between the packages of jsra, including imports inside functions."""

import ast
import os

import pytest

import jsra

ROOT = os.path.dirname(jsra.__file__)


def modules() -> dict:
    """{module: its file} of all of jsra."""
    found = {}
    for place, _, names in os.walk(ROOT):
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(place, name)
                parts = os.path.relpath(path, os.path.dirname(ROOT))[: -len(".py")].split(os.sep)
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path, known) -> set:
    """The modules among `known` that a file imports, anywhere in it."""
    found = set()
    with open(path, encoding="utf8") as f:
        tree = ast.parse(f.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: import by the full name"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module)
    return found & set(known)


def graph(level=None) -> dict:
    """{module: the modules that it imports}; with level, modules are cut to so many names (2: packages)."""
    known, found = modules(), {}
    for module, path in known.items():
        here = ".".join(module.split(".")[:level])
        there = {".".join(m.split(".")[:level]) for m in imports(path, known)}
        found.setdefault(here, set()).update(there - {here, "jsra"})
    return found


def circles(edges) -> list:
    """Every set of names that import one another, sorted (the strongly connected components of more than one)."""
    reach = {name: set(targets) for name, targets in edges.items()}
    while True:
        wider = {name: found.union(*(reach[t] for t in found)) for name, found in reach.items()}
        if wider == reach:
            break
        reach = wider
    return sorted({tuple(sorted(n for n in found if name in reach[n])) for name, found in reach.items() if name in found})


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [("b", "c")]
    assert circles({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize("level", [None, 2], ids=["modules", "packages"])
def test_there_is_no_import_circle(level):
    assert circles(graph(level)) == []
