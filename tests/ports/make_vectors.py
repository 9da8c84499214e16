"""Compare every port with jsra, and store the results of the ports in small cases, for machines without PyTorch.

    python -m tests.ports.make_vectors PYTHON [--full] [--only TEXT]

PYTHON has PyTorch and torchvision (0.27 was used). Writes tests/ports/vectors; --full compares at the layers' own widths and
writes nothing. Exit code 1 if one differs.
"""

import argparse
import os
import re
import sys

import numpy as np

from jsra.crosscheck.compare import compare, first_difference, table, verdict
from jsra.crosscheck.run import answer_here, answer_there, make_case
from tests.ports import cases, planted

# (count, size of the map): two for each width.
SIZES = {"small": ((12, (10, 14)), (7, (13, 9))), "full": ((24, (20, 28)), (9, (25, 16)))}




def small_case(settings, module, which=0):
    """The case of the committed vectors; also what the tests ask of jsra."""
    count, size = SIZES["small"][which]
    return make_case(settings, module, count, size, degenerate=True, seed=which)


def worst(rows, gradient):
    """The largest relative difference of the gradients, or of all else."""
    return max((r.relative for r in rows if not r.note and r.name.startswith("gradient of ") == gradient), default=0.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--double", action="store_true", help="with --full: in float64")
    args = parser.parse_args()
    failed = False
    for name, settings in cases.cases(small=not args.full).items():
        if args.only not in name:
            continue
        for which, (count, size) in enumerate(SIZES["full" if args.full else "small"]):
            module = cases.port(settings["type"])
            if args.full:
                case = make_case(settings, module, count, size, degenerate=True, double=args.double, seed=which)
            else:
                case = small_case(settings, module, which)
            theirs = answer_there(case, args.python)
            rows = compare(answer_here(case), theirs)
            print(f"{name}: {worst(rows, False):.1e} {worst(rows, True):.1e} {verdict(rows)}", flush=True)
            if first_difference(rows):
                failed = True
                print(table(rows))
            if not args.full:
                save(f"{name} {which}", {n: a for n, a in theirs.items() if not n.startswith("intermediate/")})
    for name in planted.PLANTED if not args.full else ():
        if args.only not in f"planted {name}":
            continue
        case = small_case(planted.settings(), f"{planted.__file__}:{name}")
        theirs = answer_there(case, args.python)
        print(f"{name}: {verdict(compare(answer_here(case), theirs))}")
        save(name, theirs)
    return failed


def save(name, arrays):
    os.makedirs(cases.VECTORS, exist_ok=True)
    np.savez_compressed(path(name), **arrays)


def stored(name):
    """What a port answered: {name: array}."""
    with np.load(path(name)) as file:
        return dict(file)


def path(name):
    return os.path.join(cases.VECTORS, re.sub(r"\W+", "_", name) + ".npz")


if __name__ == "__main__":
    sys.exit(main())
