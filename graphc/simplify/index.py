"""Rules for writes by index: one element of each row of a constant becomes a comparison.

The gradient of ``x[np.arange(n), labels]`` adds to one element of each row of zeros. Comparing the
label with every position fuses with what reads the result; writing by index needs the zeros in
memory first.
"""

from __future__ import annotations

from graphc import ops
from graphc.ir import Node, Value
from graphc.rewrite import Rules


def position_axis(value: Value) -> int | None:
    """The axis along which `value` counts 0, 1, ..., where it does and is the same along others."""
    node = value.node
    if node.op.name == "iota":
        return 0
    if node.op.name == "broadcast_to":
        inner = position_axis(node.inputs[0])
        if inner is None:
            return None
        axis = inner + value.ndim - node.inputs[0].ndim
        return axis if value.shape[axis] == node.inputs[0].shape[inner] else None
    if node.op.name == "reshape" and node.inputs[0].node.op.name == "iota":
        axes = [axis for axis, size in enumerate(value.shape) if size != 1]
        return axes[0] if len(axes) == 1 else None
    return None


def _at_most_one_a_row(node: Node) -> tuple[int, dict[int, int]] | None:
    """The indexed axis that is free, and for each other one the axis of the indices it follows.

    None unless the other indices are the positions along each axis of the index arrays, so that
    no two writes fall in one row.
    """
    base, _, *indices = node.inputs
    free: list[int] = []
    follows: dict[int, int] = {}
    for axis, index in zip(node["axes"], indices, strict=True):
        along = position_axis(index)
        if along is None or along in follows.values() or index.shape[along] != base.shape[axis]:
            free.append(axis)
        else:
            follows[axis] = along
    if len(free) != 1 or len(follows) != indices[0].ndim:
        return None
    return free[0], follows


def _write_as_selection(node: Node) -> Value | None:
    base, values, *indices = node.inputs
    if ops.uniform(base) is None:
        return None
    found = _at_most_one_a_row(node)
    if found is None:
        return None
    free, follows = found
    shape, rank = base.shape, indices[0].ndim
    rest = [axis for axis in range(base.ndim) if axis not in node["axes"]]
    source = {axis: rank + number for number, axis in enumerate(rest)} | follows

    def placed(value: Value, axes: list[int]) -> Value:
        """`value`, whose axes are those of `source` for `axes`, at the free axis' every place."""
        value = ops.transpose(value, tuple(source[axis] for axis in axes))
        lengths = tuple(size if axis in axes else 1 for axis, size in enumerate(shape))
        return ops.broadcast_to(ops.reshape(value, lengths), shape)

    # Reading the positions at the indices checks these, and counts negative ones from the end.
    label = indices[node["axes"].index(free)]
    place = ops.gather(ops.iota(shape[free]), [label], (0,))
    lengths = tuple(size if axis == free else 1 for axis, size in enumerate(shape))
    position = ops.broadcast_to(ops.reshape(ops.iota(shape[free]), lengths), shape)
    hit = ops.equal(position, placed(place, sorted(follows)))
    written = placed(values, sorted(source))
    if node.op.name == "scatter_add":
        written = ops.add(base, written)
    return ops.select(hit, written, base)


INDEX_RULES = Rules(
    (
        ("scatter_add", _write_as_selection),
        ("scatter", _write_as_selection),
    )
)
