"""Parts of a graph, run in onnxruntime."""

import jittor as jt
import numpy as np
import onnx

from jsra.bench.weights import seeded
from jsra.export.check import session
from jsra.export.graph import Graph


def with_seeded_weights(module, prefix="", gains=None):
    """The module in evaluation, with weights that depend on their names alone; gains: {end of a name: factor}."""
    for name, var in module.state_dict().items():
        array = seeded(prefix + name, tuple(var.shape))
        for end, gain in (gains or {}).items():
            array = array * np.float32(gain) if name.endswith(end) else array
        var.update(jt.array(array))
    return module.eval()


def run(write, *arrays):
    """The outputs of what write(graph, *names of inputs) adds to a graph and returns, a value or several."""
    g = Graph()
    names = [f"in{i}" for i in range(len(arrays))]
    values = write(g, *names)
    values = [values] if isinstance(values, str) else list(values)
    # The types of outputs are inferred: an onnxruntime of any age takes a graph whose outputs say them.
    inputs = [(n, str(a.dtype), [f"{n}_{i}" for i in range(a.ndim)]) for n, a in zip(names, arrays)]
    model = g.model(inputs, [(f"out{i}", "float32", None, value) for i, value in enumerate(values)])
    known = {v.name: v for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    for output, value in zip(model.graph.output, values):
        output.type.CopyFrom(known[value].type)
    onnx.checker.check_model(model, full_check=True)
    return session(model.SerializeToString()).run(None, dict(zip(names, arrays)))
