"""The base class of all operator tests: a subclass gives `op`, `reference` and `cases`, and inherits the tests.

    class TestRoIAlign(OperatorTester):
        op = staticmethod(jsra.ops.roi_align)
        reference = staticmethod(jsra.ops.reference.roi_align)
        vectors = "roi_align.npz"          # made by a peer, see vectors/
        def cases(self, rng): return [Case("plain", (features, rois), dict(output_size=7), grad=(0,)), ...]

Inherited, on the CPU and on the GPU where there is one: forward against the NumPy reference, the committed vectors of a peer
program, the same bits from two runs. On the CPU: gradient against differences in float64, and the CUDA kernel files
executed on the host (forward and backward). On the GPU: outputs and gradients in float32, float16 and bfloat16 against the
CPU's.
"""

from __future__ import annotations

import functools
import operator
import os
from dataclasses import dataclass, field

import jittor as jt
import numpy as np
import pytest

from jsra.ops import kernel
from tests.ops import on_gpu

VECTORS = os.path.join(os.path.dirname(__file__), "vectors")
# On the GPU against the CPU: the largest difference, relative to the largest value.
ROUNDING = {"float32": 1e-4, "float16": 4e-3, "bfloat16": 3e-2}


@dataclass
class Case:
    """Inputs (NumPy arrays, or lists of them), keyword settings, and which inputs have a gradient."""

    name: str
    inputs: tuple
    settings: dict = field(default_factory=dict)
    grad: tuple = (0,)


def _map(value, function):
    return [function(v) for v in value] if isinstance(value, (list, tuple)) else function(value)


def exact(array):
    """jt.array without Jittor's default narrowing of float64 to float32."""
    with jt.flag_scope(auto_convert_64_to_32=0):
        return jt.array(array)


def to_vars(arrays, double=False):
    """NumPy inputs as Vars; floating ones as float64 if `double`, else float32."""

    def convert(a):
        if not isinstance(a, np.ndarray):
            return a
        if a.dtype.kind == "f":
            a = a.astype(np.float64 if double else np.float32)
        return exact(a) if a.dtype.kind == "f" else jt.array(a)

    return [_map(a, convert) for a in arrays]


def outputs(result) -> list:
    """An operator's outputs as NumPy arrays."""
    return [r.numpy() for r in (result if isinstance(result, (list, tuple)) else [result])]


def derivatives(loss, steps=(1e-5, 1e-7)):
    """Yield differences of loss(t) that stand for its derivative at t = 0; a right derivative agrees with one of them.

    A maximum that changes hands, a ReLU at 0 or a corner of the interpolation within a step of 0 makes a difference across it
    wrong, though the loss has a derivative at 0. So the central difference is followed by that of either side, and all of
    them by those of a smaller step. Where the loss is smooth they agree, and a wrong derivative is far from each.
    """
    for step in steps:
        far_left, left, right, far_right = (loss(i * step) for i in (-2, -1, 1, 2))
        # Exact to the fourth order: a softmax with a large gamma bends within one step.
        yield (far_left - 8 * left + 8 * right - far_right) / (12 * step)
        here = loss(0.0)
        yield (far_left - 4 * left + 3 * here) / (2 * step)
        yield (4 * right - far_right - 3 * here) / (2 * step)


def compare(got, expected, tolerance, what):
    """Assert equal shapes, and values within `tolerance` relative to the largest expected value."""
    assert len(got) == len(expected), f"{what}: {len(got)} outputs, expected {len(expected)}"
    for i, (g, e) in enumerate(zip(got, expected)):
        e = np.asarray(e)
        assert g.shape == e.shape, f"{what}, output {i}: shape {g.shape}, expected {e.shape}"
        if e.size:
            error = np.abs(g.astype(np.float64) - e).max() / max(1.0, np.abs(e).max())
            assert error <= tolerance, f"{what}, output {i}: differs by {error:.2e}, allowed {tolerance:.0e}"


