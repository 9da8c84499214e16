"""`jsra test CONFIG WEIGHTS`: evaluate weights on a dataset, or write the result file for the COCO test server."""


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "test",
        help="evaluate weights: AP, per-class table, result JSON",
        description="Evaluate weights on dataset.test (or another split): prints AP and the per-class table, writes "
        "OUT/metrics.json and OUT/detections/*.json in COCO's submission format. For a split without annotations, such as "
        "image_info_test-dev2017.json, it writes only the submission file.",
    )
    parser.add_argument("config", help="a .py or .yaml config")
    parser.add_argument("weights", help="a .safetensors, .pth or .pt file, a checkpoint folder, or a work_dir (its latest)")
    add_set(parser)
    parser.add_argument("--split", default=None, help="train, val or test; default: test if the config has it, else val")
    parser.add_argument("--out", help="folder for the results; default: WORK_DIR/test")
    parser.add_argument("--format-only", action="store_true", help="write the submission file without evaluating")
    add_flip(parser)
    parser.set_defaults(run=run)


def add_flip(parser):
    """Add the option --flip of commands that run a trained model."""
    parser.add_argument("--flip", action="store_true", help="also use mirrored images, and merge: twice the time")


def run(args):
    import os
    import sys

    from jsra.agreement import check_agreement
    from jsra.config import load_config
    from jsra.data.classes import check_model, check_same
    from jsra.defaults import without_helpers
    from jsra.engine.checkpoint import classes_of, is_model, weights_file
    from jsra.evaluation.evaluator import Evaluator
    from jsra.evaluation.report import submit
    from jsra.inference import load_model
    from jsra.output import check_folder
    from jsra.registry import ConfigError
    from jsra.runtime.device import use_best_device
    from jsra.runtime.distributed import is_main, on_main

    config = load_config(args.config, args.overrides)
    split = args.split or ("test" if config["dataset"].get("test") else "val")
    if not config["dataset"].get(split):
        raise ConfigError(f"{args.config}: dataset has no {split!r}")
    given = {"weights": args.weights, "split": split, "out": args.out, "flip": args.flip}
    given["config"] = without_helpers(config.to_dict())
    check_agreement("settings", lambda: given)
    out = args.out or os.path.join(config["work_dir"], "test")
    on_main(lambda: check_folder(out, (), "--out" if args.out else "work_dir"))
    weights = on_main(lambda: weights_file(args.weights))
    use_best_device(config)
    evaluator = Evaluator(config, split, work_dir=out, flip=args.flip)
    dataset = evaluator.dataset
    for line in dataset.notes if is_main() else ():
        print(f"dataset.{split}: {line}", file=sys.stderr)
    saved = on_main(lambda: classes_of(weights))
    if saved:
        own = is_model(weights)  # other programs may spell the names differently
        check_same(dataset.CLASSES, saved, f"dataset.{split}", f"the weights {weights}", spelling=own)
    model = load_model(config, weights)
    check_model(model, dataset.CLASSES, f"dataset.{split}")
    evaluator.check_model(model)
    on_main(lambda: os.makedirs(out, exist_ok=True))  # before the detections, which would be lost
    results = evaluator.results(model)
    if not is_main():
        return 0
    if args.format_only or not dataset.has_objects():
        if not args.format_only:
            print(f"dataset.{split}: no image has an annotated object: there is nothing to evaluate", file=sys.stderr)
        for path in submit(evaluator.evaluators, dataset, results, out, split):
            print(f"{len(results)} images; submission file: {path}")
        if os.path.exists(os.path.join(out, "metrics.json")):
            print(f"{os.path.join(out, 'metrics.json')} is of an earlier test", file=sys.stderr)
        return 0
    metrics = evaluator.evaluate(results, split)
    print(metrics.table)
    print(f"results: {write_metrics(metrics, out, split, config, weights, args.flip)}")
    return 0


def write_metrics(metrics, out, split, config, weights, flip=False) -> str:
    """Write OUT/metrics.json: the metrics, also per class, and the config, weights and settings with which they were made."""
    import os

    from jsra.engine.provenance import provenance
    from jsra.output import write_json
    from jsra.settings import resolved

    content = {
        "metrics": dict(metrics), "per_class": metrics.per_class, "split": split, "weights": os.path.abspath(weights),
        "flip": flip, "config": config.to_dict(), "settings": resolved(config.to_dict()), **provenance(),
    }  # fmt: skip
    return write_json(os.path.join(out, "metrics.json"), content)
