"""The `jsra` command: one file per sub-command, each with `add_parser(subparsers)` that sets `run(args) -> exit code`."""

import argparse
import importlib
import sys
import traceback

from jsra.runtime.leave import leave, several
from jsra.version import __version__

COMMANDS = (
    "demo",
    "doctor",
    "init",
    "bench",
    "data",
    "config",
    "train",
    "test",
    "convert",
    "crosscheck",
    "infer",
    "plot",
    "masks",
    "cost",
    "table",
    "invariance",
    "diversity",
    "figure",
)


def main(argv=None) -> int:
    """Run a command and return its exit code. A process that fails among others of an MPI run ends here, with them."""
    try:
        code = _run(argv)
    except Exception:
        if several():
            traceback.print_exc()
            leave(1)
        raise
    if code and several():
        leave(code)
    return code


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="jsra", description="Semantic RoI Align and its peers for Jittor.")
    parser.add_argument("--version", action="version", version=f"jsra {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"jsra.cli.{name}").add_parser(subparsers)
    return parser


def _run(argv):
    args = make_parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except _expected() as error:
        # Whatever else is raised is a fault of the program and keeps its traceback.
        if not getattr(error, "of_main", False):
            print(f"jsra {args.command}: {error}", file=sys.stderr)
        return 2


def _expected() -> tuple:
    """The errors that tell the user what to correct."""
    from jsra.data.image import DataError
    from jsra.registry import ConfigError

    found = [ConfigError, DataError, FileNotFoundError, FileExistsError, PermissionError, ImportError]
    for module, name in (
        ("jsra.engine.train", "NonFiniteLoss"),
        ("jsra.engine.checkpoint", "CheckpointError"),
        ("jsra.convert.torch_file", "WeightsError"),
    ):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)
