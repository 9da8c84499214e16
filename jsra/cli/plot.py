"""`jsra plot RUN...`: draws the training curves of several runs in one figure."""


def add_parser(subparsers):
    parser = subparsers.add_parser("plot", help="draw the training curves of one or several runs (needs matplotlib)")
    parser.add_argument("runs", nargs="+", metavar="run", help="work_dirs of `jsra train`, or log.jsonl files")
    parser.add_argument(
        "--keys", help="comma-separated values to draw, e.g. loss_cls,bbox_mAP; default: loss, lr and the main metric"
    )
    parser.add_argument("--out", default="curves.png", help="the figure: .png, .svg or .pdf (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args):
    from jsra.output import figure_file
    from jsra.visualize.curves import plot

    keys = [key.strip() for key in args.keys.split(",")] if args.keys else None
    print(plot(args.runs, figure_file(args.out), keys))
    return 0
