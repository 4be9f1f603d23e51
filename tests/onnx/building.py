"""ONNX models for tests, node by node."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CODES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
}


def port(name, shape, dtype="float32"):
    return helper.make_tensor_value_info(name, CODES[str(np.dtype(dtype))], shape)


def node(kind, inputs, outputs, **attributes):
    inputs = [inputs] if isinstance(inputs, str) else inputs
    outputs = [outputs] if isinstance(outputs, str) else outputs
    return helper.make_node(kind, inputs, outputs, **attributes)


def proto(nodes, inputs, outputs, weights=None, opset=20, functions=(), domains=()):
    """A ModelProto; `weights` are arrays by name."""
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    made = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    made.ir_version = 10
    return made


def data(*args, **kwargs):
    """The bytes of such a model."""
    return proto(*args, **kwargs).SerializeToString()


def random(*shape, seed=0, dtype=np.float32, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(dtype)


def mlp(dtype="float32", hidden=8):
    """Two layers with names as PyTorch's exporter gives them."""
    weights = {
        "fc1.weight": random(hidden, 4, seed=1, dtype=dtype),
        "fc1.bias": random(hidden, seed=2, dtype=dtype),
        "fc2.weight": random(3, hidden, seed=3, dtype=dtype),
        "fc2.bias": random(3, seed=4, dtype=dtype),
    }
    nodes = [
        node("Gemm", ["x", "fc1.weight", "fc1.bias"], "h", transB=1),
        node("Tanh", "h", "a"),
        node("Gemm", ["a", "fc2.weight", "fc2.bias"], "y", transB=1),
    ]
    shapes = [port("x", ["batch", 4], dtype)], [port("y", ["batch", 3], dtype)]
    return data(nodes, *shapes, weights)


def transformer(width=8, heads=2, dtype="float32", norm="LayerNormalization"):
    """An encoder block as exporters write it: shapes computed by Shape, Gather and Concat."""
    each = width // heads
    weights = {
        "qkv.weight": random(width, 3 * width, seed=1, dtype=dtype, scale=0.4),
        "qkv.bias": random(3 * width, seed=2, dtype=dtype),
        "out.weight": random(width, width, seed=3, dtype=dtype, scale=0.4),
        "up.weight": random(width, 4 * width, seed=4, dtype=dtype, scale=0.4),
        "down.weight": random(4 * width, width, seed=5, dtype=dtype, scale=0.4),
        "norm1.weight": 1 + random(width, seed=6, dtype=dtype, scale=0.1),
        "norm1.bias": random(width, seed=7, dtype=dtype),
        "norm2.weight": 1 + random(width, seed=8, dtype=dtype, scale=0.1),
        "norm2.bias": random(width, seed=9, dtype=dtype),
        "zero": np.array(0),
        "one": np.array(1),
        "axis": np.array([0]),
        "tail": np.array([heads, each]),
        "whole": np.array([width]),
        "scale": np.array(1 / np.sqrt(each), dtype),
    }
    nodes = [
        node("LayerNormalization", ["x", "norm1.weight", "norm1.bias"], "n1"),
        node("MatMul", ["n1", "qkv.weight"], "p0"),
        node("Add", ["p0", "qkv.bias"], "p"),
        node("Split", ["p"], ["q", "k", "v"], axis=2, num_outputs=3),
        node("Shape", "x", "shape"),
        node("Gather", ["shape", "zero"], "batch"),
        node("Gather", ["shape", "one"], "steps"),
        node("Unsqueeze", ["batch", "axis"], "batch1"),
        node("Unsqueeze", ["steps", "axis"], "steps1"),
        node("Concat", ["batch1", "steps1", "tail"], "split", axis=0),
        node("Concat", ["batch1", "steps1", "whole"], "joined", axis=0),
        *(
            part
            for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3]))
            for part in (
                node("Reshape", [name, "split"], f"{name}r"),
                node("Transpose", f"{name}r", f"{name}h", perm=order),
            )
        ),
        node("MatMul", ["qh", "kh"], "s0"),
        node("Mul", ["s0", "scale"], "s"),
        node("Softmax", "s", "w", axis=-1),
        node("MatMul", ["w", "vh"], "o0"),
        node("Transpose", "o0", "o1", perm=[0, 2, 1, 3]),
        node("Reshape", ["o1", "joined"], "o"),
        node("MatMul", ["o", "out.weight"], "o2"),
        node("Add", ["x", "o2"], "r1"),
        node("LayerNormalization", ["r1", "norm2.weight", "norm2.bias"], "n2"),
        node("MatMul", ["n2", "up.weight"], "u"),
        node("Gelu", "u", "g"),
        node("MatMul", ["g", "down.weight"], "d"),
        node("Add", ["r1", "d"], "y"),
    ]
    ports = (
        [port("x", ["batch", "steps", width], dtype)],
        [port("y", ["batch", "steps", width], dtype)],
    )
    return data(nodes, *ports, weights)


