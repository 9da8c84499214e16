"""The libraries that replace NVIDIA's for compile.py on a machine without a GPU."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
STUBBED = ("cublas", "cublasLt", "cudnn", "curand", "cufft", "cusparse")


def build(root):
    """{step: a folder of libraries for the root's lib64}. The root stays the same, so that one compilation serves both."""
    folders = {step: os.path.join(root, f"lib64-{step}") for step in ("import", "compile")}
    if not os.path.islink(os.path.join(root, "lib64")):
        os.rename(os.path.join(root, "lib64"), folders["import"])
    real = folders["import"]
    stamp, sources = os.path.join(folders["compile"], "built-from"), ""
    for name in sorted(n for n in os.listdir(HERE) if n.startswith("standin")):
        with open(os.path.join(HERE, name), encoding="utf8") as f:
            sources += f.read()
    if os.path.exists(stamp) and open(stamp, encoding="utf8").read() == sources:
        return folders
    shutil.rmtree(folders["compile"], ignore_errors=True)
    shutil.copytree(real, folders["compile"], symlinks=True)
    include = f"-I{os.path.join(root, 'include')}"

    def library(folder, file, soname, *arguments):
        target = os.path.join(folder, file)
        os.remove(target)
        flags = ["-O1", "-fPIC", "-shared", "-w", include, f"-Wl,-soname,{soname}", "-o", target]
        subprocess.run(["g++", *flags, *arguments], check=True)

    runtime = next(n for n in sorted(os.listdir(real)) if n.startswith("libcudart.so."))
    for folder in folders.values():
        link = ["-Wl,--no-as-needed", f"-L{folder}", f"-l:{runtime}"]
        library(folder, "libcudart.so", "libcudart.so", os.path.join(HERE, "standin_cudart.cpp"), *link)
    for name in STUBBED:
        by_hand = os.path.join(HERE, f"standin_{name}.cpp")
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
        library(folders["compile"], soname, soname, version, *([by_hand] if text else []), "-xc", source)
        os.remove(os.path.join(folders["compile"], f"lib{name}.so"))
        os.symlink(soname, os.path.join(folders["compile"], f"lib{name}.so"))
    for name in ("libcudnn_ops_infer.so", "libcudnn_ops_train.so", "libcudnn_cnn_infer.so", "libcudnn_cnn_train.so"):
        os.remove(os.path.join(folders["compile"], name))
        os.symlink("libcudnn.so", os.path.join(folders["compile"], name))
    with open(stamp, "w", encoding="utf8") as f:
        f.write(sources)
    return folders


def link(root, folder):
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
