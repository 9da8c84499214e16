"""`jsra figure`: where SRA and the other extractors sample the same object under transformations (figures 3 and 6 of its
paper), and how well convolutions are aligned with their boxes (figure 4 of AlignDet)."""

from jsra.cli.numbers import count, finite, whole


def add_parser(subparsers):
    from jsra.paper.rows import PRESETS

    parser = subparsers.add_parser(
        "figure",
        help="where the methods sample the same object, upright, turned and mirrored; how well convolutions are aligned",
        description="sampling: figures 3 and 6 of the SRA paper. align: figure 4 of AlignDet, overlaps of refined anchors "
        "with the boxes that a convolution's taps sample. Uses the methods that `jsra table` has trained (seed 0).",
    )
    parser.add_argument(
        "figure", nargs="?", choices=("sampling", "align"), default="sampling", help="default: %(default)s"
    )
    parser.add_argument("--preset", choices=PRESETS, default="paper", help="default: %(default)s")
    parser.add_argument("--root", default="work_dirs", help="folder of the runs (default: %(default)s)")
    parser.add_argument("--split", default="val", help="dataset entry of the configs (default: %(default)s)")
    parser.add_argument("--images", type=count, help="align: number of pictures (default: 20)")
    parser.add_argument("--image", type=whole, help="sampling: which picture of the split (default: 0)")
    parser.add_argument("--angles", type=finite, nargs="*", help="sampling: angles of the turned views (default: 90)")
    parser.add_argument("--parts", type=count, help="sampling: number of features drawn separately (default: 5)")
    parser.add_argument("--out", default="figure.png", help="the figure (default: %(default)s)")
    parser.set_defaults(run=run)


DEFAULTS = {"align": {"images": 20}, "sampling": {"image": 0, "angles": [90.0], "parts": 5}}


def run(args):
    from jsra.paper.run import check_root
    from jsra.registry import ConfigError

    check_root(args.root)
    for figure, defaults in DEFAULTS.items():
        for name, value in defaults.items():
            if figure != args.figure and getattr(args, name) is not None:
                raise ConfigError(f"--{name} is of `jsra figure {figure}`, this is {args.figure}: leave it out")
            if getattr(args, name) is None:
                setattr(args, name, value)
    return align(args) if args.figure == "align" else sampling(args)


def trained(key, rows, args) -> dict:
    """{name: (model, config)} of the trained rows among `rows` (None: all) of a table; prints which ones are left out."""
    from jsra.paper.rows import table
    from jsra.paper.run import runs

    found = {}
    for row in table(key).select(rows):
        done = [run for run in runs(row, args.preset, 1, args.root) if run.state() == "trained"]
        if done:
            found[row.name] = done[0].model(), done[0].config
        else:
            print(f"left out: {row.name}, not trained (jsra table {key} --preset {args.preset} --rows {row.name!r})")
    return found


def align(args):
    from jsra.evaluation.tables import text_table
    from jsra.output import figure_file
    from jsra.paper.alignment import TABLE, draw, ious
    from jsra.registry import ConfigError

    figure_file(args.out)
    models = trained(TABLE, None, args)
    if not models:
        raise ConfigError(f"none of the methods is trained: run jsra table {TABLE} first")
    found = {name: ious(model, config, args.split, args.images) for name, (model, config) in models.items()}
    rows = [(n, f"{v.mean():.3f}", f"{(v > 0.5).mean():.3f}", str(len(v))) for n, v in found.items()]
    print(text_table(("method", "mean IoU", "above 0.5", "anchors"), rows))
    print(draw(found, args.out))
    return 0


def sampling(args):
    from jsra.output import PICTURES, output_file, write_picture
    from jsra.paper.figures import METHODS, draw
    from jsra.registry import ConfigError

    output_file(args.out, PICTURES)
    models, config = {}, None
    for key, name in METHODS:
        for found, (model, settings) in trained(key, [name], args).items():
            models[found], config = model, settings
    if not models:
        raise ConfigError("none of the methods is trained: run jsra table 1 first")
    print(write_picture(args.out, draw(models, config, args.split, args.image, args.angles, args.parts)))
    return 0
