"""Time and memory of training steps of a backbone, with and without checkpointing of activations.

python tools/backbone_memory.py SwinTransformer [--size B H W] [--steps N]
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

import jsra  # noqa: F401

import jittor as jt  # isort: skip
from jsra.registry import build
from jsra.runtime.seed import set_seed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("backbone", help="a registered backbone: SwinTransformer, PVTv2, InternImage, ViTAdapter")
    parser.add_argument("--size", type=int, nargs=3, default=(2, 512, 512), help="images, height, width")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--with-cp", choices=("off", "on"), help="this alone, in this process")
    args = parser.parse_args()
    if args.with_cp is None:
        for choice in ("off", "on"):  # memory is measured per process
            subprocess.run([sys.executable, *sys.argv, "--with-cp", choice], check=True)
        return
    set_seed(0)
    model = build(dict(type=args.backbone, with_cp=args.with_cp == "on"), "model", "backbone")
    model.train()
    batch, *size = args.size
    images = jt.array(np.random.default_rng(0).standard_normal((batch, 3, *size)).astype(np.float32))
    weights = [p for p in model.parameters() if not p.is_stop_grad()]
    seconds = []
    for _ in range(args.steps):
        start = time.perf_counter()
        gradients = jt.grad(sum(((m * m).mean() for m in model(images)), jt.zeros(1)), weights)
        jt.sync(gradients, True)
        seconds.append(time.perf_counter() - start)
        del gradients
    pool, process = jt.get_mem_info().total_cpu_used / 2**20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{args.backbone}, {batch} x {size[0]} x {size[1]}, with_cp {args.with_cp}: pool {pool:.0f} MB, "
        f"process {process:.0f} MB, {min(seconds):.2f} s a step"
    )


if __name__ == "__main__":
    main()
