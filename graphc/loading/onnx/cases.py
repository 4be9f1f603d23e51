"""The node test cases that the package ``onnx`` ships, and what becomes of one here."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphc.errors import ExportError, GraphcError
from graphc.loading.onnx.model import load_onnx
from graphc.types import DTYPES

PASSED, FAILED, UNSUPPORTED = "passed", "failed", "not supported"
RANDOM = ("Bernoulli", "Dropout", "Multinomial", "RandomNormalLike", "RandomUniformLike")
OTHER_TYPES = ("strings", "sequences", "optionals")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case; `kind` is a word for why it did not pass, `reason` the message.

    `while_compiling`: its inputs are all numbers that shapes are made of, and nothing is left to
    compute when the compiled code runs.
    """

    name: str
    operator: str
    result: str
    kind: str = ""
    reason: str = ""
    while_compiling: bool = False


def all_cases() -> list[Any]:
    """Every node test case of the installed ``onnx``, in the order of their names."""
    from onnx.backend.test.case.node import collect_testcases  # noqa: PLC0415  # optional

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    return sorted(cases, key=lambda case: str(case.name))


def operator_of(case: Any, names: Mapping[str, str]) -> str:
    """The operator that a case is about.

    A case that is written out in other operators is about the one that it was, which the operator's
    own case says: its name is the same without ``_expanded``.

    Args:
        names: the operators of the cases of a single node, by the cases' names.
    """
    own = str(case.name).split("_expanded")[0]
    return names.get(own) or str(case.model.graph.node[-1].op_type)


def single_nodes(cases: Iterable[Any]) -> dict[str, str]:
    """The operators of the cases of a single node, by the cases' names."""
    return {
        str(case.name): str(case.model.graph.node[0].op_type)
        for case in cases
        if len(case.model.graph.node) == 1
    }


def run_case(case: Any, operator: str) -> Outcome:
    """Load the model of a case, run it compiled (or as the mode is), and compare.

    The tolerances are the case's own; dtypes and shapes have to be equal.
    """

    def outcome(result: str, kind: str = "", reason: str = "") -> Outcome:
        return Outcome(case.name, operator, result, kind, _short(reason))

    kind = _outside(case)
    if kind:
        return outcome(UNSUPPORTED, kind)
    try:
        model = load_onnx(case.model.SerializeToString())
        for inputs, outputs in case.data_sets:
            given = [_array(item) for item in inputs]
            found = model(*given)
            results = found if isinstance(found, tuple) else (found,)
            _compare(results, [_array(item) for item in outputs], case)
    except AssertionError as error:
        drawn = any(node.op_type in RANDOM for node in case.model.graph.node)
        return outcome(FAILED, "random numbers" if drawn else "differs", str(error))
    except ExportError as error:
        return outcome(UNSUPPORTED, _kind(error), error.message)
    except GraphcError as error:
        return outcome(FAILED, type(error).__name__, error.message)
    except Exception as error:
        return outcome(FAILED, type(error).__name__, str(error))
    static = bool(model.inputs) and all(port.static for port in model.inputs)
    return replace(outcome(PASSED), while_compiling=static)


def _kind(error: ExportError) -> str:
    if "element type" in error.message:
        return "dtype"
    if "known while tracing" in error.message or "depends on data" in error.message:
        return "shape depends on data"
    return "operator or option"


def _outside(case: Any) -> str:
    """Why a case is none of what graphc has arrays for; "" where it is not so."""
    domains = {node.domain for node in case.model.graph.node}
    if domains - {"", "ai.onnx"}:
        return f"domain {sorted(domains - {''})[0]}"
    for one in [*case.model.graph.input, *case.model.graph.output]:
        kind = one.type.WhichOneof("value")
        if kind != "tensor_type":
            return f"{str(kind).removesuffix('_type')}s"
        if one.type.tensor_type.elem_type == 8:
            return "strings"
    for value in _values(case):
        if value.dtype.name not in DTYPES:
            return "dtype"
    return ""


def _values(case: Any) -> Iterator[np.ndarray]:
    for inputs, outputs in case.data_sets:
        for item in [*inputs, *outputs]:
            yield _array(item)


def _array(item: Any) -> np.ndarray:
    from onnx import TensorProto, numpy_helper  # noqa: PLC0415  # optional

    if isinstance(item, TensorProto):
        return np.asarray(numpy_helper.to_array(item))
    return np.asarray(item)


def _compare(results: tuple[Any, ...], wanted: list[np.ndarray], case: Any) -> None:
    assert len(results) == len(wanted), f"{len(results)} results instead of {len(wanted)}"
    for found, right in zip(results, wanted, strict=True):
        assert found.dtype == right.dtype, f"{found.dtype} instead of {right.dtype}"
        assert found.shape == right.shape, f"shape {found.shape} instead of {right.shape}"
        np.testing.assert_allclose(found, right, rtol=case.rtol, atol=case.atol)


def _short(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines)[:160]
