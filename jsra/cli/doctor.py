"""`jsra doctor`: what was found on this machine, how jsra uses it, and how to install what is missing."""


def add_parser(subparsers):
    parser = subparsers.add_parser("doctor", help="print what Jittor and jsra found on this machine, and what is missing")
    parser.set_defaults(run=run)


def run(args):
    from jsra.runtime.doctor import report

    print(report())
