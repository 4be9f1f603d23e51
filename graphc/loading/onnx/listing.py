"""A model as text, a line for each node, and nodes run so that their lines are the user's lines.

Errors, `explain` and `profile` name the innermost line of the call stack that is not graphc's own.
While a node runs, that is its line of the listing: a frame of code that has no other purpose.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import numpy as np

from graphc.loading.onnx.graph import Graph
from graphc.loading.onnx.registry import Node


def lines_of(graph: Graph, indent: str = "") -> Iterator[tuple[Node, str]]:
    """Each node of a graph, and of the graphs within, with a line of text."""
    for node in graph.nodes:
        shown = {name: _shown(value) for name, value in node.attributes.items()}
        operands = [name or "None" for name in node.inputs]
        operands += [f"{name}={text}" for name, text in shown.items() if text]
        kind = f"{node.domain}.{node.operator}" if node.domain else node.operator
        results = ", ".join(name or "_" for name in node.outputs)
        yield node, f"{indent}{results} = {kind}({', '.join(operands)})"
        inner = [value for value in node.attributes.values() if isinstance(value, Graph)]
        for one in [*inner, *([] if node.body is None else [node.body])]:
            yield from lines_of(one, indent + "    ")


def _shown(value: Any) -> str:
    if isinstance(value, Graph):
        return ""
    if isinstance(value, np.ndarray):
        return str(value.tolist()) if value.size <= 4 else f"{value.dtype}{list(value.shape)}"
    return str(list(value)) if isinstance(value, tuple) else repr(value)


class Listing:
    """The text of a program's nodes under the name of a file that is in no folder."""

    def __init__(self, graph: Graph, name: str, digest: str) -> None:
        found = list(lines_of(graph))
        self.lines = [text for _, text in found]
        self.file = f"<{name}.onnx {digest[:6]}>"
        self._made_of = (graph, name, digest)
        self._numbers = {id(node): number for number, (node, _) in enumerate(found, start=1)}
        self._codes: dict[int, CodeType] = {}
        kept = [f"{line}\n" for line in self.lines]
        linecache.cache[self.file] = (sum(map(len, kept)), None, kept, self.file)

    def __reduce__(self) -> Any:
        return Listing, self._made_of

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def run(self, node: Node, step: Callable[[], Any]) -> Any:
        """``step()``, called from the node's line; from none for a node of an expanded operator."""
        number = self._numbers.get(id(node))
        if number is None:
            return step()
        if number not in self._codes:
            self._codes[number] = self._code(number)
        return eval(self._codes[number], {"step": step})

    def _code(self, number: int) -> CodeType:
        text = self.lines[number - 1]
        place = {
            "lineno": number,
            "col_offset": len(text) - len(text.lstrip()),
            "end_lineno": number,
            "end_col_offset": len(text.encode()),
        }
        name = ast.Name("step", ast.Load(), **place)
        return compile(ast.Expression(ast.Call(name, [], [], **place)), self.file, "eval")
