"""All groups of a graph -> its launches, in the order they run.

Groups are lowered last first, so that each knows which of its values later kernels load.
"""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass, field, replace
from typing import Any

from graphc.errors import UnsupportedError
from graphc.fuse.attach import attach
from graphc.fuse.groups import fuse
from graphc.fuse.values import CHEAP, Fused, Group, cost, expand, kind_of
from graphc.fuse.windows import chains_of
from graphc.indexing import contiguous_strides, trace, whole
from graphc.ir import Node, Value
from graphc.loops import Elementwise, Template
from graphc.lower.attached import lower_attached
from graphc.lower.convolved import lower_convolved
from graphc.lower.group import GroupLowering
from graphc.lower.launch import Launch, Step
from graphc.lower.product import generated
from graphc.lower.regions import REGIONS, lower_region
from graphc.lower.templates import copied_base, lower_template
from graphc.lower.windows import in_window
from graphc.types import Dim, Shape, TensorType, product


@dataclass(slots=True)
class Lowered:
    """What runs, in order. ``outputs[k]`` is the key of the buffer that output k is made in."""

    fused: Fused
    steps: list[Step]
    outputs: dict[int, Any]


@dataclass(slots=True, eq=False)
class Lowering:
    """What the lowering of one group needs to know of the others."""

    fused: Fused
    order: list[Node]
    demanded: set[Value] = field(default_factory=set)
    decided: dict[Value, bool] = field(default_factory=dict)
    materialised: frozenset[Value] = frozenset()

    def demand(self, value: Value) -> None:
        """`value` is loaded by a kernel: the one that computes it must store it."""
        self.demanded.add(value)

    def inlinable(self, value: Value) -> bool:
        """Whether other kernels compute `value` again rather than load it."""
        if value in self.demanded:
            return False
        found = self.decided.get(value)
        if found is None:
            found = self.decided[value] = self._inlinable(value)
        return found

    def _inlinable(self, value: Value) -> bool:
        if not isinstance(value.node.op.lower, Elementwise) or cost(value.node) > CHEAP:
            return False
        index, bounds = whole(value.shape)
        large = 0
        for read in expand(value, index)[1]:
            base, _ = trace(read.value, read.index, bounds)
            kind = kind_of(base)
            if kind in ("point", "reduce") and base not in self.demanded:
                return False
            if kind == "free":
                continue
            large += product(base.shape) == product(value.shape)
        return large <= 2

    def name(self, value: Value) -> str:
        """A variable name for `value`."""
        note = self.fused.graph.notes.get(value.node)
        return identifier(note.name if note and note.name else value.node.op.name)

    def buffer_name(self, value: Value, key: Any) -> str:
        """A name for the buffer that holds `value`."""
        if kind_of(value) == "input" and key == value:
            number = value.node["number"]
            names = self.fused.graph.names
            given = names[number] if number < len(names) else ""
            # What kernels compute is named ``<name>_<number>``: no input is.
            return re.sub(r"_(\d+)$", r"\1", identifier(given or f"input{number}"))
        if isinstance(key, tuple):
            return f"output{key[1]}" if key[0] == "output" else f"{self.name(value)}_copy"
        return f"{self.name(value)}_out"

    def strides(self, value: Value) -> Shape:
        """The strides in elements of the buffer of `value`."""
        if kind_of(value) == "input" and value.node["number"] in self.fused.strided:
            number = value.node["number"]
            return tuple(Dim.symbol(f"stride{number}_{axis}") for axis in range(value.ndim))
        return contiguous_strides(value.shape)


_RESERVED = frozenset(dir(builtins)) | frozenset(
    ["table", "sizes", "lo", "hi", "math", "cmath", "error", "values", "extents", "factor"]
)


def identifier(text: str) -> str:
    """`text` as a Python name that nothing in a generated module has."""
    name = re.sub(r"\W+", "_", text).strip("_") or "value"
    if name[0].isdigit():
        name = f"v{name}"
    # Names of dtypes, helpers, loop variables and parameters end in a digit or are known.
    clash = re.fullmatch(r"(i|k|count|u?int|float|complex)\d+", name)
    if keyword.iskeyword(name) or name in _RESERVED or clash:
        name += "_"
    return name


