"""What leaves its loop: one large product before or after it instead of one each turn.

    before:  what is the same in all turns, once
             ``x_t @ W`` where W is: of the rows of all x_t at once
    after:   ``s = s + a_t.T @ b_t`` where nothing else reads s: of the a_t and b_t of all turns
             ``s = s + b_t.sum(axis)``, of what is kept anyway

A large product is split among threads and reads W once; the turns keep what depends on the last.
Sums are taken in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc import ops
from graphc.ir import (
    PARAMETER,
    Graph,
    Node,
    Note,
    Value,
    close,
    fresh_input,
    inline,
    rebuild,
    topological,
)
from graphc.rewrite import transform
from graphc.types import Size, TensorType

MOST_GROWTH = 4
"""A product leaves if what the turns keep for it has at most so many times its operands' size."""


def hoisted(graph: Graph) -> Graph:
    """`graph` with the products of its loops that need not be in them before or after them."""

    def replace(old: Node, new: Node) -> tuple[Value, ...]:
        if new.op.name != "scan":
            return new.outputs
        return _Hoist(new).results()

    if not any(node.op.name == "scan" for node in graph.nodes):
        return graph
    return transform(graph, replace)


def _number(value: Value) -> int | None:
    """The number of a parameter; None for other values."""
    node = value.node
    return int(node["number"]) if node.op is PARAMETER else None


def _flat(rows: Value, size: Size) -> Value:
    """The matrices of all turns below each other."""
    return ops.reshape(rows, (rows.shape[0] * size, rows.shape[-1]))


