"""`jsra demo`: trains and compares SRA and RoI Align on the built-in dataset, in minutes on a CPU."""

from jsra.cli.numbers import count


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "demo",
        help="train SRA and RoI Align side by side on drawn figures, print their table, draw pictures",
        description="Draws a small data set, trains both extractors, evaluates on upright and on rotated figures, and draws "
        "detections and semantic masks. Run again after an interruption, it continues where it stopped.",
    )
    parser.add_argument("--out", default="demo", help="output folder (default: %(default)s)")
    parser.add_argument("--epochs", type=count, default=12, help="epochs of each training (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args):
    from jsra.demo import demo
    from jsra.engine.interrupt import Interrupted

    try:
        print(demo(args.out, args.epochs))
    except Interrupted as stop:
        print(f"{stop}; the same command continues from there")
        return stop.code
    return 0
