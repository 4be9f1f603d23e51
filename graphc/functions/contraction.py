"""``einsum``: subscripts parsed, operands contracted two at a time as matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ShapeError
from graphc.functions.common import BOOL, array_or_scalar, as_array, deliver
from graphc.functions.shaping import diagonal_value, diagonal_view
from graphc.ir import Value
from graphc.trace.convert import as_dtype, refuse_chance, same_size
from graphc.trace.dispatch import implements
from graphc.trace.values import TracedArray
from graphc.types import Size, product, supported_dtype

Labels = tuple[Any, ...]
"""One label an axis: a letter, or an int for an axis that ``...`` stands for."""


@dataclass(frozen=True, slots=True)
class _Term:
    """An operand with its labels."""

    value: Value
    labels: Labels


def _subscripts(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """The subscripts as text, from either of NumPy's two ways to give them."""
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), list(operands[1:])
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def text(items: Sequence[Any]) -> str:
        return "".join("..." if item is Ellipsis else letters[item] for item in items)

    pairs = len(operands) // 2
    parts = [text(operands[2 * k + 1]) for k in range(pairs)]
    joined = ",".join(parts)
    if len(operands) % 2:
        joined += "->" + text(operands[-1])
    return joined, [operands[2 * k] for k in range(pairs)]


def _labels(text: str, rank: int, position: int) -> Labels:
    """The labels of one operand; axes under an ellipsis are counted from the last, -1."""
    head, dots, tail = text.partition("...")
    if "." in head or "." in tail:
        raise ValueError(
            "einstein sum subscripts string contains a '.' that is not part of an ellipsis ('...')"
        )
    for letter in head + tail:
        if not letter.isalpha():
            raise ValueError(
                f"invalid subscript '{letter}' in einstein sum subscripts string, subscripts must "
                "be letters"
            )
    under = rank - len(head) - len(tail)
    if under < 0 or (under and not dots):
        many = "many" if under < 0 else "few"
        raise ShapeError(
            f"einsum: operand {position} has {rank} axes, too {'few' if many == 'many' else 'many'}"
            f" for the subscripts {text!r}",
            hint="Write one letter for each axis; ... stands for any number of axes in front.",
        )
    return (*head, *range(-under, 0), *tail)


def _output(text: str | None, inputs: list[Labels]) -> Labels:
    """The labels of the result: as given, or those that occur once, in order."""
    widest = max((sum(type(x) is int for x in labels) for labels in inputs), default=0)
    ellipsis = tuple(range(-widest, 0))
    everything = [label for labels in inputs for label in labels]
    if text is None:
        once = sorted(x for x in set(everything) if type(x) is str and everything.count(x) == 1)
        return (*ellipsis, *once)
    head, dots, tail = text.partition("...")
    labels = (*head, *(ellipsis if dots else ()), *tail)
    for label in labels:
        if label not in everything:
            raise ValueError(
                f"einstein sum subscripts string included output subscript '{label}' which never "
                "appeared in an input"
            )
        if labels.count(label) > 1:
            raise ValueError(
                f"einstein sum subscripts string includes output subscript '{label}' multiple times"
            )
    if ellipsis and not dots:
        raise ValueError("output has no ellipsis although an operand has axes under one")
    return labels


