"""`jsra invariance CONFIG WEIGHTS`: how stable RoI features are when the image or the box changes (table 11)."""

import sys

from jsra.cli.numbers import angle, count, whole


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "invariance",
        help="cosine similarity of RoI features before and after transformations",
        description="Mean cosine similarity of the RoI features of ground-truth objects before and after a random rotation "
        "and a reflection of the picture, and scaling and panning of the box.",
    )
    add_arguments(parser)
    parser.add_argument(
        "--max-angle", type=angle, default=180.0, help="largest rotation, in degrees (default: %(default)s)"
    )
    parser.add_argument("--seed", type=whole, default=0)
    parser.set_defaults(run=run)


def add_arguments(parser):
    """Add the arguments that the studies of trained models have in common."""
    from jsra.cli.train import add_set

    parser.add_argument("config", help="a .py or .yaml config")
    parser.add_argument(
        "weights", nargs="?", help="a weights file, a checkpoint folder or a work_dir; default: random weights"
    )
    parser.add_argument("--split", default="val", help="dataset entry of the config (default: %(default)s)")
    parser.add_argument("--images", type=count, default=100, metavar="N", help="number of images (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_set(parser)


def run(args):
    from jsra.output import json_text
    from jsra.paper.invariance import KINDS, measure

    model, config = load(args)
    found = measure(model, config, args.split, args.images, args.seed, max_angle=args.max_angle)
    if args.json:
        print(json_text(found, indent=1))
        return 0
    for kind in KINDS:
        print(f"{kind:<16} {found[kind]:.3f}")
    print(f"cosine similarity, mean over {found['objects']} objects")
    return 0


def load(args):
    """(model in evaluation mode, config) for the arguments of add_arguments."""
    from jsra.config import load_config
    from jsra.inference import load_model
    from jsra.registry import ConfigError, nearest
    from jsra.runtime.device import use_best_device

    config = load_config(args.config, args.overrides)
    if args.split not in config["dataset"]:
        raise ConfigError(f"{args.config}: dataset has no {args.split!r}{nearest(args.split, config['dataset'])}")
    use_best_device(config)
    if args.weights is None:
        print("no weights are given: these are the numbers of random weights", file=sys.stderr)
    return load_model(config, args.weights), config
