"""`jsra convert SRC DST`: weights of mmdet, torchvision and JDet into this package's names, and back."""

FAMILIES = (
    "jsra", "mmdet", "torchvision", "jdet", "dynamic_head", "backbone", "efficientnet_lite", "swin", "timm_swin", "pvt",
    "timm_pvt", "deit", "internimage", "flownet", "mmtrack",
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
    from jsra.convert.check import incomplete_parts
    from jsra.convert.convert import from_jsra, to_jsra
    from jsra.convert.files import WRITTEN, read_weights, write_weights
    from jsra.convert.load import match
    from jsra.convert.names import CLASSIFIERS
    from jsra.convert.position_tables import fitted
    from jsra.engine.checkpoint import weights_file
    from jsra.output import output_file

    output_file(args.target, WRITTEN, "DST")
    converted = to_jsra(read_weights(weights_file(args.source)), args.family, args.classes)
    if args.config:
        shapes = model_shapes(args.config, args.overrides)
        if converted.family in CLASSIFIERS or args.to in CLASSIFIERS:
            shapes = {name: shape for name, shape in shapes.items() if name.startswith("backbone.")}
        converted = fitted(shapes, converted)
        report = match(shapes, converted)
        lacking = report.missing + list(report.mismatched)
    else:
        report = match({name: array.shape for name, array in converted.arrays.items()}, converted)
        lacking = incomplete_parts(converted.arrays)
        report = report._replace(missing=lacking)
    print(report)
    arrays = converted.arrays
    if args.to != "jsra":
        back = from_jsra(arrays, args.to)
        for name, note in back.reshaped.items():
            print(f"written as {name}: {note}")
        if back.unexpected:
            print(f"{len(back.unexpected)} weights have no name in {args.to}, left out: {', '.join(back.unexpected[:12])}")
        arrays = back.arrays
    if lacking or not arrays:
        print(
            f"not written: {len(lacking)} needed weights are missing" if lacking else "not written: no weights to write"
        )
        return 1
    write_weights(args.target, arrays)
    print(f"{args.target}: {len(arrays)} weights with {args.to} names")
    return 0


def model_shapes(config, overrides) -> dict:
    """{name: shape} of the weights of a config's model."""
    from jsra.config import load_config
    from jsra.registry import build

    model = build(load_config(config, overrides)["model"], "model", "detector")
    return {name: tuple(var.shape) for name, var in model.state_dict().items()}
