"""Rewriting graphs: patterns as data, and one driver.

    Rules   := Pattern*                      # composed with +
    Pattern := op name or "*", Rule
    Rule    := Node -> Value, Value*, or None for no change

A rule sees a node whose operands are rewritten already and gives values of the same types. The
driver works from operands to users, into regions, until nothing changes; it is iterative, so a
graph of any depth is fine, and it carries the user's lines along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from graphc.errors import VerificationError
from graphc.ir import Graph, Node, Note, Value, make

Result: TypeAlias = Value | tuple[Value, ...] | None
Rule: TypeAlias = Callable[[Node], Result]
Replace: TypeAlias = Callable[[Node, Node], tuple[Value, ...]]
"""``replace(old, new)``: the values for the outputs of `old`, whose rebuilt form is `new`."""

EVERY = "*"
MOST_PASSES = 100
MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class Rules:
    """Patterns in the order in which they are tried: those of a node's op, then those of ``"*"``.

    >>> from graphc import ops
    >>> double = Rules((("add", lambda node: None),)) + Rules((("sin", lambda node: None),))
    >>> [name for name, _ in double.patterns]
    ['add', 'sin']
    """

    patterns: tuple[tuple[str, Rule], ...]

    def __add__(self, other: Rules) -> Rules:
        return Rules(self.patterns + other.patterns)

    def by_op(self) -> dict[str, tuple[Rule, ...]]:
        """The rules of each op name."""
        table: dict[str, tuple[Rule, ...]] = {}
        for name, rule in self.patterns:
            table[name] = (*table.get(name, ()), rule)
        return table


def rewrite(graph: Graph, rules: Rules) -> Graph:
    """`graph` with `rules` applied everywhere, in regions too, until none applies.

    Raises:
        VerificationError: a rule changed a type, or the rules go round in circles.
    """
    table = rules.by_op()

    def replace(old: Node, new: Node) -> tuple[Value, ...]:
        if new.regions:
            regions = tuple(rewrite(region, rules) for region in new.regions)
            new = make(new.op, new.inputs, dict(new.attrs), regions)
        return _apply(new, table)

    for _ in range(MOST_PASSES):
        changed = transform(graph, replace)
        if changed.outputs == graph.outputs:
            return changed
        graph = changed
    raise VerificationError(f"rewriting did not end after {MOST_PASSES} passes")


def transform(graph: Graph, replace: Replace) -> Graph:
    """`graph` rebuilt from operands to users, each node's outputs being what `replace` gives.

    Raises:
        VerificationError: a replacement has another type.
    """
    mapping: dict[Value, Value] = {}
    notes: dict[Node, Note] = {}
    settled: set[Node] = set()
    for node in graph.nodes:
        operands = tuple(mapping.get(value, value) for value in node.inputs)
        same = operands == node.inputs
        new = node if same else make(node.op, operands, dict(node.attrs), node.regions)
        results = replace(node, new)
        if tuple(value.type for value in results) != node.types:
            raise VerificationError(f"{node!r} was rewritten to {results}, of other types")
        mapping.update(zip(node.outputs, results, strict=True))
        _note(graph.notes.get(node), results, notes, settled)
    outputs = tuple(mapping.get(value, value) for value in graph.outputs)
    return Graph(graph.inputs, outputs, graph.written, graph.names, notes)


def _apply(node: Node, table: Mapping[str, tuple[Rule, ...]]) -> tuple[Value, ...]:
    """The outputs of `node` after every rule that applies to it, and to what it becomes."""
    for _ in range(MOST_STEPS):
        result = _first_change(node, table)
        if result is None:
            return node.outputs
        if len(result) != 1 or len(result[0].node.types) != 1:
            return result
        node = result[0].node
    raise VerificationError(f"rewriting of {node!r} did not end after {MOST_STEPS} steps")


def _first_change(node: Node, table: Mapping[str, tuple[Rule, ...]]) -> tuple[Value, ...] | None:
    for rule in (*table.get(node.op.name, ()), *table.get(EVERY, ())):
        result = rule(node)
        if result is None:
            continue
        values = (result,) if isinstance(result, Value) else result
        if values != node.outputs:
            return values
    return None


def _note(
    note: Note | None, values: tuple[Value, ...], notes: dict[Node, Note], settled: set[Node]
) -> None:
    """Give `note` to the new nodes that `values` need."""
    stack = [value.node for value in values]
    while stack:
        node = stack.pop()
        if node in settled:
            continue
        settled.add(node)
        if note is not None:
            notes[node] = note
        stack.extend(value.node for value in node.inputs)
