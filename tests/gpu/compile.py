"""Compile jsra for the GPU through Jittor, on a machine without one: `make gpu-compile`, `python -m tests.gpu.compile`.

With the wheels of jsra[cuda13] installed, in a home of its own (--home; keeps its cache between runs):
1. Jittor is imported with CUDA compiled in, against the real libraries, under a runtime that answers 'no device';
2. operators of Jittor, every operator of jsra, forward and backward, in float32, float16 and bfloat16, and a training
   step of Faster R-CNN with Semantic RoI Align are compiled for --arch and loaded, under a runtime whose memory is the
   host's and whose kernels do nothing (standin_cudart.cpp; cuBLAS and cuDNN answer 'done'). No value is checked.
Prints a table, and writes it to --out. Exit code 1 if anything failed. --only compiles a part; its rows replace those of
the same name in --out, and every row says on which day it was compiled. A run that was stopped goes on where it stood;
--report writes what it had reached.
"""

from __future__ import annotations

import argparse
import glob
import importlib
import json
import os
import platform
import re
import subprocess
import sys
import time

from tests.gpu import standins
from tests.page import read_section, table_rows, write_section

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NONE_ON_CPU = "none of these operators of Jittor is computed on the CPU"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=os.path.join(ROOT, "build", "gpu_compile"))
    parser.add_argument("--arch", default="90", help="compute capability to compile for, 90 = H100 and H200")
    parser.add_argument("--out", help="a Markdown file to write the result to")
    parser.add_argument("--only", default="", help="a regular expression: only what matches is compiled in step 2")
    parser.add_argument("--report", action="store_true", help="compile nothing: write what the last run reached")
    parser.add_argument("--inside", choices=("import", "compile"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        importlib.import_module("jsra")  # before Jittor
        return {"import": step_import, "compile": step_compile}[args.inside](args)
    return outside(args)


def outside(args):
    os.environ.pop("nvcc_path", None)
    from jsra.runtime import cuda_parts, cuda_root

    toolkit = cuda_parts.find()
    if toolkit is None or toolkit.missing:
        missing = toolkit.missing if toolkit else cuda_parts.WHEELS
        print(f"missing: {', '.join(missing)}\n{cuda_parts.cure(missing)}")
        return 1
    home = os.path.abspath(args.home)
    os.makedirs(home, exist_ok=True)
    logs = {step: os.path.join(home, f"{step}.log") for step in ("import", "compile")}
    if args.report:
        results = [r for log in logs.values() for r in read_results(log)]
    else:
        results = compile_all(args, home, cuda_root.build(toolkit, home), logs)
    text = table(results, toolkit, args)
    print(text)
    if args.out:
        write_section(args.out, "gpu-compile", text)
    return 1 if any(r["error"] for r in results) else 0


def compile_all(args, home, root, logs):
    """Run both steps; the results of their checks."""
    folders, results = standins.build(root), []
    for step, log in logs.items():
        standins.link(root, folders[step])
        begin = time.time()
        with open(log, "w", encoding="utf8") as f:
            command = [sys.executable, "-m", "tests.gpu.compile", "--inside", step, "--home", home, "--only", args.only]
            code = subprocess.run(command, cwd=ROOT, env=environment(home, root, step, args), stdout=f, stderr=f).returncode
        found = read_results(log)
        results += found or [{"name": step, "error": f"stopped, see {log}"}]
        if found and code and not any(r["error"] for r in found):
            results.append({"name": f"{step}: exit code {code}", "error": f"see {log}"})
        print(f"{step}: {len(found)} checks in {time.time() - begin:.0f} s, log in {log}", flush=True)
    return results


def environment(home, root, step, args):
    """The environment of a step: what jsra.runtime.cuda.use sets, a home of its own, and no look at the network."""
    from jsra.runtime import cuda

    env = {k: v for k, v in os.environ.items() if k not in ("nvcc_path", "cuda_archs", "CPLUS_INCLUDE_PATH")}
    os.environ.pop("CPLUS_INCLUDE_PATH", None)
    cuda.use(root)
    env.update(
        {name: os.environ[name] for name in ("nvcc_path", "CPLUS_INCLUDE_PATH")},
        HOME=home, JITTOR_HOME=home, cuda_archs=args.arch, use_cutt="0", use_cutlass="0", use_nccl="0", use_mpi="0",
        use_cuda_host_allocator="0", https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9",
        JSRA_STANDIN_DEVICES="1" if step == "compile" else "0",
    )  # fmt: skip
    return env


def table(results, toolkit, args):
    """Of everything that ran; of a part (args.only, or a run that was stopped) with the other rows of args.out."""
    rows = {(r["name"],): row(r) for r in results}
    if args.only or args.report:
        rows = {**table_rows(read_section(args.out, "gpu-compile"), 1), **rows}
    failed = [name for name, line in rows.items() if " | yes | " not in line]
    parts = ", ".join(f"{p.name} {p.version}" for p in toolkit.parts.values())
    return "\n".join([
        f"Compiled through Jittor for sm_{args.arch}, no GPU: {len(rows) - len(failed)} of {len(rows)} checks passed. "
        f"Python {platform.python_version()}; {parts}.",
        "",
        "| what | compiled and loaded | s | on |",
        "| --- | --- | --- | --- |",
        *rows.values(),
    ])  # fmt: skip


def row(result):
    outcome = result["error"].splitlines()[0] if result["error"] else "yes"
    return f"| {result['name']} | {outcome} | {result.get('seconds', '')} | {result.get('day', '')} |"


def read_results(log):
    with open(log, encoding="utf8", errors="replace") as f:
        return [json.loads(line[8:]) for line in f if line.startswith("RESULT: ")]


def check(name, function, only=""):
    """Run one check and print its result for the outer process."""
    if not re.search(only, name):
        return
    begin, error = time.time(), ""
    try:
        function()
    except Exception as caught:
        # Jittor's message begins with how it was called; what went wrong is at its end.
        reason = re.split(r"[Rr]eason:", str(caught))[-1]
        error = f"{type(caught).__name__}: {' '.join(re.sub(chr(27) + r'.[0-9;]*m', '', reason).split())[:400]}"
    result = {"name": name, "seconds": round(time.time() - begin, 1), "error": error, "day": time.strftime("%Y-%m-%d")}
    print("RESULT: " + json.dumps(result), flush=True)


def step_import(args):
    loaded = {}

    def imports():
        import jittor as jt

        loaded["jittor"] = jt.compile_extern

    check("import jittor with CUDA compiled in", imports)

    def library(name):
        # None where Jittor was compiled without CUDA, or could not compile or load its operators for the library.
        assert getattr(loaded["jittor"], f"{name}_ops", None), f"Jittor has no operators for {name}"

    for name in ("cublas", "cudnn", "curand", "cufft", "cusparse", "cub"):
        check(f"jittor: operators of {name}, linked to the real library", lambda name=name: library(name))


def step_compile(args):
    import jittor as jt

    from tests.gpu.programs import programs

    jt.flags.use_cuda = 1
    forget_cpu_operators(jt.flags.cache_path)
    for name, function in programs():
        check(name, function, args.only)

    def none_on_cpu():
        found = cpu_operators(jt.flags.cache_path)
        assert not found, f"Jittor takes to the CPU: {', '.join(sorted({os.path.basename(f)[:60] for f in found}))}"

    check(NONE_ON_CPU, none_on_cpu)


def cpu_operators(cache):
    """The sources of the operators that Jittor compiled for the CPU, for want of a CUDA kernel."""
    found = []
    for source in glob.glob(os.path.join(cache, "jit", "*.cc")):
        with open(source, encoding="utf8", errors="replace") as f:
            if "#define JIT_cpu 1" in f.read(200):
                found.append(source)
    return found


def forget_cpu_operators(cache):
    """Remove those of earlier runs: one that is needed still is compiled again."""
    for source in cpu_operators(cache):
        for path in glob.glob(glob.escape(source[: -len(".cc")]) + ".*"):
            os.remove(path)


if __name__ == "__main__":
    sys.exit(main())
