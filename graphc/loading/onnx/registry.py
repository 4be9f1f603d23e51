"""The table of ONNX's operators, and one node as an operator's function sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.errors import ExportError
from graphc.loading.onnx.dtypes import numpy_dtype

OPSETS = (1, 28)
"""The opset versions of the domain ``ai.onnx`` whose models are read."""


@dataclass(frozen=True, slots=True)
class Operator:
    """How one ONNX operator runs: `function` of a `Node` and its operands.

    It gives the result, or a tuple of them; NotImplemented where ONNX's own definition by other
    operators is to be expanded instead.

    Operands at the positions `static` are known while tracing. `shapes`: it may be part of the
    arithmetic of shapes, and works on symbolic sizes. `scoped`: it runs graphs of its own, and is
    given the scope that they see, after the node.
    """

    name: str
    function: Callable[..., Any]
    static: tuple[int, ...] = ()
    shapes: bool = False
    scoped: bool = False
    since: int = 1


OPERATORS: dict[tuple[str, str], Operator] = {}
"""By domain ("" is ai.onnx) and name."""


_DATA = "the shape of the result depends on data, which is not supported"
REFUSED: dict[str, str] = {
    "ImageDecoder": "decoding images is not supported: pass arrays",
    "NonMaxSuppression": _DATA,
    "RegexFullMatch": "texts are not supported",
    "StringConcat": "texts are not supported",
    "StringNormalizer": "texts are not supported",
    "StringSplit": "texts are not supported",
    "Unique": _DATA,
    **dict.fromkeys(
        (
            "ConcatFromSequence",
            "Optional",
            "SequenceAt",
            "SequenceConstruct",
            "SequenceEmpty",
            "SequenceErase",
            "SequenceInsert",
            "SequenceLength",
            "SequenceMap",
            "SplitToSequence",
        ),
        "sequences and optional values are not supported",
    ),
}
"""Why there is no function for some operators of ai.onnx, in the words of a message."""


def operator(
    *names: str,
    static: tuple[int, ...] = (),
    shapes: bool = False,
    scoped: bool = False,
    since: int = 1,
    domain: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function in the table under `names`; the rest is explained at `Operator`."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            found = Operator(name, function, static, shapes, scoped, since)
            OPERATORS[domain, name] = found
        return function

    return enter


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node of a model: its operator, the names of its operands and results, its attributes."""

    operator: str
    domain: str
    version: int
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    proto: bytes = b""
    body: Any = None

    @property
    def label(self) -> str:
        """The node in messages: ``node 'conv1' (Conv)``."""
        kind = f"{self.domain}.{self.operator}" if self.domain else self.operator
        name = self.name or (f"-> {self.outputs[0]}" if self.outputs else "")
        return f"node {name!r} ({kind})"

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or `default` where the node has none of this name."""
        return self.attributes.get(name, default)

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number, checked to be one."""
        found = self.attributes.get(name, default)
        if not isinstance(found, int | float):
            raise self.refusal(f"the attribute {name!r} is no number")
        return found

    def dtype(self, name: str, default: int = 1) -> np.dtype:
        """The dtype that an attribute names by its code."""
        return numpy_dtype(int(self.number(name, default)), f"{self.label}: {name!r}")

    def gives(self, position: int) -> bool:
        """Whether the model uses the result at `position`."""
        return position < len(self.outputs) and self.outputs[position] != ""

    def refusal(self, reason: str, hint: str = "") -> ExportError:
        """An error to raise: what of this node is not supported, or is wrong."""
        return ExportError(f"{self.label}: {reason}", hint=hint)


def optional(operands: tuple[Any, ...], position: int) -> Any:
    """The operand at `position`, None where the node has none there."""
    return operands[position] if position < len(operands) else None