class OperatorTester:
    tolerance = 1e-4
    gradient_tolerance = 1e-6
    vectors = None
    # Outputs that have a gradient; the others (indices, grids) are left out of the loss of the gradient tests.
    differentiable = (0,)

    def cases(self, rng):
        raise NotImplementedError

    def _loss(self, case, variables, weights):
        result = self.op(*variables, **case.settings)
        result = result if isinstance(result, (list, tuple)) else [result]
        # Not sum(): it starts from 0, and 0 + float64 is float32 in Jittor.
        terms = [(result[i] * exact(weights[i].astype(str(result[i].dtype)))).sum() for i in self.differentiable]
        return functools.reduce(operator.add, terms)

    def _gradients(self, case, weights, double=False):
        variables = to_vars(case.inputs, double)
        wanted = [v for i in case.grad for v in (variables[i] if isinstance(variables[i], list) else [variables[i]])]
        # As float32: Jittor writes a float32 1 into the kernel, but reads a float64 1 through a pointer, and was seen to find
        # another value there in the batch that compiles the kernel.
        grads = jt.grad(self._loss(case, variables, weights).float32(), wanted)
        jt.sync(grads)
        return [g.numpy() for g in grads]

    def _weights(self, case, rng):
        return [rng.standard_normal(o.shape) for o in outputs(self.op(*to_vars(case.inputs), **case.settings))]

    def test_forward(self, device, rng):
        for case in self.cases(rng):
            got = outputs(self.op(*to_vars(case.inputs), **case.settings))
            expected = self.reference(*case.inputs, **case.settings)
            compare(
                got, list(expected) if isinstance(expected, (list, tuple)) else [expected], self.tolerance, case.name
            )

    def test_gradient(self, rng):
        """Central differences in float64, along random directions and single coordinates of every input."""
        for case in self.cases(rng):
            if not case.grad:
                continue
            weights = self._weights(case, rng)
            grads = self._gradients(case, weights, double=True)
            flat = [
                (i, j) for i in case.grad for j in range(len(case.inputs[i]) if isinstance(case.inputs[i], list) else 1)
            ]
            for (i, j), grad in zip(flat, grads):
                source = case.inputs[i][j] if isinstance(case.inputs[i], list) else case.inputs[i]
                if not source.size:
                    continue
                assert grad.shape == source.shape, f"{case.name}: gradient of input {i} has shape {grad.shape}"
                for trial in range(4):
                    direction = np.zeros(source.shape)
                    if trial < 2:
                        direction[:] = rng.standard_normal(source.shape)
                    else:
                        direction.flat[np.abs(grad).argmax() if trial == 2 else rng.integers(source.size)] = 1.0
                    self._check_direction(case, weights, grad, (i, j), source, direction)

    def _check_direction(self, case, weights, grad, index, source, direction):
        def loss(step):
            moved = source.astype(np.float64) + step * direction
            inputs = list(case.inputs)
            if isinstance(inputs[index[0]], list):
                inputs[index[0]] = [moved if j == index[1] else a for j, a in enumerate(inputs[index[0]])]
            else:
                inputs[index[0]] = moved
            return float(self._loss(case, to_vars(inputs, double=True), weights).numpy()[0])

        analytic, tried = float((grad * direction).sum()), []
        for numeric in derivatives(loss):
            if abs(numeric - analytic) <= self.gradient_tolerance * max(1.0, abs(numeric), np.abs(grad).max()):
                return
            tried.append(f"{numeric:.9g}")
        pytest.fail(
            f"{case.name}: derivative along a direction of input {index[0]} is {analytic:.9g}, differences give "
            f"{', '.join(tried)}"
        )

    def test_cuda_kernels_on_the_host(self, rng):
        """The CUDA kernel files, run through the stand-in for the launch, give what the CPU kernels give."""
        for case in self.cases(rng):
            self.check_cuda_kernels(case, rng)

    def check_cuda_kernels(self, case, rng):
        weights = self._weights(case, rng)
        native = outputs(self.op(*to_vars(case.inputs), **case.settings))
        native_grads = self._gradients(case, weights) if case.grad else []
        with kernel.backend("host_cuda"):
            got = outputs(self.op(*to_vars(case.inputs), **case.settings))
            grads = self._gradients(case, weights) if case.grad else []
        compare(got, native, 1e-5, f"{case.name} (CUDA kernels on the host)")
        compare(grads, native_grads, 1e-5, f"{case.name} (gradients, CUDA kernels on the host)")

    def test_same_bits_every_run(self, device, rng):
        for case in self.cases(rng):
            weights = self._weights(case, rng)
            runs = []
            for _ in range(2):
                runs.append(outputs(self.op(*to_vars(case.inputs), **case.settings)))
                runs[-1] += self._gradients(case, weights) if case.grad else []
            for first, second in zip(*runs):
                assert np.array_equal(first, second), f"{case.name}: two runs differ"

    @pytest.mark.parametrize("dtype", on_gpu.DTYPES)
    def test_cuda_against_the_cpu(self, dtype, gpu, rng):
        """Outputs and gradients on the GPU, from inputs that both have exactly; compared within the rounding of the type."""
        for case in self.cases(rng):
            case.inputs = tuple(on_gpu.rounded(value, dtype) for value in case.inputs)
            got = on_gpu.outputs_and_gradients(self, case, dtype)
            jt.flags.use_cuda = 0
            expected = on_gpu.outputs_and_gradients(self, case, "float32")
            jt.flags.use_cuda = 1
            for what, mine, cpu in zip(("outputs", "gradients"), got, expected):
                compare(mine, cpu, ROUNDING[dtype], f"{case.name} ({what}, {dtype} on the GPU)")

    def test_peer_vectors(self, device):
        """Outputs and gradients that a peer program gave for committed inputs.

        The file holds <case>/in<i>, <case>/out<i>, <case>/grad<i> (of sum(out * weight<i>)) and <case>/settings (JSON).
        """
        if self.vectors is None:
            pytest.skip("no peer program has this operator on the CPU: the NumPy reference stands alone")
        for case, weights, out, grads in read_vectors(self.vectors):
            compare(
                outputs(self.op(*to_vars(case.inputs), **case.settings)), out, self.tolerance, f"{case.name} (peer)"
            )
            if grads:
                compare(self._gradients(case, weights), grads, self.tolerance, f"{case.name} (peer, gradients)")


def read_vectors(name):
    """Yield (Case, weights, outputs, gradients) of a file of vectors."""
    import json

    with np.load(os.path.join(VECTORS, name), allow_pickle=False) as file:
        keys = {}
        for key in file.files:
            case, part = key.rsplit("/", 1)
            keys.setdefault(case, {})[part] = file[key]
    assert keys, f"{name} holds no vectors"
    for case, parts in keys.items():

        def series(prefix, parts=parts):
            return [parts[k] for k in sorted(k for k in parts if k.startswith(prefix) and k[len(prefix) :].isdigit())]

        grads = sorted(int(k[4:]) for k in parts if k.startswith("grad"))
        settings = json.loads(str(parts["settings"]))
        yield Case(case, tuple(series("in")), settings, tuple(grads)), series("weight"), series("out"), series("grad")
