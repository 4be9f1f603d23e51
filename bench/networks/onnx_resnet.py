"""The ResNet-18 for small images as an ONNX model, node by node, from a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


class Builder:
    """Collects nodes; each method adds one and gives the name of its result."""

    def __init__(self, state: Mapping[str, np.ndarray]) -> None:
        self.state = {name: np.asarray(array) for name, array in state.items()}
        self.nodes: list[Any] = []
        self.used: list[str] = []

    def add(self, kind: str, *operands: str, **attributes: Any) -> str:
        """A node with one result."""
        result = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, list(operands), [result], name=result, **attributes)
        )
        self.used += [name for name in operands if name in self.state and name not in self.used]
        return result

    def conv(self, x: str, name: str, stride: int, padding: int) -> str:
        """A convolution without bias."""
        around = [padding] * 4
        return self.add("Conv", x, f"{name}.weight", strides=[stride] * 2, pads=around)

    def norm(self, x: str, name: str) -> str:
        """Batch norm by its running statistics."""
        parts = ("weight", "bias", "running_mean", "running_var")
        return self.add("BatchNormalization", x, *(f"{name}.{part}" for part in parts))

    def block(self, x: str, name: str, stride: int) -> str:
        """Two convolutions, and the input added to what they give."""
        y = self.add("Relu", self.norm(self.conv(x, f"{name}.conv1", stride, 1), f"{name}.bn1"))
        y = self.norm(self.conv(y, f"{name}.conv2", 1, 1), f"{name}.bn2")
        if f"{name}.shortcut.0.weight" in self.state:
            x = self.norm(self.conv(x, f"{name}.shortcut.0", stride, 0), f"{name}.shortcut.1")
        return self.add("Relu", self.add("Add", y, x))


def resnet18_model(state: Mapping[str, np.ndarray], batch: int | str = "batch") -> bytes:
    """The model, from the state dict of `bench.networks.graphc_resnet.resnet`; as bytes."""
    build = Builder(state)
    y = build.add("Relu", build.norm(build.conv("x", "conv1", 1, 1), "bn1"))
    for layer in range(1, 5):
        for block in range(2):
            stride = 2 if layer > 1 and block == 0 else 1
            y = build.block(y, f"layer{layer}.{block}", stride)
    y = build.add("Flatten", build.add("AveragePool", y, kernel_shape=[4, 4], strides=[4, 4]))
    y = build.add("Gemm", y, "fc.weight", "fc.bias", transB=1)
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 32, 32])
    result = helper.make_tensor_value_info(y, TensorProto.FLOAT, [batch, 10])
    weights = [numpy_helper.from_array(build.state[name], name) for name in build.used]
    graph = helper.make_graph(build.nodes, "resnet18", [given], [result], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9
    return model.SerializeToString()
