"""Two processes with half the batch each against one with the joint batch."""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from jsra.engine import checkpoint, log

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SCRIPT = """
import sys
import jsra
import jittor as jt
from jsra.engine.train import train
from jsra.runtime import distributed
from tests.engine.toy import ToyLoader, make_run

class Share(ToyLoader):
    def epoch(self, epoch, start=0):
        for images, targets in super().epoch(epoch, start):
            size = len(targets) // distributed.world_size()
            part = slice(distributed.rank() * size, (distributed.rank() + 1) * size)
            yield images[part], targets[part]

seed = int(sys.argv[2])
# Different seeds for the initial weights: the run must not depend on the processes drawing the same ones.
run = make_run(sys.argv[1], seed + 1000 * distributed.rank(), epochs=2, optimizer=sys.argv[3], loader=Share(batch_size=4),
               dropout=False, log_interval=1)
run.seed = seed
distributed.share_weights(run.model)
assert distributed.world_size() == int(sys.argv[4]), distributed.world_size()
run.start_log()
train(run)
"""


def mpirun():
    """The command that starts two processes, or a skip."""
    if shutil.which("mpirun") is None or shutil.which("mpicc") is None:
        pytest.skip("needs Open MPI with its compiler: apt-get install openmpi-bin libopenmpi-dev")
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1", "-np", "2"]


def execute(command, work_dir, seed, optimizer, processes):
    environment = {**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"}
    command = [*command, sys.executable, "-c", SCRIPT, str(work_dir), str(seed), optimizer, str(processes)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return log.read(str(work_dir))["train"], checkpoint.latest(str(work_dir))


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_two_processes_equal_one(tmp_path, seed, optimizer):
    """Losses (means over equal shares), weights and batch statistics of 8 iterations, within 1e-4."""
    command = mpirun()
    joint, joint_path = execute([], tmp_path / "one", seed, optimizer, 1)
    shared, shared_path = execute(command, tmp_path / "two", seed, optimizer, 2)
    assert len(joint) == len(shared) == 8
    for a, b in zip(joint, shared):
        for name in ("loss", "loss_a", "loss_b"):
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=1e-6), (a["iteration"], name)
    expected = checkpoint.read_arrays(os.path.join(joint_path, "model.safetensors"))
    got = checkpoint.read_arrays(os.path.join(shared_path, "model.safetensors"))
    for name, array in expected.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-4, err_msg=name)
    assert json.load(open(os.path.join(shared_path, "state.json")))["processes"] == 2
