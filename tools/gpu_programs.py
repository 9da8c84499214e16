"""What `gpu_compile.py` compiles: Jittor's own operators that detectors use, jsra's operators, and a training step."""

from __future__ import annotations

import jittor as jt
import numpy as np
from operators import operators

DTYPES = ("float32", "float16", "bfloat16")


def programs():
    """Yield (name, function) of everything."""
    for dtype in DTYPES:
        yield f"jittor: element-wise, reductions and softmax, {dtype}", lambda dtype=dtype: elementwise(dtype)
        yield f"jittor: matrix product, {dtype}", lambda dtype=dtype: matmul(dtype)
        yield f"jittor: convolution, {dtype}", lambda dtype=dtype: convolution(dtype)
    yield "jittor: batch norm and pooling", normalisation
    yield "jittor: indexing, where and sorting", indexing
    yield "jittor: random numbers", lambda: jt.sync([jt.rand(8), jt.randn(8)])
    rng = np.random.default_rng(0)
    for name, tester in operators():
        for dtype in DTYPES:
            yield f"jsra.ops: {name}, {dtype}", lambda tester=tester, dtype=dtype: run_operator(tester, rng, dtype)
    yield "training step: Faster R-CNN R50-FPN with Semantic RoI Align", training_step


def elementwise(dtype):
    x = jt.array(np.ones((4, 8), np.float32)).cast(dtype)
    y = jt.nn.softmax(jt.nn.relu(x * 2 + 1), dim=1).sum() + jt.exp(x).max() + x.sigmoid().mean()
    jt.sync([y, *jt.grad(y, [x])])


def matmul(dtype):
    a = jt.array(np.ones((4, 8), np.float32)).cast(dtype)
    b = jt.array(np.ones((8, 4), np.float32)).cast(dtype)
    jt.sync(jt.grad((jt.matmul(a, b) * 2).sum(), [a, b]))


def convolution(dtype):
    x = jt.array(np.ones((1, 4, 8, 8), np.float32)).cast(dtype)
    w = jt.array(np.ones((4, 4, 3, 3), np.float32)).cast(dtype)
    jt.sync(jt.grad((jt.nn.conv2d(x, w, padding=1) * 2).sum(), [x, w]))


def normalisation():
    x = jt.array(np.ones((1, 4, 8, 8), np.float32))
    norm = jt.nn.BatchNorm(4)
    y = jt.nn.Pool(3, 2, 1, op="maximum")(norm(x)).sum()
    jt.sync(jt.grad(y, [x, *norm.parameters()[:2]]))


def indexing():
    x = jt.array(np.arange(12, dtype=np.float32))
    jt.sync([*jt.where(x > 3), *jt.argsort(x), x[jt.array([1, 2])], jt.concat([x, x]), x.cumsum(0)])


def run_operator(tester, rng, dtype):
    """Every case of an operator's test, forward and backward."""
    for case in tester.cases(rng):
        variables = [to_var(value, dtype) for value in case.inputs]
        result = tester.op(*variables, **case.settings)
        result = list(result) if isinstance(result, (list, tuple)) else [result]
        jt.sync([r for r in result if isinstance(r, jt.Var)])
        wanted = [v for i in case.grad for v in (variables[i] if isinstance(variables[i], list) else [variables[i]])]
        if wanted:
            loss = sum((result[i].float32() * 2).sum() for i in tester.differentiable)
            jt.sync(jt.grad(loss, wanted))


def to_var(value, dtype):
    """A NumPy input of a test as a Var; features (four axes or a list of maps) in `dtype`, coordinates in float32."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray):
        return [to_var(v, dtype) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "f":
        var = jt.array(value.astype(np.float32))
        return var.cast(dtype) if value.ndim != 2 or value.shape[1] not in (4, 5) else var
    return jt.array(value)


def training_step():
    raise NotImplementedError
