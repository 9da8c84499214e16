"""The `jsra` command: one file per sub-command, each with `add_parser(subparsers)` that sets `run(args) -> exit code`."""

import argparse
import importlib
import sys

from jsra.version import __version__

COMMANDS = ("doctor",)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(prog="jsra", description="Semantic RoI Align and its peers for Jittor.")
    parser.add_argument("--version", action="version", version=f"jsra {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"jsra.cli.{name}").add_parser(subparsers)
    args = parser.parse_args(argv)
    return args.run(args) or 0


if __name__ == "__main__":
    sys.exit(main())
