"""`jsra table`: the papers' tables with published and measured numbers; trains missing rows."""

from jsra.cli.numbers import count
from jsra.registry import ConfigError


def add_parser(subparsers):
    from jsra.cli.train import add_set
    from jsra.paper.rows import PRESETS

    parser = subparsers.add_parser(
        "table",
        help="the papers' tables: published and measured side by side",
        description="Without N: all tables and the state of each row on this machine. With N: trains the rows that are not "
        "trained yet (and continues interrupted runs), evaluates them and prints the table.",
    )
    parser.add_argument(
        "table", nargs="?", metavar="N", help="1 to 12, fig7, lrf1 to lrf5, agg1 to agg6, align1 to align7, gamma, init"
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default="paper",
        help="; ".join(f"{name}: {what}" for name, what in PRESETS.items()) + " (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these rows")
    parser.add_argument(
        "--seeds", type=count, default=1, metavar="K", help="trainings of each row (default: %(default)s)"
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="J", help="parallel trainings (default: %(default)s)")
    parser.add_argument("--cost-only", action="store_true", help="parameters and FLOPs, no training")
    parser.add_argument("--no-train", action="store_true", help="only show rows that are already trained")
    parser.add_argument(
        "--other-settings", action="store_true",
        help="with --no-train: also show (and mark) results with other settings or from an earlier version of jsra",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "markdown", "csv", "json"), default="text")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--plot", metavar="FILE", help="also draw the table, with error bars")
    parser.add_argument("--root", default="work_dirs", help="folder of the runs (default: %(default)s)")
    add_set(parser)
    parser.set_defaults(run=run)


def run(args):
    import sys

    from jsra.engine.interrupt import Interrupted
    from jsra.output import figure_file
    from jsra.paper.run import check_root
    from jsra.paper.side_by_side import TrainingFailed

    check_root(args.root)
    if args.table is None:
        _check_listed(args)
    if args.other_settings and not args.no_train:
        raise ConfigError("--other-settings: use it with --no-train: new trainings always use the current settings")
    try:
        if args.plot:
            figure_file(args.plot, "--plot")
        if args.table is None:
            return list_tables(args)
        return one_table(args)
    except Interrupted as stop:
        from jsra.runtime.distributed import is_main

        if is_main():
            print(f"{stop}; the same command continues from there")
        return stop.code
    except TrainingFailed as error:
        print(f"jsra table: {error}", file=sys.stderr)
        return 1


def _check_listed(args):
    """Raise ConfigError for options that the list of all tables would ignore."""
    given = {
        "--rows": args.rows, "--plot": args.plot, "--cost-only": args.cost_only, "--jobs": args.jobs > 1,
        "--other-settings": args.other_settings, "--set": args.overrides, "--format": args.format in ("markdown", "csv"),
    }  # fmt: skip
    unused = [name for name, value in given.items() if value]
    if unused:
        raise ConfigError(
            f"{', '.join(unused)}: of one table, and no N is given: write it first, `jsra table 1 {unused[0]} ...` (--rows "
            "takes all words after it)"
        )


def list_tables(args):
    import json

    from jsra.paper.measure import states

    found = states(args.preset, args.seeds, args.root)
    if args.format == "json":
        rows = {t.key: [{"name": r.name, "state": s, "config": r.config(args.preset)} for r, s in v] for t, v in found}
        print(json.dumps(rows, indent=1))
        return 0
    for table, rows in found:
        print(f"{table.key}: {table.title}")
        width = max(len(row.name) for row, _ in rows)
        for row, state in rows:
            print(f"    {row.name:<{width}}  {state}")
    return 0


def one_table(args):
    import sys

    from jsra.paper.measure import report
    from jsra.paper.report import plot, render
    from jsra.paper.rows import table
    from jsra.runtime.distributed import is_main, world_size

    if args.jobs > 1 and world_size() > 1:
        raise ConfigError(f"--jobs {args.jobs} starts its own processes: leave it out under mpirun")
    wanted = table(args.table)
    found = report(
        wanted, args.preset, args.rows, args.seeds, train=not (args.no_train or args.cost_only), cost_only=args.cost_only,
        root=args.root, overrides=args.overrides, jobs=args.jobs, other=args.other_settings,
        say=lambda line: is_main() and print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    if not is_main():
        return 0
    print(render(found, args.format))
    if args.plot:
        print(plot(found, args.plot), file=sys.stderr)
    return 0
