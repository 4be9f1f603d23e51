"""Small arrays that are put together and read apart: scalar code written with arrays is scalar.

``y = np.array([a, b, c])``, ``y * h`` and ``y[0]``: the product is taken of each part, so that what
reads one element reads a scalar. Only what is read in parts somewhere is taken apart, along axes of
a few elements, and it is put together again for those that read the whole: each element is still
computed once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from graphc import ops
from graphc.ir import Graph, Node, Value, make
from graphc.loops import Elementwise
from graphc.ops import uniform
from graphc.rewrite import transform
from graphc.types import Shape, TensorType

MOST = 16
"""Elements of an axis along which arrays are taken apart."""

Place = tuple[Value, int]
"""A value and one of its axes."""

Wanted = dict[Value, dict[int, set[tuple[int, int]]]]
"""For values and axes the ranges of positions that are read of them."""

Cuts = dict[Value, dict[int, frozenset[int]]]
"""For values and axes the positions at which they are cut."""


def take_apart(graph: Graph) -> Graph:
    """`graph` with element by element operations on small arrays done for each part of them."""
    wanted = _wanted(graph)
    cuts = _cuts(graph, wanted) if wanted else {}
    if not cuts:
        return graph
    parts = _Parts()

    def replace(old: Node, new: Node) -> tuple[Value, ...]:
        for axis, found in _at(cuts, old).items():
            return (parts.joined(new, axis, found),)
        return new.outputs

    return transform(graph, replace)


# --- what is read in parts ------------------------------------------------------------------------


def _wanted(graph: Graph) -> Wanted:
    """The parts that are read of values, by a slice or by what is read in parts itself."""
    wanted: Wanted = {}
    for node in reversed(graph.nodes):
        if node.op.name == "slice":
            (x,) = node.inputs
            for axis, size in enumerate(node["size"]):
                if size != x.shape[axis] and _is_small(x, axis):
                    wanted.setdefault(x, {}).setdefault(axis, set()).add(_range(node, axis))
        for axis, ranges in _at(wanted, node).items():
            for operand, below in _below(node, axis):
                wanted.setdefault(operand, {}).setdefault(below, set()).update(ranges)
    return wanted


def _at(found: dict[Value, dict[int, Any]], node: Node) -> dict[int, Any]:
    return found.get(node.outputs[0], {}) if len(node.outputs) == 1 else {}


def _range(node: Node, axis: int) -> tuple[int, int]:
    """From where to where a slice reads along `axis`."""
    start, size, step = (node[name][axis] for name in ("start", "size", "step"))
    if not isinstance(start, int) or not isinstance(size, int):
        return 0, node.inputs[0].shape[axis]
    last = start + (size - 1) * step
    return min(start, last), max(start, last) + 1


def _is_small(value: Value, axis: int) -> bool:
    size = value.shape[axis]
    return isinstance(size, int) and 1 < size <= MOST


def _below(node: Node, axis: int) -> Iterator[Place]:
    """The operands of `node`, and their axes, that a part of it along `axis` reads a part of."""
    name, x = node.op.name, node.inputs[0] if node.inputs else None
    if x is None or not isinstance(x.type, TensorType):
        return
    if _is_pointwise(node):
        yield from ((operand, axis) for operand in node.inputs)
    elif name == "broadcast_to":
        below = axis - (node.out().ndim - x.ndim)
        if below >= 0 and x.shape[below] != 1:
            yield x, below
    elif name == "transpose":
        yield x, node["axes"][axis]
    elif name == "reshape":
        found = _unit_axes_apart(x, node.out(), axis)
        if found is not None:
            yield x, found
    elif name == "concatenate":
        if axis != node["axis"]:
            yield from ((operand, axis) for operand in node.inputs)
    elif name == "slice":
        if node["size"][axis] == x.shape[axis] and node["step"][axis] == 1:
            yield x, axis
    elif name == "embed":
        if _is_across(node, axis):
            yield x, axis
    elif name == "update" and _can_be_cut(node, axis):
        yield x, axis
        if _is_across(node, axis):
            yield node.inputs[1], axis


def _is_pointwise(node: Node) -> bool:
    """Whether every element of the one result is made of the operands' elements there."""
    if not isinstance(node.op.lower, Elementwise) or len(node.types) != 1 or not node.inputs:
        return False
    shape = node.out().shape
    return all(isinstance(x.type, TensorType) and x.shape == shape for x in node.inputs)


