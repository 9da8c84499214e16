"""`jsra masks CONFIG WEIGHTS IMAGE`: draws the semantic masks of chosen RoIs on the image, as figure 3 of the SRA paper."""

from jsra.cli.numbers import count, finite

GREY = (127, 127, 127)  # colour of the empty corners after a rotation


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "masks",
        help="draw the semantic masks of RoIs over the image",
        description="Draws one row per RoI and one column per mask. Without --boxes the RoIs are the best detections.",
    )
    parser.add_argument("config", help="a config whose RoI extractor is SemanticRoIAlign")
    parser.add_argument("weights", help="a .safetensors, .pth or .pt file, a checkpoint folder, or a work_dir (its latest)")
    parser.add_argument("image", help="a picture")
    add_set(parser)
    parser.add_argument(
        "--boxes", nargs="+", metavar="X0,Y0,X1,Y1", help="the RoIs, in pixels of the picture; default: the best detections"
    )
    parser.add_argument("--detections", type=count, default=3, help="number of detections (default: %(default)s)")
    parser.add_argument("--masks", metavar="I,J,...", help="numbers of the masks, or 'all'; default: the 6 sharpest")
    parser.add_argument("--mirrored", action="store_true", help="also draw the same masks over the mirrored picture")
    parser.add_argument(
        "--turned", type=finite, nargs="+", default=[], metavar="DEGREES", help="also over the picture turned by these angles"
    )
    parser.add_argument("--out", default="masks.png", help="the figure (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args):
    import numpy as np

    from jsra.data.image import read_image
    from jsra.inference import Detector
    from jsra.output import PICTURES, check_distinct, output_file, write_picture
    from jsra.paper.figures import stack
    from jsra.paper.invariance import reflect, rotate
    from jsra.registry import ConfigError
    from jsra.visualize.roi_masks import roi_masks
    from jsra.visualize.semantic_masks import draw_semantic_masks, most_telling

    check_distinct(output_file(args.out, PICTURES), args.image)
    pixels = read_image(args.image)
    boxes = None if args.boxes is None else [parse_box(text, pixels.shape[1], pixels.shape[0]) for text in args.boxes]
    chosen = parse_masks(args.masks)
    detector = Detector(args.config, args.weights, args.overrides)
    if boxes is None:
        boxes = detector(pixels)["boxes"][: args.detections]
        if len(boxes) == 0:
            raise ConfigError(f"nothing was detected in {args.image}: give the RoIs with --boxes X0,Y0,X1,Y1")
    masks = roi_masks(detector, pixels, boxes)
    count = len(masks[0])
    if chosen is None:
        chosen = most_telling(masks, min(6, count))
    wrong = [i for i in chosen if i >= count]
    if wrong:
        raise ConfigError(f"--masks: the model has masks 0 to {count - 1}, not {wrong}")
    chosen = chosen or list(range(count))
    views = [("", pixels, boxes, masks)]
    others = [("mirrored", *reflect(pixels, np.asarray(boxes)))] if args.mirrored else []
    others += [(f"turned by {a:g} degrees", *rotate(pixels, np.asarray(boxes), None, a, GREY)) for a in args.turned]
    views += [(title, view, places, roi_masks(detector, view, places)) for title, view, places in others]
    pictures = [(title, draw_semantic_masks(*view, chosen)) for title, *view in views]
    print(write_picture(args.out, stack(pictures) if others else pictures[0][1]))
    return 0


def parse_masks(text):
    """The numbers in '0,3,5'; [] for 'all'; None if nothing is given. Raises ConfigError for anything else."""
    from jsra.registry import ConfigError

    if text is None or text == "all":
        return None if text is None else []
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ConfigError(f"--masks {text!r}: write numbers of masks, from 0, such as 0,3,5, or all")
    return [int(part) for part in parts]


def parse_box(text, width, height):
    """[x0, y0, x1, y1] from 'x0,y0,x1,y1'. Raises ConfigError unless it is a box inside an image of this size in pixels."""
    from jsra.registry import ConfigError

    try:
        box = [float(v) for v in text.split(",")]
    except ValueError:
        box = []
    if len(box) != 4 or not (box[0] < box[2] and box[1] < box[3]):
        raise ConfigError(f"--boxes {text!r}: a box is four numbers x0,y0,x1,y1 with x0 < x1 and y0 < y1")
    if not (0 <= box[0] and 0 <= box[1] and box[2] <= width and box[3] <= height):
        raise ConfigError(f"--boxes {text!r}: the picture has {width} x {height} pixels, and this box is not inside it")
    return box
