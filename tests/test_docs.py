"""All commands in the documents exist: each is parsed by the program's own parsers."""

import glob
import os
import re
import shlex

import pytest

from jsra.cli import COMMANDS, make_parser
from jsra.config import load_config

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
DOCUMENTS += sorted(os.path.relpath(path, ROOT) for path in glob.glob(f"{ROOT}/docs/**/*.md", recursive=True))
# What may stand before `jsra` on its line: variables, and a program that starts several of it.
BEFORE = re.compile(r"^((\w+=\S+|mpirun|srun|-\S+|\d+) )*(?=jsra )")
COMMAND = re.compile(r"jsra [a-z-]")  # not a line of output, such as `jsra 0.1.0, Linux`
PLACES = {"N": "1", "K": "0", "J": "2"}  # names of what is a number


def commands(text):
    """(command, whole) of every command in fenced blocks and in `code`; whole: with all of its arguments."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    for block in fenced:
        for line in block.replace("\\\n", " ").splitlines():
            line = BEFORE.sub("", line.split(" #")[0].strip())
            if COMMAND.match(line):
                yield line, True
    for code in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        code = BEFORE.sub("", code)
        if COMMAND.match(code):
            first, *others = code.split(" / ")
            for command in [first] + [" ".join([*first.split()[:-1], other]) for other in others]:
                # `jsra data check` speaks of a command, `jsra data check CONFIG` is one.
                yield command, len(command.split()) > 2 and len(others) == 0 and command.split()[1] != "data"


def found():
    for document in DOCUMENTS:
        with open(os.path.join(ROOT, document), encoding="utf8") as f:
            yield from ((document, *command) for command in commands(f.read()))


FOUND = list(found())


def test_commands_are_found():
    """In blocks and in lines, behind mpirun and variables."""
    text = "a `jsra train` b `X=1 jsra cost C`\n```\nmpirun -np 4 jsra train CONFIG   # as root\njsra plot A \\\n  B\n```\n"
    assert sorted(commands(text)) == [
        ("jsra cost C", True), ("jsra plot A    B", True), ("jsra train", False), ("jsra train CONFIG", True),
    ]  # fmt: skip
    assert len(FOUND) > 40 and {"train", "test", "convert", "table"} <= {c.split()[1] for _, c, _ in FOUND}


@pytest.mark.parametrize("document, command, whole", FOUND)
def test_every_command_parses(document, command, whole, capsys):
    words = [PLACES.get(word, word) for word in shlex.split(re.sub(r"[\[\]]", "", command))[1:]]
    assert words[0] in COMMANDS or words[0].startswith("-"), f"{document}: {command}"
    if not whole:
        return
    try:
        args = make_parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"{document}: {command}\n{capsys.readouterr().err}")
    config = getattr(args, "config", None)
    if isinstance(config, str) and config.startswith("jdet_configs/") and not config.endswith("..."):
        assert os.path.isfile(os.path.join(ROOT, config)), f"{document}: {command}"
        load_config(os.path.join(ROOT, config), args.overrides if hasattr(args, "overrides") else ())
