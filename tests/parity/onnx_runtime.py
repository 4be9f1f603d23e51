"""Models under ONNX Runtime. The module that imports this is skipped where that is missing."""

import pytest

from tests.onnx.models import checked, feeds

runtime = pytest.importorskip("onnxruntime")
runtime.set_default_logger_severity(4)


def session(model):
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(model, *arrays):
    """The results of a model, for arrays in the order of its inputs."""
    return session(model).run(None, feeds(model, arrays))


def model_of(graph, **options):
    """The checked model of a graph whose inputs have no names."""
    return checked(graph, inputs=[f"x{k}" for k in range(len(graph.inputs))], **options)


def in_models_order(graph, outputs):
    """A graph's outputs as its model has them: results, then what replaces inputs."""
    pairs = list(zip(outputs, graph.written, strict=True))
    results = [value for value, target in pairs if target is None]
    return results + [value for value, target in pairs if target is not None]
