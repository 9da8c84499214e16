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
    folders = build_standins(root)
    results = []
    for step in ("import", "compile"):
        link_libraries(root, folders[step])
        begin, log = time.time(), os.path.join(home, f"{step}.log")
        with open(log, "w", encoding="utf8") as f:
            command = [sys.executable, __file__, "--inside", step, "--home", home, "--only", args.only]
            code = subprocess.run(command, env=environment(home, root, step, args), stdout=f, stderr=f).returncode
        found = read_results(log)
        results += found or [{"name": step, "error": f"stopped, see {log}"}]
        if found and code and not any(r["error"] for r in found):
            results.append({"name": f"{step}: exit code {code}", "error": f"see {log}"})
        print(f"{step}: {len(found)} checks in {time.time() - begin:.0f} s, log in {log}", flush=True)
    text = table(results, toolkit, args)
    print(text)
    if args.out:
        from report import write_section

        write_section(args.out, "gpu-compile", text)
    return 1 if any(r["error"] for r in results) else 0


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


def build_standins(root):
    """{step: a folder of libraries for the root's lib64}. The root stays the same, so that one compilation serves both."""
    folders = {step: os.path.join(root, f"lib64-{step}") for step in ("import", "compile")}
    if not os.path.islink(os.path.join(root, "lib64")):
        os.rename(os.path.join(root, "lib64"), folders["import"])
    real = folders["import"]
    stamp, sources = os.path.join(folders["compile"], "built-from"), ""
    for name in sorted(n for n in os.listdir(TOOLS) if n.startswith("cuda_standin") or n == "gpu_compile.py"):
        with open(os.path.join(TOOLS, name), encoding="utf8") as f:
            sources += f.read()
    if os.path.exists(stamp) and open(stamp, encoding="utf8").read() == sources:
        return folders
    shutil.rmtree(folders["compile"], ignore_errors=True)
    shutil.copytree(real, folders["compile"], symlinks=True)
    include = f"-I{os.path.join(root, 'include')}"

    def build(folder, file, soname, *arguments):
        target = os.path.join(folder, file)
        os.remove(target)
        flags = ["-O1", "-fPIC", "-shared", "-w", include, f"-Wl,-soname,{soname}", "-o", target]
        subprocess.run(["g++", *flags, *arguments], check=True)

    runtime = next(n for n in sorted(os.listdir(real)) if n.startswith("libcudart.so."))
    for folder in folders.values():
        link = ["-Wl,--no-as-needed", f"-L{folder}", f"-l:{runtime}"]
        build(folder, "libcudart.so", "libcudart.so", os.path.join(TOOLS, "cuda_standin.cpp"), *link)
    for name in STUBBED:
        by_hand = os.path.join(TOOLS, f"cuda_standin_{name}.cpp")
        text = open(by_hand, encoding="utf8").read() if os.path.exists(by_hand) else ""
        source = os.path.join(folders["compile"], f"{name}.c")
        with open(source, "w", encoding="utf8") as f:
            for function in defined(os.path.join(real, f"lib{name}.so")):
                if not re.search(rf"\b{function},", text):
                    f.write(f"int {function}() {{ return 0; }}\n")
        # What step 1 linked asks for the real library by its own name, and for that name as its functions' version.
        soname = min((n for n in os.listdir(real) if n.startswith(f"lib{name}.so.")), key=len)
        script = os.path.join(folders["compile"], f"{name}.version")
        with open(script, "w", encoding="utf8") as f:
            f.write(f"{soname} {{ *; }};\n")
        version = f"-Wl,--version-script={script}"
        build(folders["compile"], soname, soname, version, *([by_hand] if text else []), "-xc", source)
        os.remove(os.path.join(folders["compile"], f"lib{name}.so"))
        os.symlink(soname, os.path.join(folders["compile"], f"lib{name}.so"))
    for name in ("libcudnn_ops_infer.so", "libcudnn_ops_train.so", "libcudnn_cnn_infer.so", "libcudnn_cnn_train.so"):
        os.remove(os.path.join(folders["compile"], name))
        os.symlink("libcudnn.so", os.path.join(folders["compile"], name))
    with open(stamp, "w", encoding="utf8") as f:
        f.write(sources)
    return folders


def link_libraries(root, folder):
    link = os.path.join(root, "lib64")
    if os.path.islink(link):
        os.remove(link)
    os.symlink(folder, link)


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
        # Jittor's message begins with how it was called; what went wrong is at its end.
        reason = re.split(r"[Rr]eason:", str(caught))[-1]
        error = f"{type(caught).__name__}: {' '.join(re.sub(chr(27) + r'.[0-9;]*m', '', reason).split())[:400]}"
    print("RESULT: " + json.dumps({"name": name, "seconds": round(time.time() - begin, 1), "error": error}), flush=True)


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
    from gpu_programs import programs

    jt.flags.use_cuda = 1
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


if __name__ == "__main__":
    sys.exit(main())
