"""Parameters and FLOPs of a built model, counted by hooks while its graph is built; nothing is computed.

In both counts, one multiply-accumulate is one FLOP, a normalisation has two FLOPs per element, and sampling, softmax,
activations and biases are not counted.

- `gflops`: the convention that reproduces the papers' columns (docs/reproduce.md). Convolutions, linear layers and norms are
  counted from their modules, other matrix products when they are called. A module type with an entry in jsra.paper.formulas
  is counted by that formula: Semantic RoI Align as if every RoI had max_area positions and RoIs shared no computation.
- `executed_gflops`: the matrix products, convolutions, norms and weighted sums that this code really performs.

Jittor executes lazily, so a forward pass whose results are not read only builds a graph of shapes: counting an R50-FPN at
1333 x 1333 takes a fraction of a second.
"""

from __future__ import annotations

import contextlib
import math
import sys

import jittor as jt
import numpy as np
from jittor import nn

from jsra.data.loader import LEAST_SIDE
from jsra.ops import conv, kernel, linear
from jsra.ops.dynamic_sampler import make_packing
from jsra.paper import formulas
from jsra.registry import ConfigError

IMAGE_SIZE = (1333, 1333)
NUM_ROIS = 300
NEEDED = ("features", "forward_heads", "extractor")  # what a detector must have to be counted


def is_statistic(name: str) -> bool:
    """Whether a name of a state dict belongs to a running statistic, which is not a parameter."""
    return name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")


def parameters(module) -> dict:
    """{name: number of elements} of every weight, including frozen ones."""
    return {name: math.prod(var.shape) for name, var in module.state_dict().items() if not is_statistic(name)}


class Counter:
    """Counts the FLOPs of the modules of `model` within a `with` block.

    paper, executed: {module name: FLOPs} (see the top of this file). kernels: names of kernels for which jsra.paper.formulas
    has no formula.
    """

    def __init__(self, model):
        self.modules = [(name, m) for name, m in _named_modules(model)]
        self._owners = {id(v): name for name, m in self.modules for v in m.__dict__.values() if isinstance(v, jt.Var)}
        self.paper, self.executed, self.kernels = {}, {}, set()
        self._frames = []  # [module name, FLOPs of products inside it] of the modules that are running
        self._covered = 0  # number of running modules that are counted by a formula
        self._inside_product = False

    def __enter__(self):
        for name, module in self.modules:
            self._hook(name, module)
        self._patches = contextlib.ExitStack()
        for owner, attribute in (
            (nn, "matmul"), (nn, "matmul_transpose"), (jt, "matmul"), (jt.Var, "matmul"), (jt.Var, "__matmul__"),
        ):  # fmt: skip
            self._patch(owner, attribute, _product)
        for attribute in ("conv2d", "conv_transpose"):
            self._patch(nn, attribute, _functional_conv)
        for module in _holders("conv2d", conv.conv2d):
            self._patch(module, "conv2d", _functional_conv)
        for module in _holders("product", linear.product):
            self._patch(module, "product", _library_product)
        for module in _holders("run", kernel.run):
            self._patch(module, "run", self._kernel, always=True)
        return self

    def __exit__(self, *exception):
        self._patches.close()
        for _, module in self.modules:
            module.remove_pre_forward_hook()
            module.remove_forward_hook()

    def _hook(self, name, module):
        by_formula = formulas.of(module)

        def before(_, args, kw=None):
            self._frames.append([name, 0])
            self._covered += by_formula is not None

        def after(_, args, out, kw=None):
            products = self._frames.pop()[1]
            self._covered -= by_formula is not None
            if by_formula is not None:
                self._add(self.paper, name, by_formula(module, args, out))
                self._add(self.executed, name, products)
                return
            known = formulas.of_layer(module, args, out)
            self._add(self.paper, name, products if known is None else known)
            # If no products of a layer were seen (a convolution is one fused operation), count it from its module.
            self._add(self.executed, name, products if known is None or products else known)

        module.register_pre_forward_hook(before)
        module.register_forward_hook(after)

    def _add(self, counts, name, flops):
        if flops and not (counts is self.paper and self._covered):
            counts[name] = counts.get(name, 0) + flops

    def _patch(self, owner, attribute, work, always=False):
        original = getattr(owner, attribute)

        def counted(*args, **kw):
            outermost, self._inside_product = not self._inside_product, True
            try:
                out = original(*args, **kw)
            finally:
                if outermost:
                    self._inside_product = False
            if outermost or always:
                self._record(work(out, *args, **kw), args)
            return out

        self._patches.callback(setattr, owner, attribute, original)
        setattr(owner, attribute, counted)

    def _record(self, flops, args):
        """Count a product for the module that owns its weight, if known, otherwise for the module that is running."""
        owner = next((self._owners[id(a)] for a in args if id(a) in self._owners), None)
        if owner is not None and not any(name == owner for name, _ in self._frames):
            self._add(self.paper, owner, flops)
            self._add(self.executed, owner, flops)
        elif self._frames:
            self._frames[-1][1] += flops
        else:
            self._add(self.paper, "", flops)
            self._add(self.executed, "", flops)

    def _kernel(self, out, op, name, inputs, outputs, **scalars):
        flops = formulas.of_kernel(op, name, inputs, outputs, scalars)
        if flops is None:
            self.kernels.add(f"{op}_{name}")
        return flops or 0


def _named_modules(model):
    found = {}

    def visit(name, module):
        if id(module) in found:
            return
        found[id(module)] = (name, module)
        for key, child in module.__dict__.items():
            if isinstance(child, nn.Module):
                visit(f"{name}.{key}" if name else key, child)
        for key, child in getattr(module, "layers", {}).items() if isinstance(module, nn.Sequential) else ():
            visit(f"{name}.{key}", child)

    visit("", model)
    return list(found.values())