def lower(fused: Fused) -> Lowered:
    """The kernels of `fused`, in the order they run.

    Raises:
        UnsupportedError: an op has no lowering, with the user's line.
    """
    context = Lowering(fused, fused.graph.nodes, materialised=fused.materialised)
    outputs: dict[int, Any] = dict(fused.outputs)
    for value in fused.outputs.values():
        context.demand(value)
    batches: list[list[Step]] = []
    attached = attach(fused, lambda node: node.op.name == "convolve" or generated(fused, node))
    for unit in reversed(attached.units):
        after = unit if isinstance(unit, Group) else None
        node = attached.after.get(unit) if isinstance(unit, Group) else unit
        before = attached.before.get(node) if node is not None else None
        if node is not None and (before is not None or after is not None):
            batches += _around(context, before, node, after)
        elif node is not None:
            batches.append(_template(context, node))
        elif after in attached.windows:
            batches += _with_windows(context, after, attached.windows[after])
        elif after is not None:
            batches.append(_group(context, after))
            if after.copy_to is not None and after.copy_to[0] == "output":
                outputs[after.copy_to[1]] = after.copy_to
    steps = [step for batch in reversed(batches) for step in batch]
    return Lowered(fused, steps, outputs)


def _around(
    context: Lowering, before: Group | None, node: Node, after: Group | None
) -> list[list[Step]]:
    """A product with the groups around it, last first: as few kernels as they can be."""
    batches: list[list[Step]] = []
    if node.op.name == "convolve":
        assert after is not None
        kernel = lower_convolved(context, node, after)
    else:
        kernel = lower_attached(context, before, node, after)
    if kernel is None and before is not None and after is not None:
        kernel = lower_attached(context, None, node, after)
        if kernel is None:
            batches.append(_group(context, after))
            kernel = lower_attached(context, before, node, None)
            before = before if kernel is None else None
            after = None
    elif kernel is not None:
        before = None
    if kernel is None and after is not None:
        batches.append(_group(context, after))
    batches.append([Launch(kernel)] if kernel is not None else _template(context, node))
    if before is not None:
        batches.append(_group(context, before))
    return batches


def _with_windows(context: Lowering, group: Group, nodes: list[Node]) -> list[list[Step]]:
    """A group that stores what it makes into the results of updates; the last batch first.

    An update is apart where the group reads what it overwrites at other places than it writes: a
    buffer between them is smaller than a copy of the whole.
    """
    kernel = GroupLowering(context, group, windows=nodes).build()
    assert kernel is not None
    chains = chains_of(nodes)
    apart = [node for chain in chains if not in_window(kernel, chain) for node in chain]
    if apart:
        joined = [node for node in nodes if node not in apart]
        batches = [_template(context, node) for node in reversed(apart)]
        last = _with_windows(context, group, joined) if joined else [_group(context, group)]
        return [*batches, *last]
    copies = (copied_base(context, chain[-1], chain[0].inputs[0]) for chain in chains)
    return [[*copies, Launch(kernel)]]


def _group(context: Lowering, group: Group) -> list[Step]:
    kernel = GroupLowering(context, group).build()
    return [Launch(kernel)] if kernel is not None else []


def _template(context: Lowering, node: Node) -> list[Step]:
    template = node.op.lower
    if template is None:
        if all(not isinstance(type_, TensorType) for type_ in node.types) and not node.inputs:
            return []
        raise UnsupportedError(
            f"{node.op.name} can't be compiled yet", location=context.fused.graph.location(node)
        )
    assert isinstance(template, Template)
    if template.kind in REGIONS:
        blas = context.fused.blas
        return [lower_region(context, node, lambda region: lower(replace(fuse(region), blas=blas)))]
    return lower_template(context, node, template.kind)
