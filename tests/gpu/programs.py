"""The programs that compile.py compiles and test_training.py runs: operators of Jittor, operators of jsra, training steps."""

from __future__ import annotations

import glob
import importlib
import os

import jittor as jt
import numpy as np

from tests.ops.on_gpu import DTYPES, outputs_and_gradients
from tests.ops.tester import OperatorTester


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


def operators():
    """Yield (name, tester): each class of tests/ops that says how to call an operator, with its `cases(rng)`."""
    folder = os.path.dirname(importlib.import_module("tests.ops").__file__)
    for path in sorted(glob.glob(os.path.join(folder, "test_*.py"))):
        module = importlib.import_module(f"tests.ops.{os.path.basename(path)[:-3]}")
        for name, value in sorted(vars(module).items()):
            own = isinstance(value, type) and issubclass(value, OperatorTester) and value.__module__ == module.__name__
            if own and value.cases is not OperatorTester.cases:
                yield f"{module.__name__.split('.test_')[1]} ({name[4:]})", value()


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
    from jsra.engine.build import build_optimizer
    from jsra.engine.train import total_loss
    from jsra.runtime.arithmetic import set_arithmetic

    set_arithmetic()
    model, config = detector(name)
    optimizer, _ = build_optimizer(config, model, 1)
    if amp:
        model, optimizer = enable(model, optimizer, dtype=amp)
    images, targets = batch(np.random.default_rng(0))
    optimizer.step(total_loss(losses_of(model, images, targets)))
    jt.sync_all()
