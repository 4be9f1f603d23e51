"""Attention of queries to keys, and its derivatives, with no matrix of all scores in memory.

    s = scale * q @ k.T + mask        p = exp(s - lse)        o = p @ v

where ``lse`` is the logarithm of each row's sum of ``exp(s)``. The derivatives, with g that of the
results (T. Dao and others, FlashAttention, arXiv:2205.14135, 2022, appendix B):

    dv = p.T @ g        ds = p * (g @ v.T - delta)        dq = scale * ds @ k        dk = ...

with ``delta = sum(g * o)`` of each row. Both ops go through the scores block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import (
    Cotangents,
    Driver,
    Graph,
    Mapped,
    Node,
    Op,
    Value,
    close,
    fresh_input,
    inline,
    make,
)
from graphc.loops import Template
from graphc.ops.arrays.creation import constant, iota
from graphc.ops.arrays.shape import broadcast_to, full_like, reshape, sum_, zeros
from graphc.ops.batching import spread_all
from graphc.ops.elementwise.compare import greater_equal
from graphc.ops.elementwise.exponential import exp
from graphc.ops.elementwise.pointwise import add, multiply, select, subtract
from graphc.ops.matrices.products import matmul, matrix_transpose
from graphc.ops.registry import register
from graphc.types import Size, TensorType, Type

Types = tuple[Type, ...]

QUERIES, KEYS, VALUES, SCALE, MASK = range(5)
"""The operands of `attention`; the mask may be missing, and is added to the scores."""


def _matrices(name: str, types: Types) -> list[TensorType]:
    """The operands, checked: (*batch, m, d), (*batch, n, d), (*batch, n, e), (), (*batch, m, n)."""
    found = [type_ for type_ in types if isinstance(type_, TensorType)]
    q, k, v, scale, *mask = found
    dtypes = {type_.dtype for type_ in found}
    if len(dtypes) != 1 or q.dtype.name not in ("float32", "float64"):
        raise DTypeError(f"{name} takes float32 or float64, all of one: {_list(found)}")
    batch = q.shape[:-2]
    fits = q.ndim == k.ndim == v.ndim >= 2 and scale.shape == ()
    fits = fits and batch == k.shape[:-2] == v.shape[:-2]
    fits = fits and q.shape[-1] == k.shape[-1] and k.shape[-2] == v.shape[-2]
    if not fits or any(m.shape != (*batch, q.shape[-2], k.shape[-2]) for m in mask):
        raise ShapeError(f"{name}: {_list(found)} do not fit")
    return found


def _list(types: Sequence[Type]) -> str:
    return ", ".join(map(str, types))


def _infer_attention(types: Types, attrs: dict[str, Any], regions: tuple[Graph, ...]) -> Types:
    q, _, v, *_ = _matrices("attention", types)
    return q.with_shape((*q.shape[:-1], v.shape[-1])), q.with_shape(q.shape[:-1])


def _infer_gradients(types: Types, attrs: dict[str, Any], regions: tuple[Graph, ...]) -> Types:
    *given, lse, delta, g = types
    q, k, v, *_ = _matrices("attention_gradients", tuple(given))
    rows = q.with_shape(q.shape[:-1])
    if (lse, delta, g) != (rows, rows, q.with_shape((*q.shape[:-1], v.shape[-1]))):
        raise ShapeError(f"attention_gradients: {_list(types)} do not fit")
    return q, k, v


# --- meaning --------------------------------------------------------------------------------------


def _scores(node: Node, q: Any, k: Any, scale: Any, mask: Sequence[Any]) -> np.ndarray:
    scores: np.ndarray = scale * (q @ k.swapaxes(-1, -2))
    for added in mask:
        scores = scores + added
    if node["causal"]:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    return scores.astype(q.dtype, copy=False)


def _evaluate_attention(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    q, k, v, scale, *mask = arrays
    scores = _scores(node, q, k, scale, mask)
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    largest = np.where(largest == -np.inf, 0, largest).astype(q.dtype)
    powers = np.exp(scores - largest)
    total = powers.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        lse = np.where(total == 0, np.inf, largest + np.log(total))[..., 0]
    return (powers / np.where(total == 0, 1, total)) @ v, lse.astype(q.dtype)


def _evaluate_gradients(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    q, k, v, scale, *mask, lse, delta, g = arrays
    weights = np.exp(_scores(node, q, k, scale, mask) - lse[..., None])
    by_scores = weights * (g @ v.swapaxes(-1, -2) - delta[..., None]) * scale
    return by_scores @ k, by_scores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ g


# --- derivatives ----------------------------------------------------------------------------------


def _attention_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """By the scale and the mask, which few differentiate by, from all scores."""
    g, by_lse = cotangents
    mask = node.inputs[MASK:]
    o, lse = node.outputs
    g = zeros(o.tensor) if g is None else g
    delta = sum_(multiply(g, o), (o.ndim - 1,))
    if by_lse is not None:
        delta = subtract(delta, by_lse)
    found = make(GRADIENTS, (*node.inputs, lse, delta, g), dict(node.attrs)).outputs
    products, _, by_scores = _by_scores(node, lse, delta, g)
    by_scale = sum_(multiply(by_scores, products), tuple(range(products.ndim)))
    return (*found, by_scale, *(by_scores for _ in mask))


def _plain_scores(node: Node) -> tuple[Value, Value]:
    """``q @ k.T``, and the scores: scaled, and -inf where they are masked."""
    q, k, _, scale, *mask = node.inputs[: 5 if masked(node) else 4]
    products = matmul(q, matrix_transpose(k))
    scores = multiply(products, broadcast_to(scale, products.shape))
    for added in mask:
        scores = add(scores, added)
    if node["causal"]:
        rows, columns = scores.shape[-2:]
        below = greater_equal(_along(rows, (rows, columns), 0), _along(columns, (rows, columns), 1))
        below = broadcast_to(below, scores.shape)
        scores = select(below, scores, full_like(scores, -np.inf))
    return products, scores


def _along(size: Size, shape: tuple[Size, Size], axis: int) -> Value:
    numbers = iota(size)
    return broadcast_to(numbers if axis == 1 else reshape(numbers, (size, 1)), shape)


def masked(node: Node) -> bool:
    """Whether an attention, or its derivatives, have a mask among the operands."""
    return len(node.inputs) == (5 if node.op is ATTENTION else 8)


def _rows(x: Value, shape: tuple[Size, ...]) -> Value:
    """One number a row, as of all its columns."""
    return broadcast_to(reshape(x, (*x.shape, 1)), shape)


def _by_scores(node: Node, lse: Value, delta: Value, g: Value) -> tuple[Value, Value, Value]:
    """``q @ k.T``, the weights, and the derivative by the scores, as matrices."""
    products, scores = _plain_scores(node)
    weights = exp(subtract(scores, _rows(lse, scores.shape)))
    by_weights = matmul(g, matrix_transpose(node.inputs[VALUES]))
    by_scores = multiply(weights, subtract(by_weights, _rows(delta, scores.shape)))
    return products, weights, by_scores


def _plain_gradients(node: Node) -> list[Value]:
    """What `attention_gradients` gives, from matrices of all scores."""
    q, k, _, scale, *_ = node.inputs
    lse, delta, g = node.inputs[-3:]
    _, weights, by_scores = _by_scores(node, lse, delta, g)
    scaled = multiply(by_scores, broadcast_to(scale, by_scores.shape))
    by_k = matmul(matrix_transpose(scaled), q)
    return [matmul(scaled, k), by_k, matmul(matrix_transpose(weights), g)]


def _gradients_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """Second derivatives go through matrices of all scores."""
    taken = [fresh_input(value.type) for value in node.inputs]
    plain = make(GRADIENTS, taken, dict(node.attrs))
    graph = close(taken, _plain_gradients(plain))
    backward = driver.differentiate(graph, range(len(taken)))
    seeds = [
        zeros(value.tensor) if cotangent is None else cotangent
        for value, cotangent in zip(node.outputs, cotangents, strict=True)
    ]
    return tuple(inline(backward, [*node.inputs, *seeds]))


def _batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """Examples are a further leading axis. A scale of each example goes into its queries."""
    (scale, scaled), *_ = operands[SCALE:]
    others = [operand for n, operand in enumerate(operands) if n != SCALE]
    given = spread_all(others, size)
    factor = None
    if scaled:
        shape = given[QUERIES].shape
        factor = broadcast_to(reshape(scale, (size, *(1 for _ in shape[1:]))), shape)
        given[QUERIES] = multiply(given[QUERIES], factor)
        scale = constant(1, scale.dtype)
    given.insert(SCALE, scale)
    found = list(make(node.op, given, dict(node.attrs)).outputs)
    if factor is not None and node.op is GRADIENTS:
        found[QUERIES] = multiply(found[QUERIES], factor)
    return tuple((value, True) for value in found)


ATTENTION = register(
    Op(
        "attention",
        _infer_attention,
        _evaluate_attention,
        _attention_vjp,
        Template("attention"),
        attributes={"causal": "bool"},
        batch=_batch,
    )
)
GRADIENTS = register(
    Op(
        "attention_gradients",
        _infer_gradients,
        _evaluate_gradients,
        _gradients_vjp,
        Template("attention_gradients"),
        attributes={"causal": "bool"},
        batch=_batch,
    )
)


def attention(
    q: Value, k: Value, v: Value, scale: Value, mask: Value | None = None, causal: bool = False
) -> tuple[Value, Value]:
    """``softmax(scale * q @ k.T + mask) @ v``, and the logarithm of each row's sum of powers.

    A query all of whose scores are -inf gives zeros, and +inf for the logarithm.

    Args:
        q: (*batch, m, d); k: (*batch, n, d); v: (*batch, n, e).
        scale: a scalar.
        mask: (*batch, m, n), added to the scores.
        causal: leave the keys after each query's place out.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ, or are not float32 or float64.
    """
    given = (q, k, v, scale) if mask is None else (q, k, v, scale, mask)
    o, lse = make(ATTENTION, given, {"causal": causal}).outputs
    return o, lse
