"""Graph -> groups: which operations share one loop nest.

    Fused  := units: (Group | node)*, in dependency order
    Group  := dims: the loop extents, split, members     # rows: loops [0, split); a row: the rest
    Member := value, index, level, kind                  # index: its element in the loop variables

A group walks ``dims``. A member of level k is computed inside the first k loops, once for each of
their positions. ``point`` members are scalar expressions; ``row`` members reduce the loops from
`split` on and can be used by later members of the same row (softmax is one group);
``accumulate`` members reduce any other loops into their buffer. Only ``after`` members can read
their totals in the group: scalars that are computed once all loops are done.
Views, constants and positions are in no group: they are read through, at any index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from graphc.fuse.values import (
    AGAIN,
    BETWEEN,
    CHEAP,
    FULL,
    MEMBER_LIMIT,
    OTHER_POSITIONS,
    Fused,
    Group,
    Member,
    check_size_names,
    checked_kind,
    contiguous,
    cost,
    expand,
    held_back,
    joins,
    kind_of,
    loop_index,
    needs_copy,
)
from graphc.indexing import Bounds, loop, simplify, trace, whole
from graphc.ir import Graph, Node, Value, locating
from graphc.loops import Index, Reduction
from graphc.types import Dim, Size, TensorType, product

Read = tuple[Value, Index]


class _Fuser:
    """The state of one run of `fuse`."""

    def __init__(self, graph: Graph, strided: frozenset[int]) -> None:
        self.graph = graph
        self.strided = strided
        self.units: list[Group | Node] = []
        self.unit_of: dict[Value, int] = {}
        self.above: list[int] = []
        self.readers: dict[Value, list[int]] = {}
        self.stored: set[Value] = set()
        self.uses: dict[Value, int] = {}
        self.alias: dict[int, int] = {}
        self.reasons: dict[tuple[Node, Node], str] = {}
        self.costs: dict[Node, int] = {}
        self.copied: dict[Value, int] = {}

    # --- the graph of units: bitsets of the units above each ---

    def unit(self, value: Value) -> int | None:
        number = self.unit_of.get(value)
        return None if number is None else self.find(number)

    def find(self, number: int) -> int:
        while number in self.alias:
            number = self.alias[number]
        return number

    def new_unit(self, unit: Group | Node) -> int:
        self.units.append(unit)
        self.above.append(0)
        return len(self.units) - 1

    def depend(self, number: int, others: set[int]) -> None:
        """Unit `number` needs the results of `others`."""
        mask = self.above[number]
        for other in others:
            if other != number:
                mask |= self.above[other] | (1 << other)
        if mask == self.above[number]:
            return
        self.above[number] = mask
        bit = 1 << number
        for other in range(len(self.above)):
            if self.above[other] & bit:
                self.above[other] |= mask

    def bases(self, value: Value, index: Index, bounds: Bounds) -> Iterator[tuple[Value, Index]]:
        """The values that one element of a computed `value` reads, views and constants resolved."""
        _, reads = expand(value, index)
        stack = list(reversed(reads))
        while stack:
            read = stack.pop()
            if not isinstance(read.value.type, TensorType):
                continue
            base, place = trace(read.value, read.index, bounds)
            if kind_of(base) == "free":
                stack.extend(reversed(expand(base, place)[1]))
                continue
            yield base, tuple(simplify(position, bounds) for position in place)

    # --- placing one node ---

    def operands(self, value: Value, index: Index, bounds: Bounds) -> list[tuple[Value, Index]]:
        kind = kind_of(value)
        if kind in ("view", "input", "template", "reduce"):
            base, place = trace(value, index, bounds)
            if kind_of(base) == "free":
                return list(self.bases(base, place, bounds))
            return [(base, place)]
        return list(self.bases(value, index, bounds))

    def readable(
        self, group: Group, number: int, read: Read, level: int, again: set[Read], depth: int = 0
    ) -> str:
        """ "" if what is read can be had inside the group, else why not.

        `again`: elements that are computed again; it gains those that this one needs.
        """
        value, index = read
        if self.unit(value) != number or value not in group.members or read in again:
            return ""
        member = group.members[value]
        total = member.kind == "after" or (member.kind == "accumulate" and not member.index)
        if total and level == 0 and group.rows:
            return ""
        if total or member.kind == "accumulate":
            return "{producer} is complete only after the loop"
        if member.index == index:
            if member.level > level:
                return "{producer} is computed inside the row"
            if member.level == 0 < level and group.is_long and self.needs_total(group, member):
                return (
                    "{consumer} needs the whole reduction, and threads share each of the two loops"
                )
            return ""
        if kind_of(value) != "point" or depth > 6 or len(again) >= AGAIN:
            return OTHER_POSITIONS
        if self.cost(value.node) > CHEAP and level > group.rows:
            return f"{OTHER_POSITIONS}, and it is dear to recompute"
        again.add(read)
        for below in self.bases(value, index, group.bounds):
            problem = self.readable(group, number, below, level, again, depth + 1)
            if problem:
                return problem
        return ""

    def needs_total(self, group: Group, member: Member) -> bool:
        """Whether a member outside all loops is a reduction over them, or made from one."""
        if member.kind == "row":
            return True
        read = (base for base, _ in self.operands_of(member, group.bounds))
        inside = [group.members[base] for base in read if base in group.members]
        return any(self.needs_total(group, other) for other in inside if other.level == 0)

    def cost(self, node: Node) -> int:
        if node not in self.costs:
            with locating(self.graph, node):
                self.costs[node] = cost(node)
        return self.costs[node]

    def place_reduction(self, group: Group, value: Value) -> Member | str:
        """The member that `value` would be in `group`, or why it can't be one."""
        node = value.node
        operand = node.inputs[0]
        level = group.level_of(operand.shape)
        if level is None:
            return "the loops differ"
        index = loop_index(operand.shape)
        reduced = {str(index[axis]) for axis in node["axes"] if not isinstance(index[axis], int)}
        result = tuple(p for axis, p in enumerate(index) if axis not in node["axes"])
        inner = {loop(depth) for depth in range(level - len(reduced), level)}
        if level == len(group.dims) and reduced == inner and reduced:
            start = level - len(reduced)
            between = any(start < m.level < level for m in group.members.values())
            if not between and (group.split is None or group.split == start):
                return Member(value, result, start, "row", index)
            if not between and group.split == 0 and self.yield_split(group):
                return Member(value, result, start, "row", index)
        combine = node.op.lower
        assert isinstance(combine, Reduction)
        if combine.combine.startswith("arg"):
            return "positions are found along rows"
        if level not in (len(group.dims), group.rows) or not reduced:
            return "the reduction is over other loops"
        return Member(value, result, level, "accumulate", index)

    def yield_split(self, group: Group) -> bool:
        """Turn whole reductions into accumulations, so that rows can be reduced."""
        rows = [m for m in group.members.values() if m.kind == "row"]
        if any(m.level < len(group.dims) and m.kind == "point" for m in group.members.values()):
            return False
        for member in group.members.values():
            for base, _ in self.operands_of(member, group.bounds):
                if any(base == row.value for row in rows):
                    return False
        for member in rows:
            if member.value.node.op.lower.combine.startswith("arg"):  # type: ignore[union-attr]
                return False
        for member in rows:
            member.kind, member.level = "accumulate", len(group.dims)
        group.split = None
        return True

    def operands_of(self, member: Member, bounds: Bounds) -> list[tuple[Value, Index]]:
        if member.kind in ("row", "accumulate"):
            return self.operands_at(member.value.node.inputs[0], member.operand_index, bounds)
        return self.operands(member.value, member.index, bounds)

    def operands_at(self, value: Value, index: Index, bounds: Bounds) -> list[tuple[Value, Index]]:
        base, place = trace(value, index, bounds)
        if kind_of(base) == "free":
            return list(self.bases(base, place, bounds))
        return [(base, place)]

    def try_add(self, number: int, value: Value) -> str:
        """Add `value` to the group `number`; "" on success, else why not."""
        group = self.units[number]
        if not isinstance(group, Group) or group.copy_to is not None:
            return "the other is a library call"
        if len(group.members) >= MEMBER_LIMIT:
            return FULL
        old_dims = group.dims
        shape = value.node.inputs[0].shape if kind_of(value) == "reduce" else value.shape
        dims = tuple(size for size in shape if size != 1)
        if len(dims) > len(old_dims) and dims[: len(old_dims)] == old_dims and group.split is None:
            if any(m.kind == "accumulate" for m in group.members.values()):
                return "the loops differ"
            group.dims = dims
        problem = self._try_add(number, group, value)
        if problem:
            group.dims = old_dims
        return problem

    def _try_add(self, number: int, group: Group, value: Value) -> str:
        if kind_of(value) == "reduce":
            placed = self.place_reduction(group, value)
            if isinstance(placed, str):
                return placed
            members = [placed]
        else:
            level = group.level_of(value.shape)
            if level is None:
                return "the loops differ"
            if group.split is not None and group.split < level < len(group.dims):
                return "the loops differ"
            index = loop_index(value.shape)
            values = (value,) if kind_of(value) in ("view", "input") else value.node.outputs
            members = [Member(v, index, level, self.kind_at(group, value, level)) for v in values]
        needed = held_back(value.node, self.unit)
        at = (
            members[0].level
            if members[0].kind in ("point", "after")
            else group.level_of(value.node.inputs[0].shape)
        )
        assert at is not None
        again: set[Read] = set()
        for base, place in self.operands_of(members[0], group.bounds):
            problem = self.readable(group, number, (base, place), at, again)
            if problem:
                return problem.format(producer=base.node.op.name, consumer=value.node.op.name)
            unit = self.unit(base)
            if unit is not None:
                needed.add(unit)
        bit = 1 << number
        if any(self.above[unit] & bit for unit in needed if unit != number):
            return BETWEEN
        self.depend(number, needed)
        for member in members:
            if member.kind == "row":
                group.split = member.level
            group.members[member.value] = member
            self.unit_of[member.value] = number
        return ""

    def kind_at(self, group: Group, value: Value, level: int) -> str:
        """``after`` for a scalar that reads what is complete only after the loops."""
        index = loop_index(value.shape)
        read = self.operands(value, index, group.bounds) if level == 0 else []
        found = [group.members[base].kind for base, _ in read if base in group.members]
        return "after" if {"accumulate", "after"} & set(found) else "point"

    def try_merge(self, into: int, other: int) -> str:
        """Merge two groups with the same loops, if nothing lies between them; else why not."""
        a, b = self.units[into], self.units[other]
        assert isinstance(a, Group)
        assert isinstance(b, Group)
        if a.dims != b.dims:
            return "the loops differ"
        if a.split != b.split:
            return "the one reduces rows, the other does not"
        if len(a.members) + len(b.members) > MEMBER_LIMIT:
            return FULL
        for first, second in ((into, other), (other, into)):
            if self.above[second] >> first & 1 and any(
                self.above[second] >> k & 1 and self.above[k] >> first & 1
                for k in range(len(self.units))
                if k not in (first, second) and k not in self.alias
            ):
                return BETWEEN
        early, late = (into, other) if not self.above[into] >> other & 1 else (other, into)
        first_group, second_group = self.units[early], self.units[late]
        assert isinstance(first_group, Group)
        assert isinstance(second_group, Group)
        for member in second_group.members.values():
            early_scalar = member.kind == "point" and member.level == 0
            if early_scalar and self.kind_at(first_group, member.value, 0) == "after":
                return f"{member.value.node.op.name} needs what is complete only after the loop"
            level = len(a.dims) if member.kind in ("row", "accumulate") else member.level
            again: set[Read] = set()
            for base, place in self.operands_of(member, a.bounds):
                problem = self.readable(first_group, early, (base, place), level, again)
                if problem:
                    consumer = member.value.node.op.name
                    return problem.format(producer=base.node.op.name, consumer=consumer)
        a.members = {**first_group.members, **second_group.members}
        self.alias[other] = into
        for value in b.members:
            self.unit_of[value] = into
        mask = (self.above[into] | self.above[other]) & ~(1 << into) & ~(1 << other)
        self.above[into] = mask
        for k in range(len(self.above)):
            if self.above[k] >> other & 1 or self.above[k] >> into & 1:
                self.above[k] |= mask | (1 << into)
        self.above[other] = 0
        b.members = {}
        return ""

    def add_value(self, value: Value) -> None:
        """Put a computed value into the best group, or a new one."""
        is_reduction = kind_of(value) == "reduce"
        source = value.node.inputs[0] if is_reduction else value
        index = loop_index(source.shape)
        bounds = {loop(k): s for k, s in enumerate(size for size in source.shape if size != 1)}
        read = (
            self.operands_at(source, index, bounds)
            if is_reduction
            else self.operands(value, index, bounds)
        )
        beside = ((x, self.find(k)) for x, _ in read for k in self.readers.get(x, ())[-4:])
        made = ((x, self.unit(x)) for x, _ in read)
        producers, siblings = (
            dict.fromkeys(k for x, k in known if k is not None and joins(self.units[k], x, source))
            for known in (made, beside)
        )
        candidates = sorted(producers, reverse=True) + sorted(
            (unit for unit in siblings if unit not in producers), reverse=True
        )
        chosen = None
        for number in candidates:
            problem = self.try_add(number, value)
            if not problem:
                chosen = number
                break
            self.note(number, value, read, problem)
        if chosen is None:
            chosen = self.new_group(value, read)
        for number in candidates:
            if self.find(number) != self.find(chosen):
                problem = self.try_merge(self.find(chosen), self.find(number))
                self.note(number, value, read, problem)
        for base, _ in read:
            readers = self.readers.setdefault(base, [])
            if chosen not in readers[-4:]:
                readers.append(chosen)

    def note(
        self, number: int, value: Value, read: list[tuple[Value, Index]], problem: str
    ) -> None:
        """Keep why `value` is apart from what it reads of the unit `number`: the first reason."""
        for base, _ in read:
            if problem and self.unit(base) == self.find(number):
                self.reasons.setdefault((base.node, value.node), problem)

    def new_group(self, value: Value, read: list[tuple[Value, Index]]) -> int:
        is_reduction = kind_of(value) == "reduce"
        shape = value.node.inputs[0].shape if is_reduction else value.shape
        group = Group(0, tuple(size for size in shape if size != 1))
        number = self.new_unit(group)
        group.number = number
        problem = self.try_add(number, value)
        if not problem:
            return number
        node = value.node
        axes = node["axes"]
        order = [k for k in range(len(shape)) if k not in axes] + list(axes)
        order = [k for k in order if shape[k] != 1]
        group.dims = tuple(shape[k] for k in order)
        index: list[Size] = [0] * len(shape)
        for depth, axis in enumerate(order):
            index[axis] = Dim.symbol(loop(depth))
        result = tuple(index[k] for k in range(len(shape)) if k not in axes)
        group.split = sum(1 for k in order if k not in axes)
        group.members[value] = Member(value, result, group.split, "row", tuple(index))
        if not any(shape[k] != 1 for k in axes):
            group.members[value].kind = "point"
        self.unit_of[value] = number
        units = (self.unit(base) for base, _ in read)
        self.depend(number, held_back(node, self.unit).union(u for u in units if u is not None))
        return number

    def copy_unit(self, value: Value, key: Any) -> int:
        """A group that copies `value` into a buffer of its own."""
        group = Group(0, tuple(size for size in value.shape if size != 1), copy_to=key)
        group.number = number = self.new_unit(group)
        index = loop_index(value.shape)
        group.members[value] = Member(value, index, len(group.dims), "point")
        bases = self.operands_at(value, index, group.bounds)
        units = (self.unit(base) for base, _ in bases)
        late = held_back(value.node, self.unit)
        self.depend(number, late.union(unit for unit in units if unit is not None))
        return number

    def add_template(self, node: Node) -> None:
        number = self.new_unit(node)
        needed = held_back(node, self.unit)
        for operand in node.inputs:
            bases = [operand]
            if operand in self.copied:
                needed.add(self.copied[operand])
                continue
            if isinstance(operand.type, TensorType):
                index, bounds = whole(operand.shape)
                bases = [trace(operand, index, bounds)[0]]
            for base in bases:
                unit = self.unit(base)
                if unit is not None:
                    needed.add(unit)
        self.depend(number, needed)
        for value in node.outputs:
            self.unit_of[value] = number

    def materialise(self, value: Value) -> None:
        """Make sure that a template's operand lies in memory as the template needs it."""
        if value not in self.copied:
            self.copied[value] = self.copy_unit(value, ("copy", value))

    def run(self, materialised: Callable[[Node], list[Value]]) -> Fused:
        graph = self.graph
        for node in graph.nodes:
            kind = checked_kind(graph, node)
            if kind == "template":
                for value in materialised(node):
                    self.materialise(value)
                self.add_template(node)
            elif kind in ("point", "reduce"):
                self.add_value(node.out())
        outputs, copies = self.place_outputs(), frozenset(self.copied)
        return Fused(graph, self.order(), outputs, self.strided, self.reasons, copies)

    def place_outputs(self) -> dict[int, Value]:
        """Which computed value each output is; copies for those that are none."""
        direct: dict[int, Value] = {}
        taken: set[Value] = set()
        for k, value in enumerate(self.graph.outputs):
            if not isinstance(value.type, TensorType):
                continue
            target = self.graph.written[k]
            if target is not None and self.graph.inputs[target] == value:
                continue
            found = contiguous(value, self.strided)
            if found is not None and found[0] not in taken:
                base, offset = found
                whole = offset == 0 and product(base.shape) == product(value.shape)
                if whole and kind_of(base) in ("point", "reduce", "template"):
                    direct[k] = base
                    taken.add(base)
                    continue
            self.copy_unit(value, ("output", k))
        return direct

    def order(self) -> list[Group | Node]:
        """Units in dependency order; the earliest first, those that write arguments late."""
        alive = [k for k in range(len(self.units)) if k not in self.alias]
        count = {k: (self.above[k]).bit_count() for k in alive}
        return [self.units[k] for k in sorted(alive, key=lambda k: (count[k], k))]


def fuse(graph: Graph, strided: frozenset[int] = frozenset()) -> Fused:
    """Group the graph's operations into loop nests.

    Args:
        graph: what to compile.
        strided: numbers of the inputs whose strides are known only at the call.

    Raises:
        UnsupportedError: an op has no lowering, or a size has a name that kernels use.
    """
    check_size_names(graph)
    return _Fuser(graph, strided).run(needs_copy(strided))
