"""jsra under Jittor on a GPU against the CPU; prints a table. The first half, without Jittor, is gpu_check.py.

1. Jittor's own operators that detectors use, against the CPU.
2. Every operator of jsra, on the inputs of its own test, forward and backward, in float32, float16 and bfloat16.
3. One training step of Faster R-CNN with RoI Align and with Semantic RoI Align: losses within 1e-3 of the CPU's.
4. --iterations training iterations with flat memory, in float32 and with amp.
5. With --table: a row of the mini table.
Exit code 1 if anything failed. --only REGEX runs a part.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)
JSRA = (sys.executable, "-c", "import sys; from jsra.cli import main; sys.exit(main())")
# The largest difference, relative to the largest value: rounding of the result, and of the gradient that flows in.
TOLERANCE = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a regular expression: what is run")
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--table", action="store_true", help="train a row of the mini table, too (many minutes)")
    parser.add_argument(
        "--cpu", action="store_true", help="rehearse without a GPU: the CPU against itself, float32 only"
    )
    args = parser.parse_args()
    importlib.import_module("jsra")
    import jittor as jt

    if not jt.has_cuda and not args.cpu:
        print("Jittor found no GPU; `jsra doctor` says:")
        subprocess.run([*JSRA, "doctor"], cwd=ROOT)
        return 1
    checks = Checks(args)
    print(f"| check | difference or result | s |\n| --- | --- | --- |\n{about(jt)}", flush=True)
    for name, function in [*basics(checks), *operators_on_both(checks), *steps(checks), *long_runs(checks, args)]:
        checks.run(name, function)
    if args.table:
        checks.run("a row of the mini table", mini_row)
    print(f"\n{checks.done - len(checks.failed)} passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


def about(jt):
    name = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"], capture_output=True, text=True
    ).stdout.strip() if jt.has_cuda else "no GPU"  # fmt: skip
    return (
        f"| machine: {name}; Jittor {jt.__version__}, Python {sys.version.split()[0]} | {time.strftime('%Y-%m-%d')} | |"
    )


class Checks:
    def __init__(self, args):
        self.args, self.done, self.failed = args, 0, []
        self.dtypes = ("float32",) if args.cpu else tuple(TOLERANCE)

    def run(self, name, function):
        """Run one check; it returns a text, or raises."""
        if not re.search(self.args.only, name):
            return
        begin, self.done = time.time(), self.done + 1
        try:
            text = function()
        except Exception as error:
            self.failed.append(name)
            text = f"FAILED: {type(error).__name__}: {' '.join(str(error).split())[:400]}"
        print(f"| {name} | {text} | {time.time() - begin:.1f} |", flush=True)

    def on(self, device, function, *arguments):
        """Run a function on 'cpu' or 'cuda'."""
        import jittor as jt

        jt.sync_all()
        jt.flags.use_cuda = int(device == "cuda" and not self.args.cpu)
        try:
            return function(*arguments)
        finally:
            jt.sync_all()


def difference(got, expected):
    """The largest difference relative to the largest expected value; shapes and non-finite values must agree."""
    worst = 0.0
    for g, e in zip(got, expected):
        if g.shape != e.shape:
            raise ValueError(f"shape {g.shape}, expected {e.shape}")
        if not np.array_equal(np.isfinite(g), np.isfinite(e)):
            raise ValueError("other values are not finite")
        if e.size:
            e = e.astype(np.float64)
            finite = np.isfinite(e)
            scale = max(1.0, np.abs(e[finite]).max(initial=0.0))
            worst = max(worst, np.abs(g[finite] - e[finite]).max(initial=0.0) / scale)
    return float(worst)


def judged(worst, tolerance, what=""):
    if worst > tolerance:
        raise ValueError(f"{what}differs by {worst:.1e}, allowed {tolerance:.0e}")
    return f"{worst:.1e}"


def rounded(value, dtype):
    """A test's input with the floats that `to_var` casts rounded to `dtype`, so that both devices see the same."""
    import jittor as jt
    from gpu_programs import to_array, to_var

    if isinstance(value, list):
        return [rounded(v, dtype) for v in value]
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    jt.flags.use_cuda = 1  # the CPU has no kernels for 16 bits
    return to_array(to_var(value, dtype))


def basics(checks):
    """Jittor's own operators, against NumPy or the CPU."""
    import jittor as jt

    rng = np.random.default_rng(0)

    def on_both(function, tolerance=1e-3):
        def check():
            got, expected = (checks.on(device, lambda: [r.numpy() for r in function()]) for device in ("cuda", "cpu"))
            return judged(difference(got, expected), tolerance)

        return check

    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((300, 200), (200, 100)))
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((2, 16, 30, 40), (24, 16, 3, 3)))

    def convolution(stride):
        v, k = jt.array(x), jt.array(w)
        y = jt.nn.conv2d(v, k, padding=1, stride=stride)
        return [y, *jt.grad((y * y).sum(), [v, k])]

    values = jt.array(a)
    yield "jittor: matrix product", on_both(lambda: [jt.matmul(jt.array(a), jt.array(b))])
    yield "jittor: convolution, forward and backward", on_both(lambda: convolution(1))
    yield "jittor: strided convolution, forward and backward", on_both(lambda: convolution(2))
    yield (
        "jittor: where, argsort, softmax",
        on_both(lambda: [jt.where(values > 0)[0], jt.argsort(values, dim=1)[1], jt.nn.softmax(values, dim=1)]),
    )


