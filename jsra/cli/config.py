"""`jsra config CONFIG`: the merged config, and where each value comes from."""


def add_parser(subparsers):
    from jsra.cli.train import add_set

    parser = subparsers.add_parser(
        "config",
        help="print the merged config and where each value comes from",
        description="Print a config with its bases merged and --set applied, as YAML. The comment after each value says "
        "which file it comes from.",
    )
    parser.add_argument("config", help="a .py or .yaml config")
    add_set(parser)
    parser.add_argument("--defaults", action="store_true", help="also print the default values of each part")
    parser.set_defaults(run=run)


def run(args):
    from jsra.explain import explain

    print(explain(args.config, args.overrides, args.defaults))
    return 0
