"""The `jsra` command: one file per sub-command, each with `add_parser(subparsers)` that sets `run(args) -> exit code`."""

import argparse
import errno
import importlib
import sys
import traceback

from jsra.output import silence
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
    "analyze",
    "convert",
    "export",
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

BROKEN_PIPE = 141  # 128 and SIGPIPE: `| head` has read enough
INTERRUPTED = 130  # 128 and SIGINT: Ctrl-C in a command, or a moment of one, that has nothing to save
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv=None) -> int:
    """Run a command and return its exit code. A process that fails among others of an MPI run ends here, with them."""
    try:
        code = _run(argv)
    except SystemExit as stop:  # of argparse
        if stop.code and several():
            leave(2)
        raise
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
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal's encoding lacks is printed by its numbers
            stream.reconfigure(errors="backslashreplace")
    command = "jsra"
    try:
        try:
            args = make_parser().parse_args(argv)
            command = f"jsra {args.command}"
            return args.run(args) or 0
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        silence(1)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except _expected() as error:
        # Whatever else is raised is a fault of the program and keeps its traceback.
        if not getattr(error, "of_main", False):
            print(f"{command}: {error}{_cure(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            silence(1)  # what is left in its buffer would fail again at the exit
        return 2


def _cure(error):
    """What helps against an error of the system, for the end of its message."""
    number = getattr(error, "errno", None)
    if number in FULL:
        return ": there is no room on the disk; free some, or write to another folder"
    if number == errno.EROFS:
        return ": it cannot be written to; choose another folder"
    return ""


def _expected() -> tuple:
    """The errors that tell the user what to correct."""
    from jsra.data.image import DataError
    from jsra.registry import ConfigError

    found = [ConfigError, DataError, OSError, ImportError]
    for module, name in (
        ("jsra.engine.train", "NonFiniteLoss"),
        ("jsra.engine.checkpoint", "CheckpointError"),
        ("jsra.convert.torch_file", "WeightsError"),
    ):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)