class _Hoist:
    """One loop."""

    def __init__(self, node: Node) -> None:
        self.node = node
        (self.body,) = node.regions
        self.n_carry = node["n_carry"]
        self.n_steps = node["n_carry"] + node["n_xs"]
        self.length = node["length"]
        self.inputs = self.body.inputs

    def results(self) -> tuple[Value, ...]:
        """What takes the place of the loop's results."""
        node = self.node
        if isinstance(self.length, int) and self.length < 2:
            return node.outputs
        after = self.without_what_goes_after()
        return after if after is not None else self.without_what_goes_before()

    def scan(
        self, body: Graph, xs: Sequence[Value], fixed: Sequence[Value] = ()
    ) -> tuple[Value, ...]:
        """The loop with another body; `fixed` are further constants."""
        return ops.scan(
            body,
            self.node.inputs[: self.n_carry],
            xs,
            [*self.node.inputs[self.n_steps :], *fixed],
            self.length,
            reverse=self.node["reverse"],
        )

    def depends_on(self, value: Value, wanted: Callable[[int], bool]) -> bool:
        """Whether a value depends on such parameters alone, and on no loop or effect."""
        nodes = topological([value])
        return all(
            wanted(node["number"]) if node.op is PARAMETER else _is_plain(node) for node in nodes
        )

    # --- before the loop ---

    def without_what_goes_before(self) -> tuple[Value, ...]:
        found: dict[Value, Value] = {}
        for node in self.body.nodes:
            if node.op.name == "matmul":
                product = self.of_all_rows(node)
                if product is not None:
                    found[node.out()] = product
        fixed = self.unchanging()
        if not found and not fixed:
            return self.node.outputs
        cuts = {value: fresh_input(value.type) for value in (*found, *fixed)}
        parameters = [fresh_input(value.type) for value in self.inputs]
        replaced = dict(zip(self.inputs, parameters, strict=True)) | cuts
        notes: dict[Node, Note] = {}
        outputs = rebuild(self.body.outputs, replaced, self.body.notes, notes)
        taken = [
            *parameters[: self.n_steps],
            *(cuts[value] for value in found),
            *parameters[self.n_steps :],
            *(cuts[value] for value in fixed),
        ]
        body = close(taken, outputs, notes=notes)
        return self.scan(body, [*self.xs(), *found.values()], [self.outside(v) for v in fixed])

    def unchanging(self) -> list[Value]:
        """The values that are the same in all turns and no larger than what they are made of."""
        known: dict[Value, bool] = {}
        for node in self.body.nodes:
            same = self.same_in_all_turns(node, known)
            known |= dict.fromkeys(node.outputs, same)
        read = [v for node in self.body.nodes if not known[node.outputs[0]] for v in node.inputs]
        found: dict[Value, None] = {}
        wanted = [*read, *self.body.outputs]
        while wanted:
            value = wanted.pop()
            if not known[value] or not value.node.inputs:
                continue
            size = value.tensor.size
            if any(_at_most(size, operand.tensor.size) for operand in value.node.inputs):
                found[value] = None
            else:
                wanted += value.node.inputs
        return list(found)

    def same_in_all_turns(self, node: Node, known: dict[Value, bool]) -> bool:
        if node.op is PARAMETER:
            tensor = isinstance(node.types[0], TensorType)
            return tensor and node["number"] >= self.n_steps
        return _is_plain(node) and all(known[value] for value in node.inputs)

    def xs(self) -> tuple[Value, ...]:
        return self.node.inputs[self.n_carry : self.n_steps]

    def of_all_rows(self, node: Node) -> Value | None:
        """The products of all turns, if the left operand is a turn's x and the right a constant."""
        a, b = node.inputs
        if a.ndim != 2 or not self.depends_on(b, lambda k: k >= self.n_steps):
            return None
        inner = a
        while inner.node.op.name == "reshape":
            (inner,) = inner.node.inputs
        number = _number(inner)
        if number is None or not self.n_carry <= number < self.n_steps:
            return None
        (m, k), n = a.shape, b.shape[1]
        if not _at_most(n, MOST_GROWTH * k):
            return None
        rows = ops.reshape(self.node.inputs[number], (self.length * m, k))
        return ops.reshape(ops.matmul(rows, self.outside(b)), (self.length, m, n))

    def outside(self, value: Value) -> Value:
        """A value of constants, before the loop."""
        return inline(Graph(self.inputs, (value,)), self.node.inputs)[0]

    # --- after the loop ---

    def without_what_goes_after(self) -> tuple[Value, ...] | None:
        outputs = list(self.body.outputs)
        rows: dict[Value, int] = {}
        for k in range(self.n_carry, len(outputs)):
            rows.setdefault(outputs[k], k)
        later: dict[int, list[Callable[[tuple[Value, ...]], Value]]] = {}
        for wants_rows in (False, True):
            for k in range(self.n_carry):
                terms = self.terms(k)
                if terms is None:
                    continue
                for term in terms:
                    make = self.sum_of_rows(term, rows) if wants_rows else None
                    if not wants_rows:
                        make = self.sum_of_products(term, rows, outputs)
                    if make is not None:
                        later.setdefault(k, []).append(make)
                        outputs[k] = self.without(outputs[k], term)
        if not later:
            return None
        body = Graph(self.inputs, tuple(outputs), names=self.body.names, notes=self.body.notes)
        results = list(self.scan(body, self.xs()))
        for k, makers in later.items():
            for make in makers:
                results[k] = ops.add(results[k], make(tuple(results)))
        return tuple(results[: len(self.body.outputs)])

    def terms(self, k: int) -> list[Value] | None:
        """What carry k gains in a turn, if that is all that happens to it."""
        start = self.inputs[k]
        if not isinstance(start.type, TensorType) or start.dtype.kind not in "fc":
            return None
        terms: list[Value] = []
        sums = [self.body.outputs[k]]
        found, partial = 0, {start}
        while sums:
            value = sums.pop()
            if value == start:
                found += 1
            elif value.node.op.name == "add" and value.type == start.type:
                partial.add(value)
                sums += value.node.inputs
            else:
                terms.append(value)
        others = [*self.body.outputs[:k], *self.body.outputs[k + 1 :], *terms]
        adds = {value.node for value in partial}
        used = not partial.isdisjoint(others) or any(
            not partial.isdisjoint(node.inputs) for node in self.body.nodes if node not in adds
        )
        once = len(set(terms)) == len(terms)
        return terms if found == 1 and not used and once else None

    def without(self, total: Value, term: Value) -> Value:
        """A sum without one of its terms."""
        if total.node.op.name != "add":
            return total
        a, b = total.node.inputs
        if term in (a, b):
            return b if a == term else a
        return ops.add(self.without(a, term), self.without(b, term))

    def stacked(
        self, value: Value, rows: dict[Value, int], outputs: list[Value]
    ) -> Callable[[tuple[Value, ...]], Value]:
        """How to have a value of all turns; it becomes a result of the loop if it is none."""
        number = _number(value)
        if number is not None and self.n_carry <= number < self.n_steps:
            known = self.node.inputs[number]
            return lambda results: known
        if value not in rows:
            rows[value] = len(outputs)
            outputs.append(value)
        place = rows[value]
        return lambda results: results[place]

    def sum_of_products(
        self, term: Value, rows: dict[Value, int], outputs: list[Value]
    ) -> Callable[[tuple[Value, ...]], Value] | None:
        if term.node.op.name != "matmul" or term.ndim != 2:
            return None
        a, b = (v for v in term.node.inputs)
        left = ops.matrix_transpose(a) if a.node.op.name != "transpose" else a.node.inputs[0]
        (m, k), n = left.shape, b.shape[1]
        if not _at_most(m * (k + n), MOST_GROWTH * k * n):
            return None
        of_left, of_b = self.stacked(left, rows, outputs), self.stacked(b, rows, outputs)

        def make(results: tuple[Value, ...]) -> Value:
            return ops.matmul(
                ops.matrix_transpose(_flat(of_left(results), m)), _flat(of_b(results), m)
            )

        return make

    def sum_of_rows(
        self, term: Value, rows: dict[Value, int]
    ) -> Callable[[tuple[Value, ...]], Value] | None:
        if term.node.op.name != "sum":
            return None
        (operand,) = term.node.inputs
        if operand not in rows:
            return None
        axes = (0, *(axis + 1 for axis in term.node["axes"]))
        return lambda results: ops.sum_(results[rows[operand]], axes)


def _is_plain(node: Node) -> bool:
    return not node.regions and not node.op.effect and node.op.name != "token"


def _at_most(size: Size, limit: Size) -> bool:
    """Whether one size is known to be at most another."""
    return isinstance(size, int) and isinstance(limit, int) and size <= limit
