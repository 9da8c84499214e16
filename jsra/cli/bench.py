"""`jsra bench`: speed of operators, extractors and complete detectors, here and in other programs."""

from jsra.bench.detectors import DETECTORS
from jsra.cli.numbers import count


def add_parser(subparsers):
    parser = subparsers.add_parser("bench", help="measure the speed of operators, extractors and detectors")
    commands = parser.add_subparsers(dest="bench_command", metavar="COMMAND", required=True)

    ops = _command(commands, "ops", _ops, 7, "time and memory of each operator, forward and backward")
    ops.add_argument("--no-sweep", action="store_true", help="do not measure 250 to 4000 RoIs")
    ops.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="for jsra and torchvision (default: cpu)")
    roi = _command(commands, "roi", _roi, 3, "time of each RoI feature extractor, compared with a peer's roi_align")
    for parser in (ops, roi):
        parser.add_argument("--count", type=count, default=1000, help="number of RoIs (default: %(default)s)")
    model = _command(commands, "model", _model, 5, "inference and a training step of a detector, R50-FPN")
    model.add_argument("--detector", choices=DETECTORS, default="faster_rcnn", help="default: %(default)s")
    model.add_argument("--batch", type=count, default=1, help="images in a training step (default: %(default)s)")
    model.add_argument("--size", type=count, nargs=2, metavar=("HEIGHT", "WIDTH"), help="image size (default: 800 1216)")


def _command(commands, name, function, repeat, text):
    parser = commands.add_parser(name, help=text)
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="PYTHON",
        help="a Python with torchvision, onnxruntime or (for model) OpenVINO or mmdet: they run the same inputs, alternating "
        "with jsra (may be repeated)",
    )
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="only this entry (may be repeated)")
    parser.add_argument("--repeat", type=count, default=repeat, help="number of runs of each (default: %(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the results to FILE")
    parser.set_defaults(run=function)
    return parser


def _ops(args):
    from jsra.bench.ops import bench

    _check(args.json)
    _write(args.json, bench(args.peer, args.only, args.count, args.repeat, not args.no_sweep, device=args.device))


def _roi(args):
    from jsra.bench.roi import bench

    _check(args.json)
    _write(args.json, bench(args.peer, args.only, args.count, args.repeat))


def _model(args):
    from jsra.bench.model import bench

    _check(args.json)
    _write(args.json, bench(args.peer, args.only, args.repeat, args.size, args.batch, detector=args.detector))


def _check(path):
    """Raise ConfigError, before anything is measured, if the results cannot be written to this file."""
    from jsra.output import output_file

    if path:
        output_file(path, None, "--json")


def _write(path, results):
    import jsra
    from jsra.bench.ops import machine
    from jsra.output import write_json

    if path:
        write_json(path, dict(jsra=jsra.__version__, **machine(), results=results))
