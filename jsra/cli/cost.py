"""`jsra cost CONFIG`: parameters and FLOPs of a detector, part by part, in two counts."""

from jsra.cli.numbers import count


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "cost",
        help="parameters and FLOPs, part by part",
        description="Counts the built model in two ways: as in the papers' tables (1333 x 1333 without padding, 300 RoIs, "
        "1 multiply-accumulate = 1 FLOP), and as the code executes it. See docs/reproduce.md.",
    )
    parser.add_argument("config", help="a .py or .yaml config")
    add_set(parser)
    parser.add_argument(
        "--size", type=count, nargs=2, default=(1333, 1333), metavar=("H", "W"), help="image size (default: 1333 1333)"
    )
    parser.add_argument("--rois", type=count, default=300, help="number of RoIs (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args):
    from jsra.output import json_text
    from jsra.paper import cost

    found = cost.count(cost.built(args.config, args.overrides), tuple(args.size), args.rois)
    print(json_text(found, indent=1) if args.json else cost.text(found))
    return 0
