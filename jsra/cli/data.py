"""`jsra data`: checks and shows datasets, and draws the built-in ones."""

from jsra.cli.numbers import count, whole


def add_parser(subparsers):
    parser = subparsers.add_parser("data", help="check, browse and generate data sets")
    commands = parser.add_subparsers(dest="data_command", metavar="COMMAND", required=True)

    check = commands.add_parser("check", help="list all problems of the annotations; exit code 1 if there are errors")
    _add_config(check)
    check.add_argument("--max", type=whole, default=20, help="lines per kind of problem (default: %(default)s; 0: all)")
    check.set_defaults(run=_check)

    browse = commands.add_parser("browse", help="draw the ground truth over the images")
    _add_config(browse)
    browse.add_argument("--out", help="folder (default: WORK_DIR/browse/SPLIT)")
    browse.add_argument("--count", type=count, default=20, help="number of images (default: %(default)s)")
    browse.add_argument("--seed", type=whole, help="choose images at random (default: evenly spaced)")
    browse.add_argument("--transformed", action="store_true", help="draw the images after the transforms")
    browse.set_defaults(run=_browse)

    vid = commands.add_parser("vid", help="convert ImageNet VID and DET to one COCO file with videos")
    vid.add_argument("root", metavar="ROOT", help="the devkit's folder, with Data, Annotations and ImageSets")
    vid.add_argument("out", metavar="FILE", help="the JSON file; a VIDDataset takes it as anno_file")
    vid.add_argument("--sets", nargs="+", required=True, metavar="SET", help="image sets: VID/val DET/DET_train_30classes")
    vid.add_argument("--classes", nargs="+", metavar="NAME", help="names in the annotations (default: the 30 of VID)")
    vid.add_argument("--key-frames", action="store_true", help="only boxes of the training frames: much faster, smaller")
    vid.set_defaults(run=_vid)

    puppets = commands.add_parser("puppets", help="draw the built-in data set of articulated figures")
    puppets.add_argument("folder", metavar="DIR")
    puppets.add_argument("--video", action="store_true", help="clips of moving figures, in ImageNet VID's layout")
    puppets.add_argument("--train", type=count, help="number of images of each training split (default: 600; clips: 60)")
    puppets.add_argument("--test", type=count, help="number of images of each other split (default: 150; clips: 20)")
    puppets.add_argument("--frames", type=count, help="number of frames of each clip (default: 12)")
    puppets.add_argument("--size", type=count, help="width and height in pixels (default: 224; clips: 160)")
    puppets.add_argument("--seed", type=whole, default=0)
    puppets.add_argument("--splits", nargs="+", help="draw only these splits (default: all)")
    puppets.add_argument("--workers", type=count, help="number of processes (default: one per core)")
    puppets.add_argument("--force", action="store_true", help="draw again even if the folder is complete")
    puppets.set_defaults(run=_puppets)


def _add_config(parser):
    from jsra.cli.train import add_set

    parser.add_argument("config", metavar="CONFIG", help="config file with a `dataset`")
    parser.add_argument("--split", default="train", help="which of the config's dataset entries (default: %(default)s)")
    add_set(parser)


def _chosen(args):
    """The config and its dataset entry args.split."""
    from jsra.arguments import short
    from jsra.config import load_config
    from jsra.registry import ConfigError, nearest

    config = load_config(args.config, args.overrides)
    splits = config.get("dataset") or {}
    if args.split not in splits:
        raise ConfigError(f"{args.config}: dataset has no split {args.split!r}{nearest(args.split, splits)}")
    if not isinstance(splits[args.split], dict):
        raise ConfigError(f"{args.config}: dataset.{args.split} is {short(splits[args.split])}, no settings of a data set")
    return config, splits[args.split]


def _check(args):
    from collections import Counter

    from jsra.data.check import check, refusal
    from jsra.data.problems import counted

    chosen = _chosen(args)[1]
    problems = check(chosen)
    if not any(p.level == "error" for p in problems):
        problems += refusal(chosen, args.split)
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
    print(f"dataset.{args.split}: {counted(errors, 'error')}, {counted(len(problems) - errors, 'warning')}")
    return 1 if errors else 0


def _browse(args):
    import os

    from jsra.data.dataset import all_images, with_masks
    from jsra.registry import build
    from jsra.visualize.browse import browse

    config, chosen = _chosen(args)
    dataset = build(with_masks(all_images(chosen, f"dataset.{args.split}")), f"dataset.{args.split}", "dataset")
    folder = args.out or os.path.join(config.work_dir, "browse", args.split)
    paths = browse(dataset, folder, args.count, args.seed, args.transformed)
    others = len(set(os.listdir(folder)) - set(map(os.path.basename, paths)))
    print(f"{len(paths)} pictures in {folder}{f' (and {others} other files, from before)' if others else ''}")
    return 0


def _vid(args):
    from jsra.data.paths import data_path
    from jsra.data.problems import first_lines, refuse
    from jsra.data.vid import MOST_NOTES, refuse_numbers
    from jsra.data.vid_devkit import read_devkit
    from jsra.output import output_file, write_json

    root, out = data_path(args.root), data_path(args.out)  # as in the config that names them
    output_file(out, (".json",), "OUT")
    content, problems = read_devkit(root, args.sets, args.classes, not args.key_frames, progress=True)
    refuse(root, problems)
    refuse_numbers(root, content)
    write_json(out, content, indent=None)
    for line in first_lines([f"{p.where}: {p.what}" for p in problems], MOST_NOTES):
        print(f"note: {line}")
    counts = ", ".join(f"{len(content[key])} {key}" for key in ("videos", "images", "annotations"))
    print(f"{out}: {counts}")
    return 0


def _puppets(args):
    from jsra.data.paths import data_path
    from jsra.data.puppets.generate import generate
    from jsra.data.puppets.video import generate_clips
    from jsra.output import check_folder
    from jsra.registry import ConfigError

    unused = "splits" if args.video else "frames"
    if getattr(args, unused) is not None:
        raise ConfigError(f"--{unused} does not apply to {'clips' if args.video else 'images'}: leave it out")
    names = ("train", "test", "size", "seed", "workers", "force", "frames", "splits")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    folder = data_path(args.folder)
    check_folder(folder, (), "DIR")
    (generate_clips if args.video else generate)(folder, **given)
    base = "puppets_video" if args.video else "puppets"
    print(f"puppets in {folder}; train with a config based on jdet_configs/_base_/{base}.py")
    return 0
