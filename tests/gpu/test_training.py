"""Detectors that train on the GPU: the losses of the CPU, and memory that stays."""

import os
import time

import jittor as jt
import numpy as np
import pytest

from jsra.engine.amp import enable
from jsra.engine.build import build_optimizer
from jsra.engine.train import total_loss
from jsra.runtime.arithmetic import set_arithmetic
from tests.gpu.programs import batch, detector, losses_of

SRA = "faster_rcnn_r50_fpn_sra_1x_coco"
ITERATIONS = int(os.environ.get("JSRA_GPU_ITERATIONS", 200))


@pytest.mark.parametrize("name", ["faster_rcnn_r50_fpn_roi_align_1x_coco", SRA])
def test_losses_are_those_of_the_cpu(name, gpu):
    set_arithmetic()
    jt.flags.use_cuda = 0
    model, _ = detector(name)
    images, targets = batch(np.random.default_rng(0))
    found = {}
    for use_cuda in (0, 1):
        jt.flags.use_cuda = use_cuda
        found[use_cuda] = {k: float(v.numpy().sum()) for k, v in losses_of(model, images, targets).items()}
    for key, expected in found[0].items():
        assert abs(found[1][key] - expected) <= 1e-3 * max(1.0, abs(expected)), (key, found)


@pytest.mark.parametrize("amp", [None, "float16", "bfloat16"])
def test_memory_stays(amp, gpu):
    """After a quarter of the iterations and at their end; prints memory and time."""
    set_arithmetic()
    model, config = detector(SRA)
    config["optimizer"]["lr"] = 0.001
    optimizer, _ = build_optimizer(config, model, 1)
    if amp:
        model, optimizer = enable(model, optimizer, dtype=amp)
    rng, memory, begin = np.random.default_rng(0), [], 0.0
    for i in range(ITERATIONS):
        losses = losses_of(model, *batch(rng), seed=i)
        optimizer.step(total_loss(losses))
        if i in (ITERATIONS // 4, ITERATIONS - 1):
            jt.sync_all(True)
            memory.append(jt.get_mem_info().total_cuda_used / 2**20)
            begin = begin or time.perf_counter()
    seconds = (time.perf_counter() - begin) / (ITERATIONS - 1 - ITERATIONS // 4)
    print(f"{memory[0]:.0f} MiB, then {memory[1]:.0f} MiB; {1e3 * seconds:.0f} ms an iteration")
    assert all(np.isfinite(v.numpy()).all() for v in losses.values())
    assert memory[1] <= 1.05 * memory[0] + 64, memory
