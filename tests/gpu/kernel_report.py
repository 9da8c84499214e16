"""Registers, shared memory and occupancy of the CUDA kernels, from the compiler, and the bytes that they must move.

Needs nvcc, no GPU. `python -m tests.gpu.kernel_report --out docs/benchmarks.md` writes the section of that page.
"""

from __future__ import annotations

import argparse
import collections
import glob
import importlib
import os
import re
import subprocess
import sys
import tempfile
import time

from tests.gpu.instances import CUDA_SRC, FLOAT_ONLY, instances, operators
from tests.page import read_section, table_rows, write_section

# Of a multiprocessor: shared memory for blocks, in bytes. Registers (65536), threads (2048) and blocks (32) are equal.
SHARED = {80: 164 << 10, 90: 228 << 10}
RESERVED = 1024  # shared memory that the system takes from each block
DTYPES = ("float", "__half")
# The sizes of the speed targets: 2 images of 800 x 1344, P2 to P5, 256 channels, 2000 RoIs; 4000 boxes for nms.
IMAGES, CHANNELS, ROIS, MASKS, BOXES = 2, 256, 2000, 49, 4000
CELLS = sum((800 // s) * (1344 // s) for s in (4, 8, 16, 32))
# Dynamic shared memory of the launches at these sizes and 7 x 7 bins, in bytes: as the launch functions compute it. The
# sampler's largest RoI has 1 x 64 bins; deform_conv2d has 3 x 3; a position-sensitive output has 5 channels.
WINDOWS = ("adaptive_roi_align", "deform_roi_pool", "precise_roi_pool", "roi_align_rotated")
SELECT = (256 + 2 * 512 // 32 + 4) * 4  # SELECT_SHARED in common/select.cuh
DYNAMIC = {
    **{(name, "window_forward_kernel"): 64 * 49 * 4 for name in WINDOWS},
    **{(name, "window_forward_kernel"): 8 * 49 * 4 for name in ("ps_roi_align", "ps_roi_pool")},
    ("deform_conv2d", "window_forward_kernel"): 256 * 9 * 4,
    ("roi_align", "roi_align_forward_kernel"): 768 * 8 + 64 + 128 * 49 * 4,
    ("roi_align", "roi_align_backward_kernel"): 14 * 8 * 4,
    ("dynamic_sampler", "roi_align_forward_kernel"): 768 * 8 + 68 * 4,
    ("dynamic_sampler", "roi_align_backward_kernel"): 65 * 8 * 4,
    ("nms", "nms_largest_kernel"): 3 * 256 * 4,
    ("packing", "packing_kernel"): 2 * 256 * 4,
    ("sample_matches", "sample_matches_kernel"): SELECT,
    ("dense_top_k", "dense_top_k_select_kernel"): SELECT,
    ("multiclass_nms", "multiclass_nms_measure_kernel"): 2 * 256 * 4,
    ("multiclass_nms", "multiclass_nms_class_kernel"): 4,
    ("multiclass_nms", "multiclass_nms_best_kernel"): SELECT,
    ("nms", "nms_sweep_kernel"): (-(-BOXES // 32) + 1) * 4,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--out", help="a Markdown page to write the section to")
    parser.add_argument("--operators", nargs="+", help="only these folders of cuda_src; the page's other rows stay")
    args = parser.parse_args()
    kernels, failed = {}, []
    for name in args.operators or operators():
        try:
            found = compiled(args.nvcc, name)
        except RuntimeError as error:
            failed.append(name)
            print(error, file=sys.stderr, flush=True)
            continue
        kernels.update({(name, *key): use for key, use in found.items()})
        print(f"{name}: compiled", file=sys.stderr, flush=True)
    kept = {}
    if args.operators:
        rows = table_rows(read_section(args.out, "kernel-report"), 3)
        kept = {key: line for key, line in rows.items() if key[0] in operators() and key[0] not in args.operators}
    text = f"{floors()}\n\n{kernel_table(args.nvcc, kernels, kept)}"
    print(text)
    if args.out:
        write_section(args.out, "kernel-report", text)
    if failed:
        print(f"did not compile: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def compiled(nvcc, operator):
    """{(kernel, dtype, architecture): {registers, shared, spilled}} of every kernel of an operator."""
    found = {}
    for dtype in DTYPES[:1] if operator in FLOAT_ONLY else DTYPES:
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "all.cu")
            with open(source, "w", encoding="utf8") as f:
                f.write(instances(operator, (dtype,)))
            targets = [f"-gencode=arch=compute_{n},code=sm_{n}" for n in SHARED]
            command = [
                nvcc,
                "-std=c++17",
                "-O3",
                "--use_fast_math",
                "-Xptxas",
                "-v",
                "-fatbin",
                f"-I{CUDA_SRC}",
                *targets,
            ]
            done = subprocess.run([*command, "-o", os.devnull, source], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{operator} does not compile:\n{done.stderr[:2000]}")
        for key, use in parse(done.stderr).items():
            found[(key[0], dtype, key[1])] = use
    return found


def parse(text):
    """{(kernel, architecture): resources} of ptxas -v; of several instances of a template, the one with most registers."""
    found = {}
    entries = re.split(r"Compiling entry function '", text)[1:]
    names = subprocess.run(
        ["c++filt"], input="\n".join(e.split("'")[0] for e in entries), capture_output=True, text=True
    )
    for entry, name in zip(entries, names.stdout.splitlines()):
        kernel = re.search(r"(\w+_kernel)", name).group(1)
        architecture = int(re.search(r"for 'sm_(\d+)", entry).group(1))
        used = re.search(r"Used (\d+) registers", entry)
        shared, spilled = re.search(r"(\d+) bytes smem", entry), re.search(r"(\d+) bytes spill stores", entry)
        use = {
            "registers": int(used.group(1)),
            "shared": int(shared.group(1)) if shared else 0,
            "spilled": int(spilled.group(1)) if spilled else 0,
        }
        key = (kernel, architecture)
        if key not in found or use["registers"] > found[key]["registers"]:
            found[key] = use
    return found


def block_sizes():
    """{kernel: threads of a block} as the launches give them."""
    texts = []
    for path in glob.glob(os.path.join(CUDA_SRC, "*", "*.cuh")) + glob.glob(os.path.join(CUDA_SRC, "*", "*.h")):
        with open(path, encoding="utf8") as f:
            texts.append(f.read())
    constants = dict(re.findall(r"constexpr int(?:64_t)? (\w+_THREADS) = (\d+);", "\n".join(texts)))
    sizes = {}
    for text in texts:
        kernels = {}
        for match in re.finditer(
            r"auto\* (\w+) =([^;]*);|JSRA_LAUNCH(?:_FILL)?\((\w+), "
            r"((?:[^()]|\((?:[^()]|\([^()]*\))*\))*), ([^,]+), [^,]+, stream",
            text,
        ):
            variable, value, launched, _, block = match.groups()
            if variable:
                kernels[variable] = re.findall(r"(\w+_kernel)\b", value)
                continue
            # (unsigned int)threads: as many as there are channels, up to the constant of the file.
            number = block.split(")")[-1].strip()
            limit = re.findall(r"constexpr int(?:64_t)? \w+_THREADS = (\d+);", text)
            for kernel in kernels.get(launched, ()):
                sizes[kernel] = int(number) if number.isdigit() else int(constants.get(number) or limit[0])
    return sizes


def occupancy(use, threads, dynamic, architecture):
    """(blocks on a multiprocessor, share of its 64 warps that they fill, what limits them)."""
    warps = -(-threads // 32)
    per_warp = -(-use["registers"] * 32 // 256) * 256  # registers are given out to warps in units of 256
    shared = use["shared"] + dynamic + RESERVED
    limits = {
        "threads": 2048 // (warps * 32),
        "registers": 65536 // (per_warp * warps),
        "shared memory": SHARED[architecture] // shared,
        "blocks": 32,
    }
    blocks = min(limits.values())
    return blocks, blocks * warps / 64, min(limits, key=limits.get)


def kernel_table(nvcc, kernels, kept):
    """The rows of `kernels`, measured today, among those of other operators that a page holds."""
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout.strip().splitlines()[-1]
    sizes = block_sizes()
    lines = [
        "### Resources of the kernels, from the compiler",
        "",
        f"`nvcc -O3 --use_fast_math -Xptxas -v` ({version}); no GPU was available. Occupancy is "
        "the share of a multiprocessor's 64 warps that its registers, shared memory and block limits allow (7 x 7 bins, 256 "
        "channels); of several instances of a template, the one with most registers. sm_80 / sm_90.",
        "",
        "| operator | kernel | type | threads | registers | shared, bytes | spilled | occupancy | limited by | on |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows, lined = collections.defaultdict(dict), dict(kept)
    # Kernels of common/ with the same resources in several operators stand once.
    seen = {tuple(cell.strip() for cell in line.strip("| ").split(" | "))[1:-1] for line in kept.values()}
    for (operator, kernel, dtype, architecture), use in kernels.items():
        rows[(operator, kernel, dtype.strip("_"))][architecture] = use
    unknown = sorted({kernel for _, kernel, _ in rows} - set(sizes))
    if unknown:
        raise ValueError(f"no launch found of {', '.join(unknown)}")
    for (operator, kernel, dtype), uses in sorted(rows.items()):
        threads, dynamic = sizes[kernel], DYNAMIC.get((operator, kernel), 0)
        found = {a: occupancy(use, threads, dynamic, a) for a, use in uses.items()}
        cells = [
            operator, kernel[: -len("_kernel")], dtype, threads,
            " / ".join(str(uses[a]["registers"]) for a in SHARED), uses[90]["shared"] + dynamic,
            " / ".join(str(uses[a]["spilled"]) for a in SHARED), " / ".join(f"{found[a][1]:.0%}" for a in SHARED),
            found[90][2], time.strftime("%Y-%m-%d"),
        ]  # fmt: skip
        same = tuple(map(str, cells[1:-1]))
        if same not in seen:
            lined[(operator, cells[1], dtype)] = "| " + " | ".join(map(str, cells)) + " |"
        seen.add(same)
    return "\n".join([*lines, *(line for _, line in sorted(lined.items()))])


def positions():
    """T of the sampler: positions of ROIS boxes whose logarithmic sizes and aspect ratios are uniform."""
    import numpy as np

    importlib.import_module("jsra")
    from jsra.ops.reference.dynamic_sampler import choose_grid

    rng = np.random.default_rng(0)
    ratios = np.exp(rng.uniform(np.log(1 / 3), np.log(3), ROIS))
    return sum(int(np.prod(choose_grid(float(np.sqrt(r)), float(1 / np.sqrt(r)), 64))) for r in ratios)


def floors():
    """What each operator must read and write at least once, in float32 and float16."""
    total = positions()
    maps, out = IMAGES * CELLS * CHANNELS, ROIS * CHANNELS * MASKS
    packed, logits = total * CHANNELS, total * MASKS
    place = IMAGES * 100 * 168  # of P3, for deform_conv2d: 3 x 3 taps, an offset of 2 and a mask of 1 for each
    columns, sums = 9 * place * CHANNELS, 2 * total * MASKS * CHANNELS
    # Name; elements of the operator's type that are read and written; bytes of other types; operations.
    rows = [
        ("roi_align 7x7, forward", maps, out, 0, 0, 0),
        ("roi_align 7x7, backward", out, maps, 0, 0, 0),
        ("adaptive_roi_align, roi_align_rotated 7x7", maps, out, 0, 0, 0),
        ("precise_roi_pool, deform_roi_pool 7x7, backward", out + maps, maps, 0, 0, 0),
        ("roi_pool 7x7, forward (keeps the places)", maps, out, 0, 4 * out, 0),
        ("roi_pool 7x7, backward", out, maps, 4 * out, 0, 0),
        ("deform_conv2d 3x3 on P3, columns, forward", place * (CHANNELS + 27), columns, 0, 0, 0),
        ("deform_conv2d 3x3 on P3, columns, backward", columns + place * (CHANNELS + 27), place * (CHANNELS + 27), 0, 0, 0),
        ("dynamic_sampler, forward", maps, packed, 0, 0, 0),
        ("dynamic_sampler, backward", packed, maps, 0, 0, 0),
        ("masked_sum, forward (keeps the masks)", packed + logits, out, 0, 4 * logits, sums),
        ("masked_sum, backward", out + packed, packed + logits, 4 * logits, 0, 2 * sums),
        ("add_norm_relu, forward (keeps the sums)", packed + ROIS * CHANNELS, 2 * packed, 4 * total, 0, 0),
        ("add_norm_relu, backward", 2 * packed, packed + ROIS * CHANNELS, 4 * total, 0, 0),
        ("segment (mean), forward", packed, ROIS * CHANNELS, 0, 0, 0),
        ("segment (mean), backward", ROIS * CHANNELS, packed, 0, 0, 0),
        ("segment_matmul, forward", packed + out, logits, 0, 0, sums),
        ("segment_matmul, backward", packed + out + logits, packed + out, 0, 0, 2 * sums),
    ]
    lines = [
        "### Bytes that the kernels must move",
        "",
        f"{IMAGES} images of 800 x 1344, P2 to P5 ({CELLS} cells per image), {CHANNELS} channels, {ROIS} RoIs with aspect "
        f"ratios from 1/3 to 3, {MASKS} masks, M = 64: T = {total} positions. Each array is counted once, as if the "
        "whole maps were read and caches were perfect; boxes and offsets are left out. The time at 4.0 TB/s (about what a "
        "device copy reaches on an H200; to be measured) is the floor. In float16 masks and places keep their 4 bytes.",
        "",
        "| operator | reads, MB | writes, MB | floor, us | GFLOP | floor in float16, us |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, reads, writes, other_reads, other_writes, operations in rows:
        micro, half = (((reads + writes) * n + other_reads + other_writes) / 4.0e6 for n in (4, 2))
        work = f"{operations / 1e9:.1f}" if operations else ""
        read, written = ((n * 4 + other) / 1e6 for n, other in ((reads, other_reads), (writes, other_writes)))
        cells = [name, f"{read:.0f}", f"{written:.0f}", f"{micro:.0f}", work, f"{half:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    words = -(-BOXES // 32)
    lines += [
        "",
        "What the kernels move in addition:",
        "",
        "- The operators on maps, except roi_pool and roi_align's maximum, first transpose them and the output's gradient to "
        f"channels-last: this reads and writes one more array, {2 * maps * 4 / 1e6:.0f} MB forward (the maps) and "
        f"{2 * out * 4 / 1e6:.0f} MB backward (the gradient; the sampler's is packed, channels-last already). "
        "precise_roi_pool, deform_roi_pool and deform_conv2d also transpose the maps in the backward.",
        "- The backward to the maps, except in roi_align and dynamic_sampler, adds in 64-bit fixed point: sums that are "
        f"cleared, added to and read, 16 bytes per cell and channel besides the additions, {16 * maps / 1e6:.0f} MB, and one "
        "read of the gradient for its largest value.",
        "- add_norm_relu reads its rows once more for the statistics, or for their gradient, "
        f"{packed * 4 / 1e6:.0f} MB forward and {2 * packed * 4 / 1e6:.0f} MB backward.",
        f"- nms reads {BOXES} boxes, {24 * BOXES / 1e3:.0f} kB; its work is {BOXES**2 / 1e6:.0f} million comparisons of "
        f"scores, {BOXES**2 / 2e6:.0f} million overlaps, {4 * BOXES * words / 2e6:.1f} MB of bits and a sweep of {words} "
        "dependent steps in one block. is_finite reads each element once and writes one byte.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
