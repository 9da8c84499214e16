"""Cases of the operators' tests on the GPU in 16 and 32 bits. Coordinates stay float32; other floats are cast."""

from __future__ import annotations

import jittor as jt
import numpy as np

DTYPES = ("float32", "float16", "bfloat16")


def outputs_and_gradients(tester, case, dtype) -> tuple:
    """A case on the current device: its outputs and the gradients of a random sum of them, as float32 arrays."""
    variables = [to_var(value, dtype) for value in case.inputs]
    result = tester.op(*variables, **case.settings)
    result = list(result) if isinstance(result, (list, tuple)) else [result]
    outputs = [to_array(r) for r in result if isinstance(r, jt.Var)]
    wanted = [v for i in case.grad for v in (variables[i] if isinstance(variables[i], list) else [variables[i]])]
    if not wanted:
        return outputs, []
    rng = np.random.default_rng(0)
    weights = [_cast(rng.standard_normal(result[i].shape), str(result[i].dtype)) for i in tester.differentiable]
    grads = jt.grad(_Weighted.apply(weights, *(result[i] for i in tester.differentiable)), wanted)
    jt.sync(grads)
    return outputs, [to_array(g) for g in grads]


def rounded(value, dtype):
    """An input with the floats that `to_var` casts rounded to `dtype`, so that the CPU sees the same."""
    if isinstance(value, list):
        return [rounded(v, dtype) for v in value]
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    return to_array(to_var(value, dtype))


def to_var(value, dtype):
    """A NumPy input of a test as a Var: coordinates (four to six columns) in float32, other floats in `dtype`."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray):
        return [to_var(v, dtype) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind != "f":
        return jt.array(value)
    coordinates = value.ndim == 2 and value.shape[1] in (4, 5, 6)
    return _cast(value, "float32" if coordinates else dtype)


def to_array(var):
    if str(var.dtype) not in DTYPES:
        return var.numpy()
    return var.reshape((var.numel(),)).cast("float32").numpy().reshape(var.shape)


def _cast(array, dtype):
    """A NumPy array as a Var of `dtype`; cast as one axis, so that one compiled cast serves every shape."""
    return jt.array(array.astype(np.float32).reshape(-1)).cast(dtype).reshape(array.shape)


class _Weighted(jt.Function):
    """A scalar in the place of a weighted sum of arrays: it hands the weights back as their gradients.

    The sum itself, and its gradient, would be compiled anew for each rank, type and neighbour.
    """

    def execute(self, weights, *arrays):
        self.weights = weights
        return jt.zeros(1)

    def grad(self, _):
        return (None, *self.weights)
