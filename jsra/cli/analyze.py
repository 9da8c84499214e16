"""`jsra analyze RUN`: the right and wrong detections of a run, as one HTML page."""

import sys

from jsra.cli.numbers import score, whole


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "analyze",
        help="errors by type, confusion matrix, curves and the worst images of a run, as one HTML page",
        description="Read the detections of a run and write OUT/index.html (one file, opens without a network), its "
        "pictures as PNG files and OUT/analysis.json: AP by class and size, precision and recall, confusion matrix, errors "
        "by type and their cost in AP, the images with the most errors.",
    )
    parser.add_argument("folder", metavar="run", help="a folder of `jsra test` (WORK_DIR/test), or a work_dir")
    parser.add_argument("--config", help="the run's config, if the folder does not record it")
    parser.add_argument("--split", help="the dataset entry that was tested (default: the run's, else val)")
    parser.add_argument("--out", help="folder of the page (default: RUN/analysis)")
    parser.add_argument("--worst", type=whole, default=12, help="number of worst images drawn (default: %(default)s)")
    parser.add_argument(
        "--threshold", type=score, default=0.3, help="minimum score in confusion matrix and images (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args):
    import os

    from jsra.analysis.analyze import analyze
    from jsra.analysis.source import added, load, notes, outdated
    from jsra.output import check_folder

    out = args.out or os.path.join(args.folder, "analysis")
    check_folder(out, (), "--out" if args.out else "RUN")
    dataset, detections, path = load(args.folder, args.config, args.split)
    for line in (*notes(dataset, detections), *added(dataset, path), *outdated(args.folder)):
        print(f"warning: {line}", file=sys.stderr)
    print(f"detections: {path}")
    found = analyze(dataset, detections, out, f"Analysis of {path}", args.worst, args.threshold)
    for kind, error in found["errors"].items():
        print(f"{kind:<11}{error['count']:>7}   AP50 without it +{100 * (error['cost'] or 0):.1f}")
    print(f"page: {os.path.join(out, 'index.html')}")
    return 0
