"""Writes an ONNX graph node by node; needs only the onnx package."""

from __future__ import annotations

import contextlib

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 18  # the operators of ONNX 1.13 (December 2022)
IR_VERSION = 8  # that of the same release: runtimes of that time refuse later versions
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "float64": TensorProto.DOUBLE}


class Graph:
    """A graph under construction: g("Add", x, 1.0) writes a node and returns the name of its output.

    Inputs are names of values, None for an omitted optional input, or NumPy arrays and numbers, which become initialisers
    (ints as int64, floats as float32).
    """

    def __init__(self):
        self.nodes, self.initializers = [], []
        self._constants, self._scopes, self._count = {}, [], 0

    def __call__(self, op: str, *inputs, outputs: int = 1, **attributes):
        """Write a node of an operator; returns the name of its output, or a list of names for several outputs."""
        names = [self._fresh(op) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, [self._input(v) for v in inputs], names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    @contextlib.contextmanager
    def scope(self, name: str):
        """Context manager: names of nodes that are written inside it begin with `name`."""
        self._scopes.append(name)
        yield
        self._scopes.pop()

    def constant(self, value) -> str:
        """The name of an initialiser with this value; equal small values share one."""
        array = np.asarray(value, order="C")
        if not isinstance(value, (np.ndarray, np.generic)):
            array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        key = (str(array.dtype), array.shape, array.tobytes()) if array.size <= 64 else None
        if key is None or key not in self._constants:
            name = self._fresh("constant")
            self.initializers.append(numpy_helper.from_array(array, name))
            if key is None:
                return name
            self._constants[key] = name
        return self._constants[key]

    def model(self, inputs, outputs, **properties):
        """The onnx.ModelProto. inputs: (name, dtype, shape); outputs: (name, dtype, shape, the graph's own name of it)."""
        nodes = self.nodes + [helper.make_node("Identity", [inner], [name]) for name, _, _, inner in outputs]
        described = [
            [helper.make_tensor_value_info(name, TYPES[dtype], shape) for name, dtype, shape, *_ in values]
            for values in (inputs, outputs)
        ]
        graph = helper.make_graph(nodes, "detector", *described, initializer=self.initializers)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, **properties
        )

    # Operations that several parts use.

    def cast(self, x, dtype: str) -> str:
        return self("Cast", x, to=TYPES[dtype])

    def size(self, x, axis: int) -> str:
        """int64 [1]: the length of an axis."""
        return self("Shape", x, start=axis, end=axis + 1)

    def halves(self, x):
        """The first two and the last two of four columns: the two corners of boxes."""
        return self("Split", x, [2, 2], axis=-1, outputs=2)

    def conv(self, x, weight, bias, stride=1, padding=0, dilation=1, groups=1, **attributes) -> str:
        stride, padding, dilation = ((v, v) if isinstance(v, int) else tuple(v) for v in (stride, padding, dilation))
        if "auto_pad" not in attributes:
            attributes["pads"] = [*padding, *padding]
        return self(
            "Conv", x, weight, bias, kernel_shape=weight.shape[2:], strides=stride, dilations=dilation, group=groups,
            **attributes,
        )  # fmt: skip

    def linear(self, x, layer) -> str:
        """A fully connected layer on rows [n, in]."""
        return self("Gemm", x, layer.weight.numpy(), layer.bias.numpy(), transB=1)

    def _input(self, value) -> str:
        if value is None:
            return ""
        return value if isinstance(value, str) else self.constant(value)

    def _fresh(self, word: str) -> str:
        self._count += 1
        return "/".join([*self._scopes, f"{word}_{self._count}"])
