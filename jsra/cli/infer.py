"""`jsra infer CONFIG WEIGHTS INPUT...`: detections of pictures, folders and videos, as pictures and JSON."""

import sys

from jsra.cli.numbers import score


def add_parser(subparsers):
    from jsra.cli.test import add_flip
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "infer",
        help="detect objects in pictures, folders of pictures or videos",
        description="Writes OUT/<name>.jpg with the boxes drawn and OUT/detections.json with all detections; a video gives "
        "OUT/<name>.mp4 and needs OpenCV or imageio (a GIF needs neither). Exit code 1 if an input failed.",
    )
    parser.add_argument("config", help="a .py or .yaml config")
    parser.add_argument("weights", help="a .safetensors, .pth or .pt file, a checkpoint folder, or a work_dir (its latest)")
    parser.add_argument("inputs", nargs="+", metavar="input", help="pictures, videos, folders (without earlier results)")
    add_set(parser)
    parser.add_argument("--out", default="detections", help="folder of the results (default: %(default)s)")
    parser.add_argument("--threshold", type=score, default=0.5, help="minimum score drawn (default: %(default)s)")
    add_flip(parser)
    parser.set_defaults(run=run)


def run(args):
    import os

    from jsra.inference import Detector
    from jsra.output import check_folder
    from jsra.runtime.distributed import is_main
    from jsra.visualize.media import find_inputs, infer_all, left_out

    # Checked before the model is built: a wrong path should be reported immediately.
    inputs = find_inputs(args.inputs)
    check_folder(args.out, inputs)
    os.makedirs(args.out, exist_ok=True)
    detector = Detector(args.config, args.weights, args.overrides, flip=args.flip)
    if not is_main():
        return 0  # with mpirun: the first process detects and writes
    _say_left_out(left_out(args.inputs))
    done = infer_all(detector, inputs, args.out, args.threshold)
    for path, reason in done.failed.items():
        print(f"failed: {path}: {reason}", file=sys.stderr)
    if done.several:
        path, frames = next(iter(done.several.items()))
        print(
            f"warning: {len(done.several)} of the pictures have several frames or pages, of which only the first was used, "
            f"such as {path} ({frames}): save them as a GIF or a video",
            file=sys.stderr,
        )
    ended = ", interrupted" if done.interrupted else ""
    print(f"{len(inputs)} inputs, {len(done.failed)} failed{ended}; detections: {done.path}")
    return 130 if done.interrupted else 1 if done.failed else 0


def _say_left_out(paths):
    from jsra.data.problems import counted

    if paths:
        kinds = ", ".join(sorted({path[path.rfind(".") :].lower() for path in paths}))
        print(
            f"warning: {counted(len(paths), 'file')} not used, of kinds that are not read ({kinds}), such as {paths[0]}: "
            "save them as .jpg, .png or .mp4",
            file=sys.stderr,
        )