def decoder(width=8, rows=11, longest=16):
    """A causal block as exporters write it: positions, masks and scales computed of shapes."""
    weights = {
        "table": random(rows, width, seed=1),
        "places": random(longest, width, seed=2),
        "wq": random(width, width, seed=3, scale=0.5),
        "wk": random(width, width, seed=4, scale=0.5),
        "wv": random(width, width, seed=5, scale=0.5),
        "zero": np.array(0),
        "one": np.array(1),
        "axis0": np.array([0]),
        "axis1": np.array([1]),
        "one_": np.array([1]),
        "far": np.array([2**63 - 1]),
        "last_": np.array([-1]),
        "low": np.array(-1e9, np.float32),
        "half": np.array(0.5, np.float32),
    }
    nodes = [
        node("Gather", ["table", "tokens"], "e0"),
        node("Shape", "tokens", "shape"),
        node("Gather", ["shape", "one"], "steps"),
        node("Range", ["zero", "steps", "one"], "positions"),
        node("Unsqueeze", ["positions", "axis0"], "row"),
        node("Unsqueeze", ["positions", "axis1"], "column"),
        node("Expand", ["row", "shape"], "all_positions"),
        node("Gather", ["places", "all_positions"], "e1"),
        node("Add", ["e0", "e1"], "e"),
        *(node("MatMul", ["e", f"w{name}"], name) for name in "qkv"),
        # The width as torch writes it: the last size, cast, its root.
        node("Shape", "q", "qshape"),
        node("Slice", ["qshape", "last_", "far", "axis0"], "width"),
        node("Cast", "width", "widthf", to=TensorProto.FLOAT),
        node("Pow", ["widthf", "half"], "root"),
        node("Div", ["q", "root"], "qs"),
        node("Transpose", "k", "kt", perm=[0, 2, 1]),
        node("MatMul", ["qs", "kt"], "s0"),
        node("Greater", ["row", "column"], "ahead"),
        node("Where", ["ahead", "low", "s0"], "s1"),
        # And once more by a triangle of a constant of a computed shape.
        node("Unsqueeze", ["steps", "axis0"], "steps1"),
        node("Concat", ["steps1", "steps1"], "square", axis=0),
        node(
            "ConstantOfShape", "square", "full", value=numpy_helper.from_array(np.float32([-1e9]))
        ),
        node("Trilu", ["full", "one"], "mask", upper=1),
        node("Add", ["s1", "mask"], "s"),
        node("Softmax", "s", "w", axis=-1),
        node("MatMul", ["w", "v"], "o"),
        # The last step of each sequence: a slice whose start is a computed size.
        node("Sub", ["steps1", "one_"], "final"),
        node("Slice", ["o", "final", "steps1", "axis1"], "end"),
        node("Squeeze", ["end", "axis1"], "y"),
    ]
    inputs = [port("tokens", ["batch", "steps"], "int64")]
    return data(nodes, inputs, [port("y", ["batch", width])], weights)
