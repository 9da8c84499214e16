"""`jsra export CONFIG WEIGHTS MODEL.onnx`: a trained detector as an ONNX file."""

ENDINGS = (".onnx",)


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "export",
        help="write a trained detector as an ONNX file",
        description="Writes a Faster R-CNN or Mask R-CNN with FPN, and RoI Align or Semantic RoI Align, with standard "
        "operators. Input: one resized image, RGB, 0 to 255, of any size. Outputs: boxes in its pixels, scores, labels, "
        "masks (docs/export.md). Needs `pip install 'jsra[export]'`. Exit code 1 if --check finds a difference.",
    )
    parser.add_argument("config", help="a .py or .yaml config")
    parser.add_argument("weights", help="a .safetensors, .pth or .pt file, a checkpoint folder, or a work_dir (its latest)")
    parser.add_argument("target", metavar="MODEL.onnx", help="the file to write")
    add_set(parser)
    parser.add_argument(
        "--check", nargs="+", default=[], metavar="PICTURE", help="run the file in onnxruntime on these pictures, and compare"
    )
    parser.set_defaults(run=run)


def run(args):

    from jsra.config import load_config
    from jsra.data.image import read_image
    from jsra.export.supported import check_installed, check_supported
    from jsra.folders import is_file
    from jsra.inference import Detector
    from jsra.output import output_file

    check_installed(("onnx", "onnxruntime") if args.check else ("onnx",))
    output_file(args.target, ENDINGS, "MODEL.onnx")
    config = load_config(args.config, args.overrides)
    check_supported(config, args.config)
    for path in args.check:
        if not is_file(path):
            raise FileNotFoundError(f"--check: there is no picture {path}")
        read_image(path)

    from jsra.export.export import describe, onnx_model, save

    detector = Detector(config, args.weights)
    model = onnx_model(detector.model, detector.transforms.transforms, detector.classes)
    save(model, args.target)
    print(f"{args.target}: {describe(model)}")
    return compare(detector, args.target, args.check) if args.check else 0


def compare(detector, path, pictures):
    """Print the differences between the file's and the model's detections; exit code 1 if they are more than rounding."""
    import time

    from jsra.export import check

    session, code = check.session(path), 0
    for picture in pictures:
        pixels = check.resized(detector, picture)
        results, times = [], []
        for find, source in ((check.ours, detector), (check.theirs, session)):
            if picture == pictures[0]:
                find(source, pixels)  # not timed: the first run compiles
            start = time.perf_counter()
            results.append(find(source, pixels))
            times.append(time.perf_counter() - start)
        difference = check.difference(*results)
        height, width = pixels.shape[:2]
        print(f"{picture} ({width} x {height}): {difference}; jsra {times[0]:.2f} s, onnxruntime {times[1]:.2f} s")
        if not difference.small(max(width, height)):
            print(f"the difference is more than {check.TOLERANCE} (boxes: of the longer side)")
            code = 1
    return code
