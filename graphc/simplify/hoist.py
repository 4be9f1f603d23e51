"""Matrix products out of loops: one large product over all steps instead of a small one in each.

    x_t @ W, x_t stacked and W the same in each step   ->  before the loop, of all x_t
    y_t = a_t @ W                                       ->  after it, of all a_t
    total += a_t @ b_t                                  ->  after it: the rows of all steps

The gradients of a recurrent layer by its weights are of the last form.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir import PARAMETER, Graph, Node, Value, close, fresh_input, inline, rebuild
from graphc.ops import add, matmul, matrix_transpose, reshape, scan, transpose
from graphc.rewrite import transform
from graphc.types import product as multiplied


def hoist_products(graph: Graph) -> Graph:
    """`graph` with the products that need no loop taken out of its loops."""
    if not any(node.op.name == "scan" for node in graph.nodes):
        return graph

    def replace(old: Node, new: Node) -> tuple[Value, ...]:
        return _Hoisting(new).outputs() if old.op.name == "scan" else new.outputs

    return transform(graph, replace)


def _rows(stacked: Value) -> Value:
    """The rows of a stack of matrices, one below the other."""
    steps, rows, columns = stacked.shape
    return reshape(stacked, (steps * rows, columns))


TINY = 512
"""Multiplications up to which a product is summed up in the loop: then the stacks are dearer."""


def _tiny(product: Node) -> bool:
    size = multiplied(product.out().shape) * product.inputs[0].shape[-1]
    return isinstance(size, int) and size <= TINY


def _terms(total: Value, users: dict[Value, int]) -> list[Value]:
    """What is added up to `total`, through sums that nothing else uses."""
    if total.node.op.name != "add" or users[total] != 1:
        return [total]
    return [term for value in total.node.inputs for term in _terms(value, users)]


def _untransposed(matrix: Value) -> Value:
    """What `matrix` is the transpose of, or itself: a loop stacks it without copying it."""
    flipped = matrix.node.op.name == "transpose"
    return matrix.node.inputs[0] if flipped and matrix.node["axes"] == (1, 0) else matrix


@dataclass(slots=True)
class _Hoisting:
    """One loop, and what is taken out of it."""

    node: Node

    def outputs(self) -> tuple[Value, ...]:
        """The results of the loop, with as many products as can be outside it."""
        node = self.node
        (body,) = node.regions
        if not any(inner.op.name == "matmul" for inner in body.nodes):
            return node.outputs
        before = dict(self.before())
        after = self.after(set(before))
        sums = self.sums()
        if not (before or after or sums):
            return node.outputs
        return self.rebuilt(before, after, sums)

    # --- what parameters of the body are ---

    def number(self, value: Value) -> int | None:
        return value.node["number"] if value.node.op is PARAMETER else None

    def x(self, value: Value) -> Value | None:
        """The stack that `value` is one element of, if it is an x."""
        number = self.number(value)
        first = self.node["n_carry"]
        if number is None or not first <= number < first + self.node["n_xs"]:
            return None
        return self.node.inputs[number]

    def constant(self, value: Value) -> Value | None:
        """What `value` is outside, if each step reads the same: a constant, or its transpose."""
        if value.node.op.name == "transpose":
            inner = self.constant(value.node.inputs[0])
            return None if inner is None else transpose(inner, value.node["axes"])
        number = self.number(value)
        if number is None or number < self.node["n_carry"] + self.node["n_xs"]:
            return None
        return self.node.inputs[number]

    # --- products that can be outside ---

    def products(self) -> list[Node]:
        """The products of two matrices in the body."""
        found = (inner for inner in self.node.regions[0].nodes if inner.op.name == "matmul")
        return [inner for inner in found if inner.out().ndim == 2]

    def before(self) -> list[tuple[Value, Value]]:
        """Products of an x and a constant, and what they are of all steps."""
        found = []
        for product in self.products():
            left, right = (self.x(product.inputs[0]), self.constant(product.inputs[1]))
            if left is None or right is None:
                continue
            rows = matmul(_rows(left), right)
            found.append((product.out(), reshape(rows, (left.shape[0], *product.out().shape))))
        return found

    def users(self) -> dict[Value, int]:
        """How often each value of the body is used."""
        (body,) = self.node.regions
        count: dict[Value, int] = {}
        for value in (*body.outputs, *(v for inner in body.nodes for v in inner.inputs)):
            count[value] = count.get(value, 0) + 1
        return count

    def after(self, hoisted: set[Value]) -> dict[int, Node]:
        """The ys that are products with a constant and nothing else in the body."""
        (body,) = self.node.regions
        users = self.users()
        found = {}
        for k in range(self.node["n_carry"], len(body.outputs)):
            value = body.outputs[k]
            product = value.node
            if value in hoisted or product not in self.products() or users[value] != 1:
                continue
            if self.constant(product.inputs[1]) is not None:
                found[k] = product
        return found

    def sums(self) -> dict[int, list[Node]]:
        """The carries that only sum up products of each step."""
        (body,) = self.node.regions
        users = self.users()
        found = {}
        for k in range(self.node["n_carry"]):
            carry, total = body.inputs[k], body.outputs[k]
            if users.get(carry) != 1 or users[total] != 1:
                continue
            terms = _terms(total, users)
            products = [term.node for term in terms if term != carry]
            if 0 < len(products) == len(terms) - 1 and all(map(self.worth, products)):
                found[k] = products
        return found

    def worth(self, product: Node) -> bool:
        """Whether a product that is summed up had better be one of the rows of all steps."""
        if product not in self.products() or _tiny(product):
            return False
        return all(self.constant(value) is None for value in product.inputs)

    # --- the loop without them ---

    def rebuilt(
        self, before: dict[Value, Value], after: dict[int, Node], sums: dict[int, list[Node]]
    ) -> tuple[Value, ...]:
        node = self.node
        (body,) = node.regions
        n_carry, n_steps = node["n_carry"], node["n_carry"] + node["n_xs"]
        wanted = [_untransposed(product.inputs[0]) for product in after.values()]
        summed = [product for products in sums.values() for product in products]
        wanted += [_untransposed(value) for product in summed for value in product.inputs]
        stacked = list(dict.fromkeys(v for v in wanted if self.x(v) is None))
        carries = [k for k in range(n_carry) if k not in sums]
        ys = [k for k in range(n_carry, len(body.outputs)) if k not in after]

        inputs = [fresh_input(value.type) for value in body.inputs]
        outside = dict(zip(before, (fresh_input(v.type) for v in before), strict=True))
        results = [*(body.outputs[k] for k in (*carries, *ys)), *stacked, *before]
        copies = inline(Graph(body.inputs, tuple(results)), inputs)
        made, products = copies[: -len(before) or None], copies[len(copies) - len(before) :]
        made = rebuild(made, dict(zip(products, outside.values(), strict=True)))
        taken = [*(inputs[k] for k in (*carries, *range(n_carry, n_steps))), *outside.values()]
        smaller = close([*taken, *inputs[n_steps:]], made)
        found = scan(
            smaller,
            [node.inputs[k] for k in carries],
            [*node.inputs[n_carry:n_steps], *before.values()],
            node.inputs[n_steps:],
            node["length"],
            reverse=node["reverse"],
        )
        by_place = dict(zip([*carries, *ys], found, strict=False))
        stacks = dict(zip(stacked, found[len(carries) + len(ys) :], strict=True))

        def stack(value: Value) -> Value:
            inner = _untransposed(value)
            x = self.x(inner)
            found = stacks[inner] if x is None else x
            return found if inner == value else matrix_transpose(found)

        for k, product in after.items():
            right = self.constant(product.inputs[1])
            assert right is not None
            rows = matmul(_rows(stack(product.inputs[0])), right)
            by_place[k] = reshape(rows, node.out(k).shape)
        for k, parts in sums.items():
            by_place[k] = node.inputs[k]
            for part in parts:
                left = transpose(_rows(matrix_transpose(stack(part.inputs[0]))), (1, 0))
                by_place[k] = add(by_place[k], matmul(left, _rows(stack(part.inputs[1]))))
        return tuple(by_place[k] for k in range(len(node.types)))
