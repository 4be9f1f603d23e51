"""What the tests of ONNX models share: graphs of calls, checked models, and an evaluator."""

import warnings

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import graphc
from graphc.exporting.onnx import onnx_model
from graphc.types import TensorType


def lowered(function, *arguments):
    """The graph of a call."""
    return graphc.compile(function).lower(*arguments).graph


def checked(graph, *, constants=None, opset=21, inputs=None, outputs=None, name="model"):
    """The model of a graph, after ONNX's own checker, which infers all shapes, has read it."""
    results = sum(target is None for target in graph.written)
    model = onnx_model(
        graph,
        name=name,
        input_names=inputs or [graph.names[k] for k in range(len(graph.inputs))],
        output_names=outputs or [f"y{k}" for k in range(results)],
        constants=constants or {},
        opset=opset,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def feeds(model, arrays):
    """Arrays by the names of the model's inputs, in their order."""
    names = [port.name for port in model.graph.input]
    return dict(zip(names, map(np.asarray, arrays), strict=True))


def reference(model, *arrays):
    """The results of ONNX's own evaluator."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return ReferenceEvaluator(model).run(None, feeds(model, arrays))


def kinds(model):
    """The ONNX ops of a model in order, those of subgraphs left out."""
    return [node.op_type for node in model.graph.node]


def ports(values):
    """Names and shapes of a model's inputs or outputs."""
    return [
        (v.name, tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim))
        for v in values
    ]


def tensor(dtype, *shape):
    return TensorType(np.dtype(dtype), shape)


def agree(found, expected, rtol=1e-12, atol=0.0):
    """Equal dtypes and shapes; equal values, floats to a tolerance, NaN equal to NaN."""
    for actual, wanted in zip(found, expected, strict=True):
        actual, wanted = np.asarray(actual), np.asarray(wanted)
        assert (actual.dtype, actual.shape) == (wanted.dtype, wanted.shape)
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(actual, wanted)