def operators_on_both(checks):
    from gpu_programs import outputs_and_gradients
    from operators import operators

    def check(tester, dtype):
        worst = worst_gradient = 0.0
        rng = np.random.default_rng(0)
        for case in tester.cases(rng):
            if dtype != "float32":
                case.inputs = tuple(rounded(value, dtype) for value in case.inputs)
            expected, expected_grads = checks.on("cpu", outputs_and_gradients, tester, case, "float32")
            got, grads = checks.on("cuda", outputs_and_gradients, tester, case, dtype)
            again, again_grads = checks.on("cuda", outputs_and_gradients, tester, case, dtype)
            for first, second in zip([*got, *grads], [*again, *again_grads]):
                if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
                    raise ValueError(f"{case.name}: two runs differ")
            worst = max(worst, difference(got, expected))
            judged(worst, TOLERANCE[dtype], f"{case.name}: ")
            worst_gradient = max(worst_gradient, difference(grads, expected_grads))
            judged(worst_gradient, TOLERANCE[dtype], f"{case.name}, gradient: ")
        return f"{worst:.1e}, gradient {worst_gradient:.1e}, the same bits twice"

    for name, tester in operators():
        for dtype in checks.dtypes:
            yield f"jsra.ops: {name}, {dtype}", lambda tester=tester, dtype=dtype: check(tester, dtype)


def steps(checks):
    """The losses of the same weights on both devices."""
    from gpu_programs import batch, detector, losses_of

    def check(name):
        model, _ = checks.on("cpu", detector, name)
        images, targets = batch(np.random.default_rng(0))

        def losses():
            return {k: float(v.numpy().sum()) for k, v in losses_of(model, images, targets).items()}

        expected, got = checks.on("cpu", losses), checks.on("cuda", losses)
        worst = max(abs(got[k] - expected[k]) / max(1.0, abs(expected[k])) for k in expected)
        return judged(worst, 1e-3, f"{got} on the GPU, {expected} on the CPU: ")

    for name in ("faster_rcnn_r50_fpn_roi_align_1x_coco", "faster_rcnn_r50_fpn_sra_1x_coco"):
        yield f"losses of {name}", lambda name=name: check(name)


def long_runs(checks, args):
    """Memory after a quarter of the iterations and at the end."""
    import jittor as jt
    from gpu_programs import batch, detector, losses_of

    from jsra.engine.amp import enable
    from jsra.engine.run import build_optimizer
    from jsra.engine.train import total_loss

    def used():
        jt.sync_all(True)
        info = jt.get_mem_info()
        return (info.total_cpu_used if args.cpu else info.total_cuda_used) / 2**20

    def train(name, amp):
        model, config = detector(name)
        config["optimizer"]["lr"] = 0.001
        optimizer, _ = build_optimizer(config, model, 1)
        if amp:
            model, optimizer = enable(model, optimizer, dtype=amp)
        rng = np.random.default_rng(0)
        memory, begin = [], 0.0
        for i in range(args.iterations):
            images, targets = batch(rng)
            losses = losses_of(model, images, targets, seed=i)
            optimizer.step(total_loss(losses))
            if i in (args.iterations // 4, args.iterations - 1):
                memory.append(used())
                begin = begin or time.time()
        seconds = (time.time() - begin) / (args.iterations - 1 - args.iterations // 4)
        final = {k: float(v.numpy().sum()) for k, v in losses.items()}
        if not all(np.isfinite(v) for v in final.values()):
            raise ValueError(f"the loss is not finite: {final}")
        if memory[1] > 1.05 * memory[0] + 64:
            raise ValueError(f"memory grew from {memory[0]:.0f} to {memory[1]:.0f} MiB")
        return f"{memory[0]:.0f} MiB, then {memory[1]:.0f} MiB; {seconds * 1e3:.0f} ms an iteration"

    sra = "faster_rcnn_r50_fpn_sra_1x_coco"
    for amp in (None,) if args.cpu else (None, "float16", "bfloat16"):
        name = f"{args.iterations} iterations of {sra}" + (f", amp {amp}" if amp else "")
        yield name, lambda amp=amp: checks.on("cuda", train, sra, amp)


def mini_row():
    """Train the puppets' Semantic RoI Align row as `jsra table` does."""
    command = ["table", "1", "--preset", "mini", "--rows", "sra", "--format", "markdown"]
    done = subprocess.run([*JSRA, *command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-400:])
    return done.stdout.strip().splitlines()[-1].replace("|", ";")


if __name__ == "__main__":
    sys.exit(main())