def _is_across(node: Node, axis: int) -> bool:
    """Whether what `node` puts in its place takes all of `axis`."""
    return bool(node["size"][axis] == node.out().shape[axis] and node["step"][axis] == 1)


def _unit_axes_apart(x: Value, result: Value, axis: int) -> int | None:
    """The axis of `x` that is `axis` of `result`, where they differ by axes of size 1 alone."""
    source = [k for k, size in enumerate(x.shape) if size != 1]
    target = [k for k, size in enumerate(result.shape) if size != 1]
    if axis not in target or [x.shape[k] for k in source] != [result.shape[k] for k in target]:
        return None
    return source[target.index(axis)]


# --- where it is cut ------------------------------------------------------------------------------


def _cuts(graph: Graph, wanted: Wanted) -> Cuts:
    """Where what is taken apart is cut: where arrays below it are joined, or above it cut.

    What is computed of an array in parts is computed in parts too, so that it is put together last.
    """
    cuts: Cuts = {}
    places: list[tuple[Node, int]] = []

    def cut(value: Value, axis: int, found: frozenset[int]) -> None:
        ranges = wanted.get(value, {}).get(axis, ())
        found |= _own_cuts(value.node, axis)
        if found and _can_be_cut(value.node, axis) and _reads_parts(ranges, found, value, axis):
            cuts.setdefault(value, {})[axis] = found

    for node in graph.nodes:
        axes = dict.fromkeys(_at(wanted, node))
        if _is_pointwise(node):
            axes |= {axis: None for x in node.inputs for axis in cuts.get(x, ())}
        for axis in axes:
            places.append((node, axis))
            below = [_cuts_at(cuts, place) for place in _below(node, axis)]
            cut(node.out(), axis, frozenset().union(*below))
    for node, axis in reversed(places):
        found = _cuts_at(cuts, (node.out(), axis))
        for x, below_axis in _below(node, axis) if found else ():
            cut(x, below_axis, found | _cuts_at(cuts, (x, below_axis)))
    return cuts


def _reads_parts(
    ranges: Collection[tuple[int, int]], cuts: frozenset[int], value: Value, axis: int
) -> bool:
    """Whether each of `ranges` lies in one part, or is made of single elements."""
    ends = [0, *sorted(cuts), value.shape[axis]]
    parts = list(pairwise(ends))
    for start, stop in ranges:
        read = [part for part in parts if part[0] < stop and start < part[1]]
        if len(read) > 1 and any(end - begin > 1 for begin, end in read):
            return False
    return True


def _cuts_at(cuts: Cuts, place: Place) -> frozenset[int]:
    return cuts.get(place[0], {}).get(place[1], frozenset())


def _can_be_cut(node: Node, axis: int) -> bool:
    match node.op.name:
        case "transpose" | "concatenate":
            return True
        case "broadcast_to":
            return any(_below(node, axis))
        case "reshape":
            return _unit_axes_apart(node.inputs[0], node.out(), axis) is not None
        case "embed" | "update":
            return _is_across(node, axis) or _is_stretch(node, axis)
    return _is_pointwise(node)


def _is_stretch(node: Node, axis: int) -> bool:
    """Whether what `node` puts in its place lies side by side, at known places of `axis`."""
    start, count, step = (node[name][axis] for name in ("start", "size", "step"))
    return isinstance(start, int) and isinstance(count, int) and (step == 1 or count == 1)


def _own_cuts(node: Node, axis: int) -> frozenset[int]:
    """Where the parts that `node` joins along `axis` meet."""
    name = node.op.name
    if name == "concatenate" and node["axis"] == axis:
        extent = node.out().shape[axis]
        ends = accumulate(operand.shape[axis] for operand in node.inputs)
        return frozenset(end for end in ends if isinstance(end, int)) - {0, extent}
    if name in ("embed", "update") and not _is_across(node, axis) and _is_stretch(node, axis):
        start, extent = node["start"][axis], node.out().shape[axis]
        return frozenset({start, start + node["size"][axis]}) - {0, extent}
    return frozenset()


# --- the parts ------------------------------------------------------------------------------------


