"""`jsra convert SRC DST`: converts weights of mmdet, torchvision and JDet to this package's names, and back."""

FAMILIES = (
    "jsra", "mmdet", "torchvision", "jdet", "dynamic_head", "backbone", "efficientnet_lite", "swin", "timm_swin",
    "mmpretrain_swin", "pvt", "timm_pvt", "deit", "internimage", "flownet", "mmtrack",
)  # fmt: skip


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "convert",
        help="convert weights between jsra, mmdet, torchvision and JDet",
        description="Reads .pth, .pt and .pkl (without running pickled code), .safetensors and .npz; writes any of them, "
        "by the extension of DST. Prints matched, missing, unexpected and reshaped weights. Exit code 1 if the model "
        "of --config needs a weight that SRC lacks, or, without --config, if a part in SRC is incomplete.",
    )
    parser.add_argument(
        "source", metavar="SRC", help="a .pth, .pt, .pkl, .safetensors or .npz file, a checkpoint folder or work_dir"
    )
    parser.add_argument("target", metavar="DST", help="the file to write: .safetensors, .pth, .pt, .pkl or .npz")
    parser.add_argument("--to", choices=FAMILIES, default="jsra", help="the naming scheme to write (default: %(default)s)")
    parser.add_argument(
        "--from", dest="family", choices=FAMILIES, help="the naming scheme of SRC; default: detected automatically"
    )
    parser.add_argument("--config", help="the config of the model for these weights: every weight is checked")
    parser.add_argument(
        "--classes", choices=("coco80",), help="coco80: keep the 80 categories of a torchvision head with 91 rows"
    )
    add_set(parser)
    parser.set_defaults(run=run)


def run(args):
    from jsra.config import load_config
    from jsra.convert.check import foreign_backbone, incomplete_parts
    from jsra.convert.convert import from_jsra, to_jsra
    from jsra.convert.files import WRITTEN, read_weights, write_weights
    from jsra.convert.load import match, misplaced, not_finite
    from jsra.convert.names import CLASSIFIERS, known
    from jsra.convert.origin import origin, said
    from jsra.convert.position_tables import fitted
    from jsra.convert.trained_with import weights_notes
    from jsra.data.coco import COCO_CLASSES
    from jsra.engine.checkpoint import classes_of, config_of, weights_file
    from jsra.output import check_distinct, output_file
    from jsra.registry import ConfigError

    if args.overrides and not args.config:
        raise ConfigError("--set changes the settings of a config: give it with --config")
    output_file(args.target, WRITTEN, "DST")
    file = weights_file(args.source)
    check_distinct(args.target, file, "DST")
    stored = read_weights(file)
    config = load_config(args.config, args.overrides) if args.config else {}
    shapes = model_shapes(args.config, args.overrides) if args.config else None
    converted = to_jsra(stored, args.family, args.classes, shapes or ())
    if shapes is None:
        shapes = {name: array.shape for name, array in converted.arrays.items()}
        report = match(shapes, converted)._replace(missing=incomplete_parts(converted.arrays))
    else:
        if converted.family in CLASSIFIERS or args.to in CLASSIFIERS:
            shapes, own = ({n: v for n, v in d.items() if n.startswith("backbone.")} for d in (shapes, converted.arrays))
            converted = converted._replace(arrays=own)
        converted = fitted(shapes, converted)
        report = match(shapes, converted)
    lacking, other = report.missing + list(report.mismatched), misplaced(shapes, converted, report)
    if not args.config and converted.family != "jsra":  # weights with our names may be those of a user's own backbone
        other += foreign_backbone(converted.arrays)
    print(report)
    for line in weights_notes(file, config):
        print(line)
    arrays = converted.arrays
    if args.to != "jsra":
        back = from_jsra(arrays, args.to)
        for name, note in back.reshaped.items():
            print(f"written as {name}: {note}")
        if back.unexpected:
            print(f"{len(back.unexpected)} weights have no name in {args.to}, left out: {', '.join(back.unexpected[:12])}")
        if back.ignored:
            print(f"{len(back.ignored)} weights are not of the backbone, left out: {', '.join(back.ignored[:12])}")
        arrays = back.arrays
    model = f"the model of {args.config}" if args.config else "the detectors of jsra"
    broken = not_finite(arrays)
    reasons = (
        (lacking, f"{len(lacking)} needed weights are missing or of another shape"),
        (other, f"{len(other)} weights have no place in {model} (another depth, neck or extractor?): {', '.join(other[:3])}"),
        (not arrays, "no weights to write"),
        (broken, f"{len(broken)} weights contain NaN or infinity: {', '.join(broken[:12])}"),
        (
            not (args.config or args.family or known(converted.arrays)),
            f"the names ({', '.join(list(stored)[:3])}, ...) follow no known scheme; --from jsra keeps them as they are",
        ),
    )
    reason = next((reason for wrong, reason in reasons if wrong), None)
    if reason:
        print(f"not written: {reason}")
        return 1
    classes = () if args.to in CLASSIFIERS else COCO_CLASSES if args.classes else classes_of(args.source) or ()
    settings = None if args.to in CLASSIFIERS else config_of(args.source)
    source = said(origin(file), backbone=args.to in CLASSIFIERS)
    write_weights(args.target, arrays, classes, settings, source)
    print(f"{args.target}: {len(arrays)} weights with {args.to} names")
    if (source or settings) and not args.target.lower().endswith(".safetensors"):
        print(
            f"only a .safetensors file keeps what {args.source} says about its training (settings of the model, the "
            "normalisation of images): where this file is used, nothing can be compared with them"
        )
    if classes:
        print(_about_classes(classes, args, config))
    return 0


def _about_classes(classes, args, config) -> str:
    """A line about the names of the classes, which only some files have."""
    from jsra.data.classes import equal_names, listed
    from jsra.inference import class_names

    line = f"{len(classes)} classes: {listed(classes)}"
    if not args.target.lower().endswith(".safetensors"):
        line += "; only a .safetensors file keeps their names: give the same classes in this order where it is used"
    ours = class_names(config) if config.get("dataset") else ()
    if ours and not equal_names(ours, classes):
        line += f"; warning: {args.config} has other classes, or another order: {listed(ours)}"
    return line


def model_shapes(config, overrides) -> dict:
    """{name: shape} of the weights of a config's model."""
    from jsra.config import load_config
    from jsra.registry import build

    model = build(load_config(config, overrides)["model"], "model", "detector")
    return {name: tuple(var.shape) for name, var in model.state_dict().items()}
