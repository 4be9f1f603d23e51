"""``debug="nan"`` and ``verify=True``: checks against the NumPy evaluator, on copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import NonFiniteError, VerificationError
from graphc.interp import bind_sizes, extend
from graphc.ir import Graph, Value
from graphc.types import TensorType


def _evaluated(
    graph: Graph, arrays: Sequence[Any], sizes: Mapping[str, int]
) -> tuple[dict[Value, Any], dict[str, int]]:
    copies = [None if array is None else np.array(array) for array in arrays]
    known = bind_sizes(graph, copies) | dict(sizes)
    return dict(zip(graph.inputs, copies, strict=True)), known


def check_finite(graph: Graph, arrays: Sequence[Any], sizes: Mapping[str, int]) -> None:
    """Evaluate `graph` node by node until one makes a NaN or inf out of finite operands.

    Raises:
        NonFiniteError: names that node and the user's line.
    """
    values, known = _evaluated(graph, arrays, sizes)
    for node in graph.nodes:
        extend(values, node.outputs[:1], known)
        for value in node.outputs:
            array = values[value]
            inexact = isinstance(value.type, TensorType) and value.dtype.kind in "fc"
            if not inexact or np.isfinite(array).all():
                continue
            kind = "a NaN" if np.isnan(array).any() else "an inf"
            where = np.argwhere(~np.isfinite(array))[0]
            place = f" at index {tuple(int(k) for k in where)}" if array.ndim else ""
            raise NonFiniteError(
                f"{node.op.name} made {kind}{place} in a result of type {value.type}"
                if node.inputs
                else f"an input of type {value.type} holds {kind}{place}",
                location=graph.location(node),
            )


def verify_outputs(
    graph: Graph, executable: Any, arrays: tuple[Any, ...], sizes: dict[str, int]
) -> Any:
    """Run compiled and interpreted, each on what the caller passed, and compare.

    Raises:
        VerificationError: names the output that differs and the operation it comes from.
    """
    values, known = _evaluated(graph, arrays, sizes)
    extend(values, graph.outputs, known)
    expected = [values[value] for value in graph.outputs]
    copies = tuple(None if array is None else np.array(array) for array in arrays)
    trial = executable.run(copies, sizes)
    for number, (value, wanted, got) in enumerate(zip(graph.outputs, expected, trial, strict=True)):
        if isinstance(value.type, TensorType) and not _close(wanted, got):
            difference = np.nanmax(np.abs(np.asarray(got, "complex128") - wanted))
            raise VerificationError(
                f"output {number} ({value.node.op.name}, {value.type}) differs from the NumPy "
                f"evaluator by up to {difference:.3g}",
                location=graph.location(value.node),
            )
    return executable.run(arrays, sizes)


def _close(wanted: Any, got: Any) -> bool:
    if wanted.dtype.kind not in "fc":
        return bool(np.array_equal(wanted, got))
    tolerance = np.sqrt(np.finfo(wanted.dtype).eps)
    scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
    return bool(np.allclose(got, wanted, rtol=tolerance, atol=tolerance * scale, equal_nan=True))