class _Parts:
    """Makes the parts of values; zeros of the `padded` ones are where an embed put nothing."""

    def __init__(self) -> None:
        self.padded: set[Value] = set()

    def joined(self, node: Node, axis: int, cuts: frozenset[int]) -> Value:
        """The result of `node`, put together of what it is between the `cuts` of `axis`."""
        if node.op.name == "concatenate" and node["axis"] == axis:
            return node.out()
        starts, ends = [0, *sorted(cuts)], [*sorted(cuts), node.out().shape[axis]]
        made = [
            self.made(node, _Stretch(axis, start, end - start))
            for start, end in zip(starts, ends, strict=True)
        ]
        result = ops.concatenate(made, axis)
        sums = ("add", "subtract", "negative")
        if node.op.name == "embed" or (
            node.op.name in sums and all(x in self.padded for x in node.inputs)
        ):
            self.padded.add(result)
        return result

    def made(self, node: Node, stretch: _Stretch) -> Value:
        """The stretch of the result of `node`, from the stretches of its operands."""
        axis, x = stretch.axis, node.inputs[0]
        match node.op.name:
            case "broadcast_to":
                below = axis - (len(node["shape"]) - x.ndim)
                part = _part(x, stretch.along(below))
                return ops.broadcast_to(part, stretch.of_shape(node["shape"]))
            case "transpose":
                return ops.transpose(_part(x, stretch.along(node["axes"][axis])), node["axes"])
            case "reshape":
                found = _unit_axes_apart(x, node.out(), axis)
                assert found is not None
                return ops.reshape(_part(x, stretch.along(found)), stretch.of_shape(node["shape"]))
            case "concatenate":
                return ops.concatenate([_part(v, stretch) for v in node.inputs], node["axis"])
            case "embed":
                return self.embedded(node, stretch)
            case "update":
                return self.updated(node, stretch)
        return self.computed(node, stretch)

    def computed(self, node: Node, stretch: _Stretch) -> Value:
        """The stretch of a pointwise operation; of a sum with nothing, what is added to it."""
        parts = [_part(operand, stretch) for operand in node.inputs]
        nothing = [
            operand in self.padded and uniform(part) == 0
            for operand, part in zip(node.inputs, parts, strict=True)
        ]
        match node.op.name:
            case "add" if any(nothing):
                return parts[0] if nothing[1] else parts[1]
            case "subtract" if any(nothing):
                return parts[0] if nothing[1] else ops.negative(parts[1])
            case "negative" if any(nothing):
                return parts[0]
        return make(node.op, parts, dict(node.attrs)).out()

    def embedded(self, node: Node, stretch: _Stretch) -> Value:
        result = node.out()
        shape = stretch.of_shape(result.shape)
        found = _placed(node, stretch)
        if found is None:
            return ops.zeros(result.tensor.with_shape(shape))
        inside, start, step = found
        return ops.embed(_part(node.inputs[0], inside), shape, start, step)

    def updated(self, node: Node, stretch: _Stretch) -> Value:
        base, value = node.inputs
        found = _placed(node, stretch)
        if found is None:
            return _part(base, stretch)
        inside, start, step = found
        return ops.update(_part(base, stretch), _part(value, inside), start, step)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The positions from `start` on, `size` of them, along `axis`."""

    axis: int
    start: int
    size: int

    def along(self, axis: int) -> _Stretch:
        return _Stretch(axis, self.start, self.size)

    def of_shape(self, shape: Shape) -> Shape:
        return tuple(self.size if k == self.axis else size for k, size in enumerate(shape))


def _placed(node: Node, stretch: _Stretch) -> tuple[_Stretch, Shape, tuple[int, ...]] | None:
    """What an embed or update puts in a stretch: which of its operand, and start and step there."""
    axis = stretch.axis
    first, count = node["start"][axis], node["size"][axis]
    if not first <= stretch.start < first + count:
        return None
    inside = _Stretch(axis, stretch.start - first, stretch.size)
    start = tuple(0 if k == axis else s for k, s in enumerate(node["start"]))
    step = tuple(1 if k == axis else s for k, s in enumerate(node["step"]))
    return inside, start, step


def _part(value: Value, stretch: _Stretch) -> Value:
    """The elements of `value` in a stretch: of the one part that holds them, where it is joined."""
    axis, start = stretch.axis, stretch.start
    node = value.node
    if node.op.name == "concatenate" and node["axis"] == axis:
        offset = 0
        for operand in node.inputs:
            size = operand.shape[axis]
            assert isinstance(size, int)
            end = offset + size
            if offset <= start and start + stretch.size <= end:
                return _part(operand, _Stretch(axis, start - offset, stretch.size))
            offset = end
    if node.op.name == "broadcast_to" and not any(_below(node, axis)):
        return ops.broadcast_to(node.inputs[0], stretch.of_shape(value.shape))
    begin = tuple(start if k == axis else 0 for k in range(value.ndim))
    return ops.slice_(value, begin, stretch.of_shape(value.shape), (1,) * value.ndim)
