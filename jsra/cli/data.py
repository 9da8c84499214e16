"""`jsra data`: check and look at data sets, and draw the embedded one."""


def add_parser(subparsers):
    parser = subparsers.add_parser("data", help="check, browse and generate data sets")
    commands = parser.add_subparsers(dest="data_command", metavar="COMMAND", required=True)

    check = commands.add_parser("check", help="list every problem of the annotations; exit code 1 if there are errors")
    _add_config(check)
    check.add_argument("--max", type=int, default=20, help="lines per kind of problem (default: %(default)s; 0: all)")
    check.set_defaults(run=_check)

    browse = commands.add_parser("browse", help="draw the ground truth over the images")
    _add_config(browse)
    browse.add_argument("--out", help="folder (default: WORK_DIR/browse/SPLIT)")
    browse.add_argument("--count", type=int, default=20, help="number of images (default: %(default)s)")
    browse.add_argument("--seed", type=int, help="draw images at random (default: evenly spread)")
    browse.add_argument("--transformed", action="store_true", help="as the model sees them, after the transforms")
    browse.set_defaults(run=_browse)

    puppets = commands.add_parser("puppets", help="draw the embedded data set of articulated figures")
    puppets.add_argument("folder", metavar="DIR")
    puppets.add_argument("--train", type=int, default=600, help="images of each training split (default: %(default)s)")
    puppets.add_argument("--test", type=int, default=150, help="images of each other split (default: %(default)s)")
    puppets.add_argument("--size", type=int, default=224, help="width and height in pixels (default: %(default)s)")
    puppets.add_argument("--seed", type=int, default=0)
    puppets.add_argument("--splits", nargs="+", help="only these (default: all)")
    puppets.add_argument("--workers", type=int, help="processes (default: one per core)")
    puppets.add_argument("--force", action="store_true", help="draw again even if the folder is complete")
    puppets.set_defaults(run=_puppets)


def _add_config(parser):
    from jsra.cli.train import add_set

    parser.add_argument("config", metavar="CONFIG", help="config file with a `dataset`")
    parser.add_argument("--split", default="train", help="which of the config's dataset entries (default: %(default)s)")
    add_set(parser)


def _chosen(args):
    """The config and its dataset entry args.split."""
    from jsra.config import load_config
    from jsra.registry import ConfigError, nearest

    config = load_config(args.config, args.overrides)
    splits = config.get("dataset") or {}
    if args.split not in splits:
        raise ConfigError(f"{args.config}: dataset has no split {args.split!r}{nearest(args.split, splits)}")
    return config, splits[args.split]


def _check(args):
    from collections import Counter

    from jsra.data.check import check

    chosen = _chosen(args)[1]
    problems = check(chosen)
    print(f"dataset.{args.split}: {chosen.get('anno_file') or chosen['root']}")
    kinds = Counter()
    for p in sorted(problems, key=lambda p: p.level):
        kinds[(p.level, p.cure)] += 1
        if not args.max or kinds[(p.level, p.cure)] <= args.max:
            print(f"{p.level}: {p.where}: {p.what}; {p.cure}")
    hidden = sum(max(0, n - args.max) for n in kinds.values()) if args.max else 0
    if hidden:
        print(f"... and {hidden} more (--max 0 lists all)")
    errors = sum(p.level == "error" for p in problems)
    print(f"dataset.{args.split}: {errors} errors, {len(problems) - errors} warnings")
    return 1 if errors else 0


def _browse(args):
    import os
    from inspect import signature

    from jsra.registry import build, get
    from jsra.visualize.browse import browse

    config, chosen = _chosen(args)
    wanted = {**chosen, "filter_empty_gt": False}
    if "with_masks" in signature(get(wanted["type"])).parameters:
        wanted["with_masks"] = True
    dataset = build(wanted, f"dataset.{args.split}", "dataset")
    folder = args.out or os.path.join(config.work_dir, "browse", args.split)
    paths = browse(dataset, folder, args.count, args.seed, args.transformed)
    print(f"{len(paths)} pictures in {folder}")
    return 0


def _puppets(args):
    from jsra.data.puppets.generate import generate
    from jsra.data.puppets.scene import SPLITS

    folder = generate(args.folder, args.train, args.test, args.size, args.seed, args.workers,
                      tuple(args.splits or SPLITS), args.force)  # fmt: skip
    print(f"puppets in {folder}; train with a config on jdet_configs/_base_/puppets.py")
    return 0
