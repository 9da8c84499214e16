"""`jsra bench`: how fast the operators are, here and in other programs."""


def add_parser(subparsers):
    parser = subparsers.add_parser("bench", help="measure operators, beside other programs")
    commands = parser.add_subparsers(dest="bench_command", metavar="COMMAND", required=True)

    ops = commands.add_parser("ops", help="time and memory of each operator, forward and backward")
    ops.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="PYTHON",
        help="a Python that has torchvision or onnxruntime, which then run the same inputs in turn (may be repeated)",
    )
    ops.add_argument("--only", action="append", default=[], metavar="TEXT", help="entries whose name contains this")
    ops.add_argument("--count", type=int, default=1000, help="RoIs (default: %(default)s)")
    ops.add_argument("--repeat", type=int, default=7, help="runs of each (default: %(default)s)")
    ops.add_argument("--no-sweep", action="store_true", help="leave out the growth from 250 to 4000 RoIs")
    ops.add_argument("--json", metavar="FILE", help="write the results there")
    ops.set_defaults(run=_ops)


def _ops(args):
    import json

    import jsra
    from jsra.bench.ops import bench, machine

    results = bench(args.peer, args.only, args.count, args.repeat, not args.no_sweep)
    if args.json:
        with open(args.json, "w", encoding="utf8") as file:
            json.dump(dict(jsra=jsra.__version__, **machine(), results=results), file, indent=1)
