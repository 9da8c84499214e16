"""The collective operations, with two processes in one run."""
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.distributed import case

SCRIPT = """
import json, sys
import jsra
import jittor as jt
import numpy as np
from jsra.backbones.norm import BatchNorm2d
from jsra.registry import ConfigError
from jsra.roi.packed_norm import PackedBatchNorm
from jsra.runtime import distributed as d

found = {}
found["broadcast"] = [d.broadcast({"of": d.rank(), "big": 2**40}, root) for root in (0, 1)]
found["gather"] = d.gather([d.rank()] * (d.rank() + 1))
found["on_main"] = d.on_main(lambda: [d.rank(), d.world_size(), d.on_main(lambda: 7), d.gather(5)])
def fail():
    raise ConfigError("only process 0 knew")
try:
    d.on_main(fail)
except ConfigError as error:
    found["error"] = [str(error), getattr(error, "of_main", False)]

# Sums whose graphs differ between the processes: here the order in which they are needed is the opposite.
x, y = jt.array([1.0 + d.rank()]), jt.array([10.0, 20.0]) * (1 + d.rank())
a, b = d.all_reduce(x * x), d.all_reduce(y)
loss = (a * 2 + b.sum()) if d.rank() == 0 else (b.sum() + a * 2)
for v in ((b, a) if d.rank() else (a, b)):
    v.sync()
gradients = jt.grad(loss.sum(), [x, y])
found["sums"] = [a.numpy().tolist(), b.numpy().tolist()] + [g.numpy().tolist() for g in gradients]

rng = np.random.default_rng(3)
images = rng.normal(2, 3, (4, 3, 5, 6)).astype(np.float32)
part = images[2 * d.rank() : 2 * d.rank() + 2] if d.world_size() > 1 else images
norm = BatchNorm2d(3)
out = norm(jt.array(part))
moments = [norm.running_mean.numpy().tolist(), norm.running_var.numpy().tolist()]
found["batch norm"] = [d.gather(out.numpy().tolist()), moments]

rows = rng.normal(2, 3, (7, 3)).astype(np.float32)
part = (rows if d.rank() == 0 else rows[:0]) if d.world_size() > 1 else rows  # the second process has no RoI
norm = PackedBatchNorm(3)
x = jt.array(part)
out = norm(x)
gradient = jt.grad((out * out * out).sum(), x)
moments = [norm.running_mean.numpy().tolist(), norm.running_var.numpy().tolist()]
found["packed norm"] = [out.numpy().tolist(), gradient.numpy().tolist(), moments]
with open(f"{sys.argv[1]}.{d.rank()}", "w") as f:
    json.dump(found, f)
"""


def execute(path, launcher=()):
    environment = {**os.environ, "PYTHONPATH": case.ROOT, "OMP_NUM_THREADS": "1"}
    command = [*launcher, sys.executable, "-c", SCRIPT, str(path)]
    done = subprocess.run(command, cwd=case.ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(open(f"{path}.{rank}").read()) for rank in range(2 if launcher else 1)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two processes found, and what one alone did."""
    launcher = case.mpirun()
    if launcher is None:
        pytest.skip("needs Open MPI with its compiler: apt-get install openmpi-bin libopenmpi-dev")
    folder = tmp_path_factory.mktemp("found")
    return [*execute(folder / "two", launcher), *execute(folder / "one")]


def test_values_travel(found):
    first, second, alone = found
    expected = [{"of": 0, "big": 2**40}, {"of": 1, "big": 2**40}]
    assert first["broadcast"] == second["broadcast"] == expected and alone["broadcast"] == expected[:1] * 2
    assert first["gather"] == [[0], [1, 1]] and second["gather"] == [] and alone["gather"] == [[0]]


def test_process_0_decides_alone(found):
    first, second, alone = found
    assert first["on_main"] == second["on_main"] == alone["on_main"] == [0, 1, 7, [5]]
    assert first["error"] == ["only process 0 knew", False] and second["error"] == ["only process 0 knew", True]


def test_sums_have_one_order_and_their_gradients(found):
    """a = 1 + 4, b = (10 + 20, 20 + 40); the gradient of each process's loss reaches both: 2 losses * 2 * 2x, and 2 * 1."""
    first, second, _ = found
    assert first["sums"] == [[5.0], [30.0, 60.0], [8.0], [2.0, 2.0]]
    assert second["sums"] == [[5.0], [30.0, 60.0], [16.0], [2.0, 2.0]]


def test_norms_are_those_of_one_process(found):
    first, second, alone = found
    expected, moments = alone["batch norm"]
    shares = first["batch norm"][0]
    np.testing.assert_allclose(np.concatenate(shares), expected[0], rtol=1e-4, atol=1e-5)
    for one in (first, second):
        np.testing.assert_allclose(one["batch norm"][1], moments, rtol=1e-5)
        np.testing.assert_allclose(one["packed norm"][2], alone["packed norm"][2], rtol=1e-5)
    np.testing.assert_allclose(first["packed norm"][0], alone["packed norm"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first["packed norm"][1], alone["packed norm"][1], rtol=1e-3, atol=1e-4)
    assert second["packed norm"][:2] == [[], []]