def _sizes(terms: list[_Term], text: str) -> dict[Any, Size]:
    """The size of every label; 1 yields to another size.

    Raises:
        ShapeError: a label has two sizes.
    """
    sizes: dict[Any, Size] = {}
    for position, term in enumerate(terms):
        for label, size in zip(term.labels, term.value.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size != 1 and not same_size(known, size):
                refuse_chance(known, size)
                shown = "..." if type(label) is int else label
                types = ", ".join(str(other.value.tensor) for other in terms)
                raise ShapeError(
                    f"einsum {text!r} of {types}: operand {position} has size {size} for "
                    f"subscript {shown!r}, which has size {known} before it",
                    hint="Write another letter for an axis that is not to be matched.",
                )
    return sizes


def _prepared(term: _Term, sizes: dict[Any, Size]) -> _Term:
    """The term without repeated labels (their diagonal) and without axes that are repeated."""
    value, labels = term.value, list(term.labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            value = diagonal_value(_repeated(value, (first, second), sizes[label]), first, second)
            labels = [x for k, x in enumerate(labels) if k not in (first, second)] + [label]
    kept = [k for k, label in enumerate(labels) if value.shape[k] != 1 or sizes[label] == 1]
    value = ops.reshape(value, tuple(value.shape[k] for k in kept))
    return _Term(value, tuple(labels[k] for k in kept))


def _repeated(value: Value, axes: tuple[int, ...], size: Size) -> Value:
    shape = tuple(size if k in axes else extent for k, extent in enumerate(value.shape))
    return ops.broadcast_to(value, shape)


def _summed(term: _Term, wanted: set[Any]) -> _Term:
    """The term summed over the labels that nothing else wants."""
    axes = tuple(k for k, label in enumerate(term.labels) if label not in wanted)
    add = ops.any_ if term.value.dtype == BOOL else ops.sum_
    return _Term(add(term.value, axes), tuple(x for x in term.labels if x in wanted))


def _arranged(term: _Term, labels: Sequence[Any]) -> Value:
    return ops.transpose(term.value, [term.labels.index(label) for label in labels])


def _contracted(a: _Term, b: _Term, wanted: set[Any]) -> _Term:
    """The product of two terms, summed over the labels that neither the output nor others want."""
    a, b = _summed(a, wanted | set(b.labels)), _summed(b, wanted | set(a.labels))
    shared = [label for label in a.labels if label in b.labels]
    batch = [label for label in shared if label in wanted]
    inner = [label for label in shared if label not in wanted]
    rows = [label for label in a.labels if label not in shared]
    columns = [label for label in b.labels if label not in shared]
    labels = (*batch, *rows, *columns)
    size = dict(zip(a.labels + b.labels, a.value.shape + b.value.shape, strict=True))
    sizes = [tuple(size[x] for x in group) for group in (batch, rows, inner, columns)]
    batches, row_sizes, inner_sizes, column_sizes = sizes
    left, right = _arranged(a, (*batch, *rows, *inner)), _arranged(b, (*batch, *inner, *columns))
    if not inner:
        left = ops.reshape(left, (*batches, *row_sizes, *(1 for _ in columns)))
        right = ops.reshape(right, (*batches, *(1 for _ in rows), *column_sizes))
        shape = (*batches, *row_sizes, *column_sizes)
        result = ops.multiply(ops.broadcast_to(left, shape), ops.broadcast_to(right, shape))
        return _Term(result, labels)
    left = ops.reshape(left, (*batches, product(row_sizes), product(inner_sizes)))
    right = ops.reshape(right, (*batches, product(inner_sizes), product(column_sizes)))
    result = ops.matmul(left, right)
    return _Term(ops.reshape(result, (*batches, *row_sizes, *column_sizes)), labels)


def _order(terms: list[_Term], output: Labels, sizes: dict[Any, Size]) -> list[tuple[int, ...]]:
    """Which terms to contract, step by step: NumPy's greedy path when all sizes are known."""
    if len(terms) < 3 or not all(isinstance(size, int) for size in sizes.values()):
        return [(0, 1)] * (len(terms) - 1)
    numbers = {label: k for k, label in enumerate(sizes)}
    if len(numbers) > 52:
        return [(0, 1)] * (len(terms) - 1)
    given: list[Any] = []
    for term in terms:
        shape: Any = term.value.shape
        given += [np.broadcast_to(0.0, shape), [numbers[label] for label in term.labels]]
    path, _ = np.einsum_path(*given, [numbers[label] for label in output if _held(label, terms)])
    return [tuple(step) for step in path[1:]]


def _held(label: Any, terms: list[_Term]) -> bool:
    return any(label in term.labels for term in terms)


def _reduced(terms: list[_Term], output: Labels, sizes: dict[Any, Size]) -> _Term:
    """All terms contracted into one, whose labels are those of the output."""
    remaining = list(terms)
    for step in _order(terms, output, sizes):
        chosen = [remaining[k] for k in step]
        remaining = [term for k, term in enumerate(remaining) if k not in step]
        wanted = set(output).union(*(term.labels for term in remaining))
        while len(chosen) > 1:
            others = wanted.union(*(term.labels for term in chosen[2:]))
            chosen[:2] = [_contracted(chosen[0], chosen[1], others)]
        remaining.append(chosen[0])
    return _summed(remaining[0], set(output))


@implements(np.einsum)
def einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = False,
    dtype: Any = None,
    casting: str = "safe",
    order: str = "K",
) -> Any:
    """`numpy.einsum`; of one operand of which nothing is summed, a view."""
    text, given = _subscripts(operands)
    inputs, arrow, result_text = text.partition("->")
    texts = inputs.split(",")
    arrays = [as_array(x) for x in given]
    if len(texts) != len(arrays):
        few = "fewer" if len(arrays) > len(texts) else "more"
        raise ValueError(
            f"{few} operands subscripts in einstein sum subscripts string than operands"
        )
    labels = [
        _labels(part, x.ndim, k) for k, (part, x) in enumerate(zip(texts, arrays, strict=True))
    ]
    output = _output(result_text if arrow else None, labels)
    kind = supported_dtype(np.result_type(*(x.dtype for x in arrays)))
    kind = kind if dtype is None else as_dtype(dtype)
    if out is None and len(arrays) == 1 and arrays[0].dtype == kind:
        view = _unsummed(arrays[0], labels[0], output)
        if view is not None:
            return view
    terms = [_Term(ops.cast(x.value, kind), part) for x, part in zip(arrays, labels, strict=True)]
    sizes = _sizes(terms, text)
    prepared = [_prepared(term, sizes) for term in terms]
    result = _reduced(prepared, output, sizes)
    value = _arranged(result, [label for label in output if label in result.labels])
    return deliver(value, out) if out is not None else array_or_scalar(value)


def _unsummed(x: TracedArray, labels: Labels, output: Labels) -> TracedArray | None:
    """The view that diagonals and a permutation of axes are, or None where something is summed."""
    if set(labels) != set(output) or x.ndim == 0:
        return None
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if not same_size(x.value.shape[first], x.value.shape[second]):
                return None
            x = diagonal_view(x, first, second)
            labels = (*(k for i, k in enumerate(labels) if i not in (first, second)), label)
    return x.transposed(tuple(labels.index(label) for label in output))