def _holders(name, function):
    """The Python modules that have this function under this name: the one that defines it and those that import it."""
    return [m for m in list(sys.modules.values()) if m is not None and vars(m).get(name) is function]


def _product(out, a, b):
    return math.prod(out.shape) * a.shape[-1]


def _library_product(out, a, b, trans_a, trans_b):
    return math.prod(out.shape) * a.shape[0 if trans_a else 1]


def _functional_conv(out, x, weight, *args, **kw):
    return math.prod(out.shape) * math.prod(weight.shape[1:])


def reference_boxes(count: int, width: int, height: int, seed: int = 0) -> np.ndarray:
    """Random boxes xyxy, float32 [count, 4]: log-uniform size (16 pixels, or the image's shorter side if that is less, to the
    shorter side), log-normal ratio.

    They are the RoIs of the executed count, where the number of positions depends on the box; `gflops` does not depend on it.
    """
    rng = np.random.default_rng(seed)
    side = np.exp(rng.uniform(np.log(16), np.log(min(width, height)), count))
    ratio = np.exp(rng.normal(0, 0.25, count))
    w, h = np.minimum(side * ratio, width), np.minimum(side / ratio, height)
    x, y = rng.uniform(0, 1, count) * (width - w), rng.uniform(0, 1, count) * (height - h)
    return np.stack([x, y, x + w, y + h], 1).astype(np.float32)


def count(model, image_size=IMAGE_SIZE, num_rois: int = NUM_ROIS) -> dict:
    """The cost of a detector on one image of image_size (height, width), without padding, with num_rois RoIs.

    Returns {params, params_M, gflops, executed_gflops, image_size, num_rois (0 for a detector without RoIs), parts: [{name,
    params, gflops, executed_gflops}], not_counted: names of kernels without a formula} and, for Semantic RoI Align,
    avg_samples: the mean number of positions per RoI over `reference_boxes`.
    """
    height, width = image_size
    if min(image_size) < LEAST_SIDE:
        what = f"an image of {height} x {width} pixels is too small"
        raise ConfigError(f"{what}: a side needs {LEAST_SIDE}, the largest stride")
    lacking = [name for name in NEEDED if not hasattr(model, name)]
    if lacking:
        who = f"{type(model).__name__} has no {' and no '.join(lacking)}"
        raise ConfigError(f"cost: {who}: the FLOPs of a detector are counted by its {', '.join(NEEDED)}")
    rois = jt.array(np.pad(reference_boxes(num_rois, width, height), ((0, 0), (1, 0))))
    training = model.is_training()
    model.eval()
    counter = Counter(model)
    with jt.no_grad(), counter:
        feats = model.features(jt.zeros([1, 3, height, width]))
        # Extractors may read boxes, and reading executes all pending operations: drop the real maps, so that there are few.
        feats = [jt.zeros(shape) for shape in [x.shape for x in feats]]
        model.forward_heads(feats, rois)
    if training:
        model.train()
    found = {**summary(model, counter), "image_size": list(image_size)}
    found["num_rois"] = 0 if model.extractor is None else num_rois
    layer = getattr(model.extractor, "roi_layer", None)
    if hasattr(layer, "max_area"):
        found["avg_samples"] = make_packing(rois, layer.max_area, layer.grid).total / num_rois
    return found


def summary(model, counter) -> dict:
    """The totals and the parts of the result of `count`, from a Counter after a forward pass; gflops in 10^9 FLOPs."""
    sizes = parameters(model)
    parts = {}
    for key, counts in (("params", sizes), ("gflops", counter.paper), ("executed_gflops", counter.executed)):
        for name, value in counts.items():
            part = parts.setdefault(_part(name), {"params": 0, "gflops": 0, "executed_gflops": 0})
            part[key] += value if key == "params" else value / 1e9
    total = {key: sum(p[key] for p in parts.values()) for key in ("params", "gflops", "executed_gflops")}
    return {
        **total,
        "params_M": total["params"] / 1e6,
        "parts": [{"name": name, **part} for name, part in parts.items()],
        "not_counted": sorted(counter.kernels),
    }


def _part(name):
    """The part that a module belongs to: backbone, neck, rpn, ..., or a part of a branch of the roi_head."""
    words = name.split(".")
    return ".".join(words[:3]) if words[0] == "roi_head" else words[0] or "other"


def built(path, overrides=()):
    """The model that a config describes, with random weights."""
    from jsra.config import load_config
    from jsra.registry import build

    return build(load_config(path, overrides)["model"], "model", "detector")


def text(cost: dict) -> str:
    """The table that `jsra cost` prints."""
    from jsra.evaluation.tables import text_table

    rows = [
        (p["name"], f"{p['params'] / 1e6:.3f}", f"{p['gflops']:.2f}", f"{p['executed_gflops']:.2f}")
        for p in [*cost["parts"], {**cost, "name": "total"}]
    ]
    height, width = cost["image_size"]
    rois = f", {cost['num_rois']} RoIs" if cost["num_rois"] else ""
    lines = [
        text_table(("part", "params M", "GFLOPs", "executed"), rows),
        f"one image of {height} x {width}{rois}; 1 multiply-accumulate = 1 FLOP; GFLOPs: the papers' "
        "convention; executed: what this code executes",
    ]
    if cost["not_counted"]:
        lines.append(f"kernels with unknown cost, not counted: {', '.join(cost['not_counted'])}")
    return "\n".join(lines)
