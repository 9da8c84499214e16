"""What the first use of an operator of Jittor's costs, with and without the headers that jsra compiles once for all.

    OMP_NUM_THREADS=1 python tools/first_use.py

Compiles 20 operators anew in each form, in turn, in a cache of its own, and prints the processor time of their compilers.
"""

import os
import resource
import tempfile

import jsra  # noqa: F401  it prepares Jittor

# Two of a kind: one for each form, because a process compiles an operator once.
PAIRS = (("sin", "cos"), ("sinh", "cosh"), ("asin", "acos"), ("exp", "tanh"), ("sqrt", "abs"))
DIMENSIONS = (1, 2, 3, 4)


def main():
    import jittor as jt

    import jsra.ops  # noqa: F401  it calls precompile
    from jsra.runtime.headers import OPTION

    once = jt.flags.cc_flags
    forms = {"with the headers compiled once": once, "as Jittor does it": once.split(OPTION)[0]}
    spent = dict.fromkeys(forms, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("jit", "obj_files"):
            os.mkdir(os.path.join(folder, name))
        jt.flags.cache_path = folder
        for dimensions in DIMENSIONS:
            x = jt.ones([2] * dimensions)
            x.sync()
            for pair in PAIRS:
                for (form, flags), name in zip(forms.items(), pair):
                    jt.flags.cc_flags = flags
                    before = _children()
                    (getattr(x, name)() * x + x).sync()
                    spent[form] += _children() - before
    number = len(PAIRS) * len(DIMENSIONS)
    for form, seconds in spent.items():
        print(f"{seconds / number:.2f} s of processor time an operator, {form}")


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
