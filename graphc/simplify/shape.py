"""Rules for views, slices and reductions: elements that are moved twice, or not at all."""

from __future__ import annotations

from graphc import ops
from graphc.ir import Node, Value
from graphc.rewrite import Rules
from graphc.types import Size


def _same(node: Node) -> Value | None:
    """The operand, when its type is the result's."""
    return node.inputs[0] if node.inputs[0].type == node.types[0] else None


def _inner(node: Node, name: str) -> Node | None:
    """The node of operand 0, when its op is called `name`."""
    inner = node.inputs[0].node
    return inner if inner.op.name == name else None


# --- broadcast, reshape, transpose ----------------------------------------------------------------


def _broadcast(node: Node) -> Value | None:
    shape = node["shape"]
    if inner := _inner(node, "broadcast_to"):
        return ops.broadcast_to(inner.inputs[0], shape)
    inner = _inner(node, "reshape")
    if inner is None:
        return None
    source, padded = inner.inputs[0], inner["shape"]
    lead = len(padded) - source.ndim
    if lead > 0 and padded == (*(1,) * lead, *source.shape):
        return ops.broadcast_to(source, shape)
    return None


def _reshape(node: Node) -> Value | None:
    inner = _inner(node, "reshape")
    return ops.reshape(inner.inputs[0], node["shape"]) if inner else None


def _transpose(node: Node) -> Value | None:
    axes = node["axes"]
    if axes == tuple(range(len(axes))):
        return node.inputs[0]
    inner = _inner(node, "transpose")
    if inner is None:
        return None
    return ops.transpose(inner.inputs[0], tuple(inner["axes"][axis] for axis in axes))


# --- slices and what they undo --------------------------------------------------------------------


def _place(node: Node) -> tuple[tuple[Size, ...], tuple[Size, ...], tuple[int, ...]]:
    return node["start"], node["size"], node["step"]


def _is_whole(node: Node) -> bool:
    """Whether a slice or embed leaves everything where it is."""
    return node.inputs[0].type == node.types[0] and all(step == 1 for step in node["step"])


def _slice(node: Node) -> Value | None:
    (x,) = node.inputs
    if _is_whole(node):
        return x
    if inner := _inner(node, "slice"):
        return _slice_of_slice(node, inner)
    if (inner := _inner(node, "embed")) and _place(inner) == _place(node):
        return inner.inputs[0]
    if (inner := _inner(node, "update")) and _place(inner) == _place(node):
        return inner.inputs[1]
    if inner := _inner(node, "concatenate"):
        return _slice_of_concatenate(node, inner)
    return None


def _slice_of_slice(node: Node, inner: Node) -> Value:
    start = tuple(
        first + step * second
        for first, step, second in zip(inner["start"], inner["step"], node["start"], strict=True)
    )
    step = tuple(a * b for a, b in zip(inner["step"], node["step"], strict=True))
    return ops.slice_(inner.inputs[0], start, node["size"], step)


def _slice_of_concatenate(node: Node, inner: Node) -> Value | None:
    """The slice of the one operand that it falls in, when that can be told."""
    axis = inner["axis"]
    first, size, step = (node[name][axis] for name in ("start", "size", "step"))
    last = first + (size - 1) * step
    offset: Size = 0
    for operand in inner.inputs:
        end = offset + operand.shape[axis]
        places = (first - offset, last - offset, end - 1 - first, end - 1 - last, size - 1)
        if all(isinstance(place, int) and place >= 0 for place in places):
            start = tuple(s - offset if k == axis else s for k, s in enumerate(node["start"]))
            return ops.slice_(operand, start, node["size"], node["step"])
        offset = end
    return None


def _embed(node: Node) -> Value | None:
    (x,) = node.inputs
    if _is_whole(node):
        return x
    known = ops.uniform(x)
    if known is not None and not known.tobytes().strip(b"\0"):
        return ops.zeros(x.tensor.with_shape(node["shape"]))
    return None


def _update(node: Node) -> Value | None:
    base, value = node.inputs
    if base.type == value.type and all(step == 1 for step in node["step"]):
        return value
    inner = _inner(node, "update")
    if inner is not None and _place(inner) == _place(node):
        return ops.update(inner.inputs[0], value, node["start"], node["step"])
    return None


def _concatenate(node: Node) -> Value | None:
    axis = node["axis"]
    kept = [value for value in node.inputs if value.shape[axis] != 0]
    if len(kept) == 1:
        return kept[0]
    if kept and len(kept) < len(node.inputs):
        return ops.concatenate(kept, axis)
    return None


# --- reductions of one element each ---------------------------------------------------------------


def _of_one(node: Node) -> Value | None:
    (x,) = node.inputs
    if not node["axes"]:
        return x
    if any(x.shape[axis] != 1 for axis in node["axes"]):
        return None
    return ops.reshape(x, node.out().shape)


def _sum(node: Node) -> Value | None:
    """As `_of_one` for integers; NumPy's sum of one -0.0 is 0.0, which a reshape is not."""
    (x,) = node.inputs
    known = ops.uniform(x)
    if known is not None and known == 0:
        return ops.zeros(node.out().tensor)
    return _of_one(node) if x.dtype.kind in "iu" or not node["axes"] else None


SHAPE_RULES = Rules(
    (
        ("broadcast_to", _same),
        ("broadcast_to", _broadcast),
        ("reshape", _same),
        ("reshape", _reshape),
        ("transpose", _transpose),
        ("slice", _slice),
        ("embed", _embed),
        ("update", _update),
        ("concatenate", _concatenate),
        ("sum", _sum),
        *((name, _of_one) for name in ("prod", "max", "min", "any", "all")),
    )
)
