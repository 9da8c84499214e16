"""`jsra crosscheck CONFIG|LAYER`: compares a RoI layer with a PyTorch module, step by step, for equal weights and inputs."""

from jsra.cli.numbers import count, finite, whole


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "crosscheck",
        help="compare a RoI layer with a PyTorch module: output, steps, gradients",
        description="Runs both on the same weights, maps and boxes, forward and backward, and shows the first difference. "
        "Exit code 0 if they agree, 1 if not, 2 if they could not be compared. See docs/crosscheck.md.",
    )
    parser.add_argument("layer", metavar="CONFIG|LAYER", help="a config with a roi_layer, or a layer: SemanticRoIAlign")
    parser.add_argument("--torch", required=True, metavar="PYTHON", help="a Python interpreter with PyTorch")
    parser.add_argument(
        "--module", required=True, metavar="FILE.py:NAME",
        help="the class of the module, or a function that returns it, called with the layer's settings",
    )  # fmt: skip
    add_set(parser)
    parser.add_argument(
        "--map", action="append", default=[], metavar="OURS=THEIRS",
        help="rename a weight, a step, or the first part of names; may be repeated",
    )  # fmt: skip
    parser.add_argument("--weights", metavar="FILE", help="weights of the layer or of a detector; default: random")
    parser.add_argument("--boxes", type=count, default=24, help="number of boxes (default: %(default)s)")
    parser.add_argument(
        "--size", type=count, nargs=2, default=(20, 28), metavar=("H", "W"), help="size of the feature map (default: 20 28)"
    )
    parser.add_argument("--pyramid", action="store_true", help="use four maps: the module gets lists, and levels [K]")
    parser.add_argument("--degenerate", action="store_true", help="also empty, inverted, not finite and unused boxes")
    parser.add_argument("--steps", type=whole, default=0, metavar="N", help="also compare the losses of N SGD steps")
    parser.add_argument("--lr", type=finite, default=0.01, help="learning rate of these steps (default: %(default)s)")
    parser.add_argument("--double", action="store_true", help="in float64: is a difference more than rounding?")
    parser.add_argument("--seed", type=whole, default=0, help="random seed of the inputs (default: %(default)s)")
    parser.add_argument("--tolerance", type=finite, default=1e-5, help="relative, of outputs (default: %(default)s)")
    parser.add_argument("--gradient-tolerance", type=finite, default=1e-4, help="of gradients (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args):
    from jsra.crosscheck.case import layer_settings
    from jsra.crosscheck.compare import compare, first_difference, losses, table, verdict
    from jsra.crosscheck.run import answer_here, answer_there, make_case
    from jsra.registry import ConfigError

    if ".py:" not in args.module:
        raise ConfigError(f"--module {args.module}: write it as FILE.py:NAME, where NAME is a class or function in the file")
    renamed = [tuple(text.split("=", 1)) for text in args.map]
    if not all(len(pair) == 2 and all(pair) for pair in renamed):
        raise ConfigError(f"--map {' --map '.join(args.map)}: write each as OURS=THEIRS")
    settings = layer_settings(args.layer, args.overrides)
    case = make_case(
        settings, args.module, args.boxes, args.size, args.pyramid, args.degenerate, args.steps, args.lr, args.seed,
        args.double, args.weights, renamed,
    )  # fmt: skip
    theirs = answer_there(case, args.torch, renamed)
    mine = answer_here(case)
    rows = compare(mine, theirs, args.tolerance, args.gradient_tolerance)
    shown = ", ".join(f"{key}={value!r}" for key, value in settings.items() if key != "type")
    kind = "float64" if args.double else "float32"
    print(f"{settings['type']}({shown}) and {args.module}: {len(case.given['rois'])} boxes, {kind}\n")
    print(table(rows))
    if args.steps:
        print(f"\n{losses(mine['losses'], theirs['losses'])}")
    print(f"\n{verdict(rows, args.double)}")
    return 1 if first_difference(rows) else 0
