"""What `gpu_compile.py` compiles and `gpu_check_jittor.py` runs: operators of Jittor, operators of jsra, training steps."""

from __future__ import annotations

import os

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
    for title, name in (("RoI Align", "roi_align"), ("Semantic RoI Align", "sra")):
        config = f"faster_rcnn_r50_fpn_{name}_1x_coco"
        yield f"training step: Faster R-CNN R50-FPN, {title}", lambda config=config: training_step(config)
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        if dtype != "float32":
            yield f"training step: Semantic RoI Align with amp in {dtype}", lambda dtype=dtype: training_step(amp=dtype)
        for name, tester in operators():
            yield f"jsra.ops: {name}, {dtype}", lambda tester=tester, dtype=dtype: run_operator(tester, rng, dtype)


def elementwise(dtype):
    x = jt.array(np.ones((4, 8), np.float32)).cast(dtype)
    y = jt.nn.softmax(jt.nn.relu(x * 2 + 1), dim=1).sum() + jt.exp(x).max() + x.sigmoid().mean()
    jt.sync([y, *jt.grad(y, [x])])


def matmul(dtype):
    a = jt.array(np.ones((4, 8), np.float32)).cast(dtype)
    b = jt.array(np.ones((8, 4), np.float32)).cast(dtype)
    jt.sync(jt.grad(summed(jt.matmul(a, b)), [a, b]))


def convolution(dtype):
    x = jt.array(np.ones((1, 4, 8, 8), np.float32)).cast(dtype)
    w = jt.array(np.ones((4, 4, 3, 3), np.float32)).cast(dtype)
    jt.sync(jt.grad(summed(jt.nn.conv2d(x, w, padding=1)), [x, w]))


def summed(y):
    """A loss of y. Cast first, as jsra.engine.amp does: the gradient of float16 times a number is float32 in Jittor."""
    return (y.cast("float32") * 2).sum()


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
        outputs_and_gradients(tester, case, dtype)


def outputs_and_gradients(tester, case, dtype, seed=0) -> tuple:
    """A case on the current device: its outputs and the gradients of a random sum of them, as float32 arrays."""
    variables = [to_var(value, dtype) for value in case.inputs]
    result = tester.op(*variables, **case.settings)
    result = list(result) if isinstance(result, (list, tuple)) else [result]
    outputs = [to_array(r) for r in result if isinstance(r, jt.Var)]
    wanted = [v for i in case.grad for v in (variables[i] if isinstance(variables[i], list) else [variables[i]])]
    if not wanted:
        return outputs, []
    rng = np.random.default_rng(seed)
    weights = [cast(rng.standard_normal(result[i].shape), str(result[i].dtype)) for i in tester.differentiable]
    grads = jt.grad(_Weighted.apply(weights, *(result[i] for i in tester.differentiable)), wanted)
    jt.sync(grads)
    return outputs, [to_array(g) for g in grads]


class _Weighted(jt.Function):
    """A scalar in the place of a weighted sum of arrays: it hands the weights back as their gradients.

    The sum itself, and its gradient, would be compiled anew for each rank, type and neighbour.
    """

    def execute(self, weights, *arrays):
        self.weights = weights
        return jt.zeros(1)

    def grad(self, _):
        return (None, *self.weights)


def cast(array, dtype):
    """A NumPy array as a Var of `dtype`; cast as one axis, so that one compiled cast serves every shape."""
    return jt.array(array.astype(np.float32).reshape(-1)).cast(dtype).reshape(array.shape)


def to_var(value, dtype):
    """A NumPy input of a test as a Var: coordinates (five columns or four) in float32, other floats in `dtype`."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray):
        return [to_var(v, dtype) for v in value]
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind != "f":
        return jt.array(value)
    coordinates = value.ndim == 2 and value.shape[1] in (4, 5, 6)
    return cast(value, "float32" if coordinates else dtype)


def to_array(var):
    if str(var.dtype) not in DTYPES:
        return var.numpy()
    return var.reshape((var.numel(),)).cast("float32").numpy().reshape(var.shape)


def detector(name="faster_rcnn_r50_fpn_sra_1x_coco"):
    """A detector of jdet_configs, in training, and its config."""
    from jsra import resources
    from jsra.config import load_config
    from jsra.registry import build

    config = load_config(os.path.join(resources.folder("jdet_configs"), f"{name}.py"))
    model = build(config["model"], "model")
    model.train()
    return model, config


def batch(rng, height=224, width=256):
    """One image with three objects."""
    images = rng.standard_normal((1, 3, height, width)).astype(np.float32)
    boxes = np.float32([[10, 20, 90, 120], [100, 30, 220, 200], [5, 150, 60, 210]])
    target = {"img_id": 0, "bboxes": boxes, "labels": np.int32([1, 7, 3]), "img_size": (width, height)}
    return images, [{**target, "bboxes_ignore": np.zeros((0, 4), np.float32), "ori_img_size": (width, height)}]


def losses_of(model, images, targets, seed=0) -> dict:
    """The losses of one batch, all random choices from `seed`."""
    from jsra.runtime.seed import set_seed

    set_seed(seed)
    return model(jt.array(images).stop_grad(), targets)


def training_step(name="faster_rcnn_r50_fpn_sra_1x_coco", amp=None):
    """One step of the optimiser on one image."""
    from jsra.engine.amp import enable
    from jsra.engine.run import build_optimizer
    from jsra.engine.train import total_loss

    model, config = detector(name)
    optimizer, _ = build_optimizer(config, model, 1)
    if amp:
        model, optimizer = enable(model, optimizer, dtype=amp)
    images, targets = batch(np.random.default_rng(0))
    optimizer.step(total_loss(losses_of(model, images, targets)))
    jt.sync_all()
