"""The `jsra` command: one file per sub-command, each with `add_parser(subparsers)` that sets `run(args) -> exit code`."""

import argparse
import importlib
import os
import sys
import traceback

from jsra.folders import no_letters
from jsra.output import cure, open_streams, silence
from jsra.registry import ConfigError
from jsra.runtime.leave import leave, several
from jsra.runtime.memory import lacks_memory, no_memory
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

BROKEN_PIPE = 141  # 128 + SIGPIPE: the reader of the output (`| head`) has closed it
INTERRUPTED = 130  # 128 + SIGINT: Ctrl-C while there is nothing to save


def main(argv=None) -> int:
    """Run a command and return its exit code. In an MPI run, a process that fails ends here, and ends the others."""
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


class _Parser(argparse.ArgumentParser):
    _words = ()

    def parse_known_args(self, args=None, namespace=None):
        self._words = sys.argv[1:] if args is None else args
        return super().parse_known_args(args, namespace)

    def error(self, message):
        """As argparse's; also names the options that have taken the words after them, such as `--resume CONFIG`."""
        taking = [o for action in self._actions if action.nargs in ("?", "*", "+") for o in action.option_strings]
        given = [word for word in self._words if word in taking]
        if given and ("required" in message or "invalid" in message):
            message += f"; {', '.join(given)} also takes the words after it: write the others before it"
        values = "unrecognized" in message and any("=" in word and word[0] != "-" for word in message.split())
        if values and any(word.partition("=")[0] == "--set" for word in self._words):
            message += "; --set takes one KEY=VALUE: write --set before each of them"
        super().error(message)

    def _print_message(self, message, file=None):
        """As argparse's, which says nothing if the message cannot be written (--help on a full disk)."""
        if message:
            (file or sys.stderr).write(message)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(prog="jsra", description="Semantic RoI Align and its peers for Jittor.")
    parser.add_argument("--version", action="version", version=f"jsra {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"jsra.cli.{name}").add_parser(subparsers)
    return parser


def _run(argv):
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # characters that the terminal's encoding does not have are printed as numbers
            stream.reconfigure(errors="backslashreplace")
    command = "jsra"
    try:
        try:
            words = None if argv is None else [str(word) for word in argv]  # a caller may give paths and numbers
            args = make_parser().parse_args(words)
            command = f"jsra {args.command}"
            _with_home(args)
            _check_current_folder()
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
        # Any other exception is a bug in the program and keeps its traceback.
        if not getattr(error, "of_main", False):
            print(f"{command}: {error}{cure(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:
            silence(1)  # otherwise the rest of the buffer would fail again at exit
        return 2
    except UnicodeEncodeError as error:
        if sys.getfilesystemencoding() == "utf-8":
            raise
        print(f"{command}: {no_letters(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        print(f"{command}: {no_memory()}", file=sys.stderr)
        return 2


def _with_home(args):
    """The arguments with the user's folder for `~`, which a shell leaves in --out=~/x. Raises ConfigError for empty text,
    which would count as not given."""
    for name, value in vars(args).items():
        if value == "" or (isinstance(value, list) and "" in value):
            raise ConfigError(f"{name.replace('_', '-')}: the text is empty (a variable of the shell that is not set?)")
        if isinstance(value, str) and value.startswith("~"):
            setattr(args, name, os.path.expanduser(value))
    return args


def _check_current_folder():
    try:
        os.getcwd()
    except FileNotFoundError:
        raise FileNotFoundError("the current folder was removed, or moved: change to another (cd)") from None


def _expected() -> tuple:
    """The exceptions whose messages tell the user what to correct."""
    from jsra.data.image import DataError

    found = [ConfigError, DataError, OSError, ImportError, FloatingPointError]  # the last one is of mixed precision
    for module, name in (
        ("jsra.engine.train", "NonFiniteLoss"),
        ("jsra.engine.checkpoint", "CheckpointError"),
        ("jsra.convert.torch_file", "WeightsError"),
        ("jsra.data.workers", "WorkerError"),
    ):
        if module in sys.modules:
            found.append(getattr(sys.modules[module], name))
    return tuple(found)
