"""ONNX models as modules: `load_onnx` and `OnnxModel`."""

from __future__ import annotations

import inspect
import keyword
import re
from pathlib import Path
from typing import Any

import numpy as np

from graphc.loading.onnx.program import Port, Program
from graphc.loading.onnx.reading import RESERVED, program_of
from graphc.nn.module import Module


class OnnxModel(Module):
    """A network from an ONNX file: a module whose parameters are the file's float initialisers.

    They are attributes by their ONNX names, which `state_dict` has, too; where a Module has an
    attribute of that name, with a ``_`` behind it. Buffers are what is not floating, and the
    running statistics of batch norms. Initialisers that shapes are made of are no state but part of
    the program.

    Called from outside of compiled code it runs compiled. Inside, and under `graphc.grad`,
    `graphc.vmap` and the like, it is traced as any module is. Made by `load_onnx`.
    """

    def __init__(self, program: Program, state: dict[str, np.ndarray]) -> None:
        self._program = program
        for name, array in state.items():
            if array.dtype.kind in "fc" and name not in program.statistics:
                setattr(self, name, array)
            else:
                self.register_buffer(name, array)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What the model takes: ``name``, ``dtype``, ``shape`` and ``static`` of each input."""
        return self._program.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """What the model gives, likewise."""
        return self._program.outputs

    @property
    def listing(self) -> str:
        """The model's nodes as text, a line each; `explain` and errors name these lines."""
        return str(self._program.listing)

    def forward(self, *inputs: Any, **by_name: Any) -> Any:
        """The model's output, or a tuple of them; inputs in the model's order, or by their names.

        Raises:
            TypeError: missing, unknown or too many inputs.
            DTypeError, ShapeError: an input that is not what the model takes.
            ExportError: an operator's options are not supported; names the node.
        """
        return self._program(self, *self._program.bound(inputs, by_name))

    def __call__(self, *inputs: Any, **by_name: Any) -> Any:
        return self._program.compiled(self, *self._program.bound(inputs, by_name))

    @property
    def __signature__(self) -> inspect.Signature:
        """Its inputs by name; a name that is none in Python is changed to one."""
        names: dict[str, None] = {}
        for port in self.inputs:
            name = re.sub(r"\W", "_", port.name)
            name = name if name.isidentifier() and not keyword.iskeyword(name) else f"input_{name}"
            while name in names:
                name += "_"
            names[name] = None
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(name, kind) for name in names])

    def extra_repr(self) -> str:
        """The inputs and outputs."""
        taken = ", ".join(map(str, self.inputs))
        return f"{taken} -> {', '.join(map(str, self.outputs))}"


def load_onnx(source: str | Path | bytes) -> OnnxModel:
    """An ONNX model as a module that compiles, has derivatives, and is mapped and exported.

    Opsets up to 28 of the domain ai.onnx are read; ``docs/onnx.md`` lists the operators. Inputs
    that shapes are made of (``static`` in `OnnxModel.inputs`) compile anew for each value.

    Args:
        source: the path of a file, or its bytes. Weights in files of their own are read from the
            folder of the model and below it, nowhere else.

    Raises:
        ExportError: the file is damaged, or an operator or an option of one is not supported.
        FileNotFoundError: there is no such file.
        TypeError: `source` is neither a path nor bytes.
        BackendError: the package ``onnx`` is missing: ``pip install graphc[onnx]``.

    >>> import numpy as np, graphc
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])
    >>> y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])
    >>> w = numpy_helper.from_array(np.array([[3.0], [4.0]], np.float32), "w")
    >>> node = helper.make_node("MatMul", ["x", "w"], ["y"])
    >>> graph = helper.make_graph([node], "net", [x], [y], [w])
    >>> opset = helper.make_opsetid("", 20)
    >>> model = load_onnx(helper.make_model(graph, opset_imports=[opset]).SerializeToString())
    >>> model
    OnnxModel(x: float32[batch, 2] -> y: float32[batch, 1])  # 2 parameters
    >>> model(np.ones((1, 2), np.float32))
    array([[7.]], dtype=float32)
    >>> graphc.grad(lambda m, x: m(x).sum())(model, np.ones((1, 2), np.float32)).w
    array([[1.],
           [1.]], dtype=float32)
    """
    program, state = program_of(source)
    return OnnxModel(program, state)


RESERVED.update(name for name in dir(OnnxModel) if not name.startswith("_"))
