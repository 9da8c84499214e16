"""Run every CUDA kernel on a GPU against torchvision or PyTorch: parity, time, bandwidth. Needs nvcc and PyTorch, no Jittor.

    python tools/gpu_check.py [--only TEXT] [--dtype float32 float16 bfloat16] [--json FILE]
    python tools/gpu_check.py --stand-in      (the script itself, without a GPU: kernels on the host, tiny inputs)

From a bare machine: carry cuda_src and tools. To add an operator, write a function that yields Cases and decorate it with
@operator; gpu_operators*.py hold them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gpu_operators_packed  # noqa: E402, F401
import gpu_operators_window  # noqa: E402, F401
from gpu_operators import CHECKS, Machine  # noqa: E402

TOLERANCE = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}


def seconds(function, machine, runs):
    """The median time of a call on the device."""
    times = []
    for run in range(runs + 2):
        machine.wait()
        if machine.stand_in:
            start = time.perf_counter()
            function()
            elapsed = time.perf_counter() - start
        else:
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            function()
            end.record()
            end.synchronize()
            elapsed = begin.elapsed_time(end) / 1e3
        if run >= 2:
            times.append(elapsed)
    return statistics.median(times)


def copy_bandwidth(machine):
    """Bytes per second of a copy on the device, read and write counted."""
    source = torch.empty(1 << (14 if machine.stand_in else 30), dtype=torch.uint8, device=machine.device)
    target = torch.empty_like(source)
    return 2 * source.numel() / seconds(lambda: target.copy_(source), machine, 10)


def difference(got, expected):
    """The largest difference, relative to the largest expected value (or 1); inf where one is not finite."""
    worst = 0.0
    for g, e in zip(got, expected):
        if g.shape != e.shape:
            return float("inf")
        if e.numel():
            delta = (g.double() - e.double()).abs()
            worst = max(
                worst,
                float(delta.max() / max(1.0, float(e.double().abs().max())))
                if delta.isfinite().all()
                else float("inf"),
            )
    return worst


def check(case, machine, bandwidth, runs):
    """One result a direction."""
    results = []
    for direction, ours, theirs in (
        ("forward", case.forward, case.peer_forward),
        ("backward", case.backward, case.peer_backward),
    ):
        if ours is None:
            continue
        got = ours()
        error = difference(got, theirs()) if theirs else None
        same = all(torch.equal(a, b) for a, b in zip(got, ours()))
        allowed = case.tolerance if case.tolerance is not None else TOLERANCE[case.dtype]
        result = dict(
            operator=case.operator, case=case.name, dtype=case.dtype, direction=direction, error=error, same_bits=same
        )
        result["ok"] = same and (error is None or error <= allowed)
        if case.bytes:
            mine = seconds(ours, machine, runs)
            moved = case.bytes[direction]
            result.update(ms=1e3 * mine, of_copy=moved / mine / bandwidth)
            if theirs:
                result["ratio"] = seconds(theirs, machine, runs) / mine
        results.append(result)
    return results


def row(result):
    def number(key, form):
        return format(result[key], form) if result.get(key) is not None else ""

    cells = [result["operator"], result["case"], result["dtype"], result["direction"], number("error", ".1e")]
    cells += [
        "yes" if result["same_bits"] else "NO",
        number("ms", ".3f"),
        number("of_copy", ".0%"),
        number("ratio", ".1f"),
    ]
    return "| " + " | ".join([*cells, "ok" if result["ok"] else "FAILED"]) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="operators whose name contains this")
    parser.add_argument("--dtype", nargs="+", default=list(TOLERANCE), choices=list(TOLERANCE))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--stand-in", action="store_true", help="no GPU: the kernels on the host, tiny inputs")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--json", help="write the results there")
    args = parser.parse_args()
    if not args.stand_in and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU here; --stand-in runs the kernels on the host")
    machine = Machine(args.stand_in, args.nvcc)
    bandwidth = copy_bandwidth(machine)
    name = platform.processor() or "host" if args.stand_in else torch.cuda.get_device_name()
    print(f"{name}, PyTorch {torch.__version__}, {time.strftime('%Y-%m-%d')}; device copy {bandwidth / 1e9:.0f} GB/s\n")
    print("| operator | case | dtype | direction | error | same bits | ms | of copy | x peer | |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    results = []
    for operator, cases in CHECKS.items():
        if args.only not in operator:
            continue
        for dtype in args.dtype if not args.stand_in else ("float32",):
            for case in cases(machine, dtype):
                case.operator, case.dtype = operator, dtype
                for result in check(case, machine, bandwidth, 1 if args.stand_in else args.runs):
                    results.append(result)
                    print(row(result), flush=True)
    failed = sum(not r["ok"] for r in results)
    print(f"\n{len(results) - failed} of {len(results)} passed")
    if args.json:
        with open(args.json, "w", encoding="utf8") as file:
            json.dump(dict(machine=name, torch=torch.__version__, copy=bandwidth, results=results), file, indent=1)
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
