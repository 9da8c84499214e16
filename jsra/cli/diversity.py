"""`jsra diversity CONFIG WEIGHTS`: how the masks of an RoI differ from each other and from the object (figure 7)."""

import sys


def add_parser(subparsers):
    from jsra.cli.invariance import add_arguments

    parser = subparsers.add_parser(
        "diversity",
        help="how similar the masks of an RoI are, and how they diverge",
        description="Cosine similarity between the masks of an RoI (figure 7 of the SRA paper), and the mean KL divergence "
        "between parts and from the object's mask (Learning Region Features). With --history, for every checkpoint of a "
        "work_dir.",
    )
    add_arguments(parser)
    parser.add_argument("--plot", metavar="FILE", help="draw the histogram")
    parser.add_argument("--history", action="store_true", help="print one line for each checkpoint in the work_dir WEIGHTS")
    parser.set_defaults(run=run)


def run(args):
    from jsra.cli.invariance import load
    from jsra.output import figure_file, json_text
    from jsra.paper import diversity
    from jsra.registry import ConfigError

    if args.history and args.plot:
        raise ConfigError("--plot: a histogram is of one checkpoint: leave --history out, and name a checkpoint")
    if args.history:
        return history(args)
    if args.plot:
        figure_file(args.plot, "--plot")
    model, config = load(args)
    found = diversity.measure(model, config, args.split, args.images)
    print(json_text(found, indent=1) if args.json else line(found))
    if args.plot:
        pairs = diversity.collect(model, config, args.split, args.images)["similarity"]
        print(diversity.histogram(pairs, args.plot, config["name"]), file=sys.stderr if args.json else sys.stdout)
    return 0


def history(args):
    import os

    from jsra.cli.invariance import load
    from jsra.engine.checkpoint import saved
    from jsra.output import json_text
    from jsra.paper import diversity
    from jsra.registry import ConfigError

    paths = saved(args.weights) if args.weights else []
    if not paths:
        raise ConfigError(f"--history: {args.weights} is not a work_dir with checkpoints")
    found = {}
    for args.weights in paths:
        model, config = load(args)
        found[os.path.basename(args.weights)] = diversity.measure(model, config, args.split, args.images)
        if not args.json:
            print(f"{os.path.basename(args.weights)}: {line(found[os.path.basename(args.weights)])}", flush=True)
    if args.json:
        print(json_text(found, indent=1))
    return 0


def line(found) -> str:
    kl_mask = f", of the object's mask {found['kl_mask']:.3f}" if "kl_mask" in found else ""
    return (
        f"similarity below 0.3: {found['share_below_percent']:.1f}% of the pairs of masks "
        f"({found['share_below_percent_single']:.1f}% before averaging), mean {found['mean_similarity']:.3f}; "
        f"KL between parts {found['kl_parts']:.3f}{kl_mask}; a mask covers {found['effective_positions']:.1f} positions; "
        f"{found['objects']} objects"
    )
