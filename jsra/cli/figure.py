"""`jsra figure`: where SRA and its rivals sample the same object under transformations (figures 3 and 6)."""


def add_parser(subparsers):
    from jsra.paper.rows import PRESETS

    parser = subparsers.add_parser(
        "figure",
        help="where the methods sample the same object, upright, turned and mirrored",
        description="Figures 3 and 6 of the SRA paper, of the methods that `jsra table` has trained (seed 0).",
    )
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="default: %(default)s")
    parser.add_argument("--root", default="work_dirs", help="where the runs lie (default: %(default)s)")
    parser.add_argument("--split", default="val", help="entry of the configs' dataset (default: %(default)s)")
    parser.add_argument("--image", type=int, default=0, help="which picture of the split (default: %(default)s)")
    parser.add_argument("--angles", type=float, nargs="*", default=[90.0], help="of the turned views (default: 90)")
    parser.add_argument("--parts", type=int, default=5, help="features drawn one by one (default: %(default)s)")
    parser.add_argument("--out", default="figure.png", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(args):
    from PIL import Image

    from jsra.output import PICTURES, output_file
    from jsra.paper.figures import METHODS, draw
    from jsra.paper.rows import table
    from jsra.paper.run import runs
    from jsra.registry import ConfigError

    output_file(args.out, PICTURES)
    models, config = {}, None
    for key, name in METHODS:
        (row,) = table(key).select([name])
        found = [run for run in runs(row, args.preset, 1, args.root) if run.state() == "trained"]
        if found:
            config, models[name] = found[0].config, found[0].model()
        else:
            print(f"left out: {name}, not trained (jsra table {key} --preset {args.preset} --rows {name!r})")
    if not models:
        raise ConfigError("none of the methods is trained: run jsra table 1 first")
    try:
        picture = draw(models, config, args.split, args.image, args.angles, args.parts)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    Image.fromarray(picture).save(args.out)
    print(args.out)
    return 0
