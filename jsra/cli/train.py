"""`jsra train CONFIG`: train a detector; with `mpirun -np N jsra train CONFIG` on N devices."""

from jsra.cli.numbers import whole


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "train",
        help="train a config",
        description="Train a config. With MPI, `mpirun -np N jsra train CONFIG` trains data-parallel; batch_size is the "
        "total number of images of all processes.",
    )
    parser.add_argument("config", help="a .py or .yaml config")
    add_set(parser)
    parser.add_argument(
        "--resume", nargs="?", const="auto", metavar="CHECKPOINT",
        help="continue (bit-identical) from CHECKPOINT or the latest one of work_dir; from scratch if there is none",
    )  # fmt: skip
    parser.add_argument("--seed", type=whole, help="overrides the config's seed")
    parser.add_argument("--work-dir", help="overrides the config's work_dir")
    parser.add_argument("--no-pictures", action="store_true", help="do not draw the first batches and the curves")
    parser.set_defaults(run=run)


def add_set(parser):
    """Add the option --set of all commands with a config."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides",
        help="set one value of the config, e.g. dataset.train.batch_size=4; may be repeated",
    )  # fmt: skip


def run(args):
    from jsra.config import load_config
    from jsra.config_checks import check_names
    from jsra.engine.build import build_run
    from jsra.engine.interrupt import Interrupted
    from jsra.engine.train import train
    from jsra.runtime.device import use_best_device

    config = load_config(args.config, args.overrides)
    if args.work_dir:
        config["work_dir"] = args.work_dir
        check_names(config, "--work-dir")
    use_best_device()
    training = build_run(config, resume=args.resume, seed=args.seed)
    try:
        _show_data(training, not args.no_pictures)
        metrics = train(training)
    except Interrupted as stop:
        training.log.info(str(stop))
        return stop.code
    finally:
        training.close()
    training.log.info(f"done: {training.last_saved}")
    if getattr(metrics, "table", None):
        training.log.info(metrics.table)
    if not args.no_pictures:
        _show_curves(training)
    return 0


def _show_data(training, pictures):
    from jsra.visualize.training import draw_batches, label_lines

    if training.main and training.iteration == 0:
        for line in label_lines(training.loader.dataset):
            training.log.info(line)
    if training.main and training.iteration == 0 and pictures:
        paths = draw_batches(training.loader, training.work_dir)
        training.log.info(f"first batches as the model sees them: {paths[0]} to {paths[-1]}")


def _show_curves(training):
    import importlib.util
    import os

    from jsra.visualize.curves import plot
    from jsra.visualize.training import CURVES

    if training.main and importlib.util.find_spec("matplotlib"):
        training.log.info(f"curves: {plot([training.work_dir], os.path.join(training.work_dir, CURVES))}")
