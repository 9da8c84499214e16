"""Compile jsra for the GPU through Jittor, on a machine without one: `make gpu-compile`.

With the wheels of jsra[cuda13] installed, in a home of its own (--home; keeps its cache between runs):
1. Jittor is imported with CUDA compiled in, against the real libraries, under a runtime that answers 'no device';
2. operators of Jittor, every operator of jsra, forward and backward, in float32, float16 and bfloat16, and a training
   step of Faster R-CNN with Semantic RoI Align are compiled for --arch and loaded, under a runtime whose memory is the
   host's and whose kernels do nothing (cuda_standin.cpp; cuBLAS and cuDNN answer 'done'). No value is checked.
Prints a table, and writes it to --out. Exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = os.path.join(ROOT, "tools")
sys.path.insert(0, ROOT)
STUBBED = ("cublas", "cublasLt", "cudnn", "curand", "cufft", "cusparse")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", default=os.path.join(ROOT, "build", "gpu_compile"))
    parser.add_argument("--arch", default="90", help="compute capability to compile for, 90 = H100 and H200")
    parser.add_argument("--out", help="a Markdown file to write the result to")
    parser.add_argument("--only", default="", help="a regular expression: only what matches is compiled in step 2")
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
    root = cuda_root.build(toolkit, home)
    standin = f"{root}-standin"
    build_standin(root, standin)
    results = []
    for step, library in (("import", root), ("compile", standin)):
        begin, log = time.time(), os.path.join(home, f"{step}.log")
        with open(log, "w", encoding="utf8") as f:
            command = [sys.executable, __file__, "--inside", step, "--home", home, "--only", args.only]
            code = subprocess.run(command, env=environment(home, library, standin, args), stdout=f, stderr=f).returncode
        found = read_results(log)
        results += found or [{"name": step, "error": f"stopped, see {log}"}]
        if found and code and not any(r["error"] for r in found):
            results.append({"name": f"{step}: exit code {code}", "error": f"see {log}"})
        print(f"{step}: {len(found)} checks in {time.time() - begin:.0f} s, log in {log}", flush=True)
    text = table(results, toolkit, args)
    print(text)
    if args.out:
        write(args.out, text)
    return 1 if any(r["error"] for r in results) else 0


def environment(home, root, standin, args):
    """The environment of a step: what jsra.runtime.cuda.use sets, a home of its own, and no look at the network."""
    from jsra.runtime import cuda

    env = {k: v for k, v in os.environ.items() if k not in ("nvcc_path", "cuda_archs", "CPLUS_INCLUDE_PATH")}
    os.environ.pop("CPLUS_INCLUDE_PATH", None)
    cuda.use(root)
    env.update(
        {name: os.environ[name] for name in ("nvcc_path", "CPLUS_INCLUDE_PATH")},
        HOME=home, JITTOR_HOME=home, cuda_archs=args.arch, use_cutt="0", use_cutlass="0", use_nccl="0", use_mpi="0",
        use_cuda_host_allocator="0", https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9",
        JSRA_STANDIN=os.path.join(standin, "lib64", "libcudart.so"),
    )  # fmt: skip
    return env


def build_standin(root, standin):
    """A copy of the merged root whose runtime, cuBLAS, cuDNN ... are stand-ins; the headers are the real ones."""
    shutil.rmtree(standin, ignore_errors=True)
    shutil.copytree(root, standin, symlinks=True)
    lib = os.path.join(standin, "lib64")
    include = f"-I{os.path.join(root, 'include')}"
    common = ["g++", "-O1", "-fPIC", "-shared", include, "-w"]

    def build(name, *arguments):
        target = os.path.join(lib, f"lib{name}.so")
        os.remove(target)
        command = [*common, f"-Wl,-soname,lib{name}.so", "-o", target, *arguments]
        subprocess.run(command, check=True)

    runtime = next(n for n in sorted(os.listdir(lib)) if n.startswith("libcudart.so."))
    build("cudart", os.path.join(TOOLS, "cuda_standin.cpp"), "-Wl,--no-as-needed", f"-L{lib}", f"-l:{runtime}")
    # Step 1 needs a runtime that answers 'no device'; the driver's absence makes the real one fail instead.
    own = os.path.join(root, "lib64", "libcudart.so")
    os.remove(own)
    shutil.copy(os.path.join(lib, "libcudart.so"), own)
    for name in STUBBED:
        own = os.path.join(TOOLS, f"cuda_standin_{name}.cpp")
        source = os.path.join(standin, f"{name}.c")
        written = defined(os.path.join(root, "lib64", f"lib{name}.so"))
        text = open(own, encoding="utf8").read() if os.path.exists(own) else ""
        with open(source, "w", encoding="utf8") as f:
            f.writelines(f"int {s}() {{ return 0; }}\n" for s in written if not re.search(rf"\b{s},", text))
        extra = [own] if text else []
        build(name, *extra, "-xc", source)
    for name in ("libcudnn_ops_infer.so", "libcudnn_ops_train.so", "libcudnn_cnn_infer.so", "libcudnn_cnn_train.so"):
        os.remove(os.path.join(lib, name))
        os.symlink("libcudnn.so", os.path.join(lib, name))


def defined(library):
    """The functions that a shared library exports."""
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in out.splitlines())
    names = (row[2].split("@")[0] for row in rows if len(row) == 3 and row[1] in "TW")
    return sorted({n for n in names if n.startswith("cu")})


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
        error = f"{type(caught).__name__}: {str(caught).strip()[:300]}"
    print("RESULT: " + json.dumps({"name": name, "seconds": round(time.time() - begin, 1), "error": error}), flush=True)


def step_import(args):
    def imports():
        import jittor as jt

        assert jt.compiler.has_cuda, "Jittor did not compile CUDA in"

    check("import jittor with CUDA compiled in", imports)

    def libraries():
        import jittor as jt

        absent = [
            n for n in ("cublas", "cudnn", "curand", "cufft", "cusparse", "cub") if not hasattr(jt.compile_extern, n)
        ]
        assert not absent, f"not loaded: {absent}"

    check("cuBLAS, cuDNN, cuRAND, cuFFT, cuSPARSE and CUB compiled and loaded", libraries)


def step_compile(args):
    import jittor as jt

    ctypes.c_int.in_dll(ctypes.CDLL(os.environ["JSRA_STANDIN"]), "jsra_standin_devices").value = 1
    jt.flags.use_cuda = 1
    from gpu_programs import programs

    for name, function in programs():
        check(name, function, args.only)


def table(results, toolkit, args):
    failed = [r for r in results if r["error"]]
    parts = ", ".join(f"{p.name} {p.version}" for p in toolkit.parts.values())
    lines = [
        f"Compiled through Jittor for sm_{args.arch} on {time.strftime('%Y-%m-%d')}, no GPU: {len(results) - len(failed)} of "
        f"{len(results)} checks passed. Python {platform.python_version()}; {parts}.",
        "",
        "| what | compiled and loaded | s |",
        "| --- | --- | --- |",
    ]
    for r in results:
        lines.append(
            f"| {r['name']} | {r['error'].splitlines()[0] if r['error'] else 'yes'} | {r.get('seconds', '')} |"
        )
    return "\n".join(lines)


def write(path, text):
    """Put the result between its marks in a Markdown file."""
    begin, end = "<!-- gpu-compile: begin -->", "<!-- gpu-compile: end -->"
    with open(path, encoding="utf8") as f:
        page = f.read()
    if begin not in page or end not in page:
        raise ValueError(f"{path} does not hold the marks {begin} and {end}")
    before, after = page.split(begin)[0], page.split(end)[1]
    with open(path, "w", encoding="utf8") as f:
        f.write(f"{before}{begin}\n{text}\n{end}{after}")


if __name__ == "__main__":
    sys.exit(main())
