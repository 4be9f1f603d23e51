"""Index arithmetic with known ranges: what `Size` polynomials over loop variables simplify to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace

from graphc.ir import Value
from graphc.loops import (
    Apply,
    Cast,
    Checked,
    Deferred,
    Expr,
    Guarded,
    Index,
    IndexMap,
    Load,
    Position,
    Select,
)
from graphc.types import Dim, FloorDiv, Mod, Shape, Size, floordiv, mod, substitute

Bounds = Mapping[str, Size]
"""For each loop variable the size that it stays below; it is never negative."""


def loop(depth: int) -> str:
    """The name of the loop variable at `depth`."""
    return f"i{depth}"


def contiguous_strides(shape: Shape) -> Shape:
    """C-order strides in elements."""
    strides: list[Size] = []
    step: Size = 1
    for size in reversed(shape):
        strides.append(step)
        step = step * size
    return tuple(reversed(strides))


def linear(index: Index, strides: Shape) -> Size:
    """The offset in elements of `index`."""
    offset: Size = 0
    for position, stride in zip(index, strides, strict=True):
        offset = offset + position * stride
    return offset


def unravel(number: Size, shape: Shape) -> Index:
    """The index in `shape` of the position `number`, in C order; the first axis takes what is left.

    No position is in a shape with a size 0: no size is divided by it.
    """
    index: list[Size] = []
    for size in reversed(shape[1:]):
        divisor = 1 if size == 0 else size
        index.append(mod(number, divisor))
        number = floordiv(number, divisor)
    return (number, *reversed(index)) if shape else ()


def atoms(size: Size) -> set[Hashable]:
    """Every atom of `size`, those inside // and % and checks included."""
    found: set[Hashable] = set()

    def note(atom: Hashable) -> None:
        found.add(atom)
        if isinstance(atom, Checked):
            expr_atoms(atom.value, found)
            found.update(atoms(atom.extent))

    substitute(size, note)
    return found


def expr_atoms(expr: Expr, found: set[Hashable]) -> None:
    """Add the atoms of every index in `expr` to `found`."""
    match expr:
        case Load() | Deferred():
            for position in expr.index:
                found.update(atoms(position))
        case Position():
            found.update(atoms(expr.index))
        case Apply():
            for argument in expr.arguments:
                expr_atoms(argument, found)
        case Select():
            for part in (expr.condition, expr.then, expr.otherwise):
                expr_atoms(part, found)
        case Cast():
            expr_atoms(expr.operand, found)
        case Guarded():
            expr_atoms(expr.condition, found)
            expr_atoms(expr.operand, found)
        case _:
            pass


def map_index(expr: Expr, change: Callable[[Size], Size]) -> Expr:
    """`expr` with `change` applied to every index in it."""
    match expr:
        case Load() | Deferred():
            return replace(expr, index=tuple(change(position) for position in expr.index))
        case Position():
            return replace(expr, index=change(expr.index))
        case Apply():
            return replace(expr, arguments=tuple(map_index(a, change) for a in expr.arguments))
        case Select():
            return Select(
                map_index(expr.condition, change),
                map_index(expr.then, change),
                map_index(expr.otherwise, change),
                expr.dtype,
            )
        case Cast():
            return replace(expr, operand=map_index(expr.operand, change))
        case Guarded():
            condition = map_index(expr.condition, change)
            return replace(expr, condition=condition, operand=map_index(expr.operand, change))
        case _:
            return expr


def _at_least(size: Size, least: int, bounds: Bounds) -> bool:
    """Whether `size` >= `least` for all loop positions, wherever every axis size is at least 1."""
    if isinstance(size, int):
        return size >= least
    total: Size = 0
    for monomial, coefficient in size.terms:
        product: Size = coefficient
        for atom in monomial:
            if isinstance(atom, str) and atom in bounds:
                if coefficient > 0:
                    product = 0
                    break
                product = product * (bounds[atom] - 1)
            elif isinstance(atom, str):
                product = product * Dim.symbol(atom)
            elif isinstance(atom, Mod) and coefficient < 0:
                product = product * (atom.denominator - 1)
            elif isinstance(atom, Mod | FloorDiv) and coefficient > 0:
                product = 0
                break
            else:
                return False
        total = total + product
    if isinstance(total, int):
        return total >= least
    shifted = substitute(
        total, lambda atom: Dim.symbol(atom) + 1 if isinstance(atom, str) else None
    )
    if isinstance(shifted, int):
        return shifted >= least
    constant = 0
    for monomial, coefficient in shifted.terms:
        if monomial == ():
            constant = coefficient
        elif coefficient < 0 or not all(isinstance(atom, str) for atom in monomial):
            return False
    return constant >= least


def _split(numerator: Size, denominator: Size, bounds: Bounds) -> tuple[Size, Size] | None:
    """``(quotient, remainder)`` when the remainder is known to be in range."""
    whole: Size = 0
    rest: Size = 0
    terms = numerator.terms if isinstance(numerator, Dim) else (((), numerator),)
    for monomial, coefficient in terms:
        term: Size = Dim(((monomial, coefficient),)) if monomial else coefficient
        if mod(term, denominator) == 0:
            whole = whole + floordiv(term, denominator)
        else:
            rest = rest + term
    if _at_least(rest, 0, bounds) and _at_least(denominator - rest, 1, bounds):
        return whole, rest
    return None


def _known_position(value: Expr, bounds: Bounds) -> Size | None:
    """The index that `value` is, where it is an index expression and not loaded."""
    if isinstance(value, Deferred):
        base, place = trace(value.value, value.index, bounds)
        return place[0] if base.node.op.name == "iota" else None
    return value.index if isinstance(value, Position) else None


def _within(position: Size, extent: Size, bounds: Bounds) -> bool:
    """Whether 0 <= `position` < `extent` for all loop positions."""
    return _at_least(position, 0, bounds) and _at_least(extent - position, 1, bounds)


def simplify(size: Size, bounds: Bounds) -> Size:
    """`size` with // and % resolved where the ranges of its loop variables decide them."""
    if isinstance(size, int) or not any(
        isinstance(atom, FloorDiv | Mod | Checked)
        for monomial, _ in size.terms
        for atom in monomial
    ):
        return size

    def change(atom: Hashable) -> Size | None:
        if isinstance(atom, Checked):
            value = map_index(atom.value, lambda inner: simplify(inner, bounds))
            known = _known_position(value, bounds)
            if known is not None and _within(known, atom.extent, bounds):
                return known
            return Dim.symbol(Checked(value, atom.extent))
        if not isinstance(atom, FloorDiv | Mod):
            return None
        numerator = simplify(atom.numerator, bounds)
        denominator = simplify(atom.denominator, bounds)
        found = _split(numerator, denominator, bounds)
        if isinstance(atom, FloorDiv):
            return found[0] if found else floordiv(numerator, denominator)
        return found[1] if found else mod(numerator, denominator)

    return substitute(size, change)


def replace_atoms(size: Size, new: Mapping[Hashable, Size]) -> Size:
    """`size` with atoms replaced, inside checks too."""

    def change(atom: Hashable) -> Size | None:
        if atom in new:
            return new[atom]
        if isinstance(atom, Checked):
            value = map_index(atom.value, lambda inner: replace_atoms(inner, new))
            return Dim.symbol(Checked(value, replace_atoms(atom.extent, new)))
        return None

    return substitute(size, change)


def trace(value: Value, index: Index, bounds: Bounds) -> tuple[Value, Index]:
    """Follow views: the value that is no view, and where `index` of `value` is in it."""
    while isinstance(value.node.op.lower, IndexMap):
        source = value.node.op.lower.source(value.node, index)
        index = tuple(simplify(position, bounds) for position in source)
        value = value.node.inputs[0]
    return value, index


def whole(shape: Shape) -> tuple[Index, dict[str, Size]]:
    """Loop variables over every axis of `shape` but those of size 1, and their bounds."""
    index: list[Size] = []
    bounds: dict[str, Size] = {}
    for size in shape:
        if size == 1:
            index.append(0)
            continue
        name = loop(len(bounds))
        bounds[name] = size
        index.append(Dim.symbol(name))
    return tuple(index), bounds


def storage(value: Value) -> tuple[Value, Shape, Size] | None:
    """The value that `value` is a strided view of: base, strides in elements, offset.

    None if an element's place is no linear function of its index.
    """
    index, bounds = whole(value.shape)
    base, source = trace(value, index, bounds)
    offset = _rejoined(linear(source, contiguous_strides(base.shape)))
    strides: list[Size] = []
    for position in index:
        if isinstance(position, int):
            strides.append(0)
            continue
        stride, offset_rest = split_linear(offset, str(position))
        if stride is None:
            return None
        strides.append(stride)
        offset = offset_rest
    if any(atom in bounds for atom in atoms(offset)):
        return None
    return base, tuple(strides), offset


def _rejoined(size: Size) -> Size:
    """`size` with ``c * (x % n) + c * n * (x // n)`` as ``c * x``."""
    if isinstance(size, int):
        return size
    for monomial, coefficient in size.terms:
        (atom, *others) = monomial or (None,)
        if not isinstance(atom, Mod) or others or not isinstance(atom.denominator, int):
            continue
        whole_part = coefficient * atom.denominator
        quotient = floordiv(atom.numerator, atom.denominator)
        if isinstance(quotient, Dim) and (quotient.terms[0][0], whole_part) in size.terms:
            rest = size - coefficient * Dim((((atom,), 1),)) - whole_part * quotient
            return _rejoined(rest + coefficient * atom.numerator)
    return size


def split_linear(size: Size, name: str) -> tuple[Size | None, Size]:
    """``(a, b)`` with ``size == a * name + b`` and no `name` in them; a is None if none is."""
    if isinstance(size, int):
        return 0, size
    factor: Size = 0
    rest: Size = 0
    for monomial, coefficient in size.terms:
        if name in monomial:
            left = list(monomial)
            left.remove(name)
            factor = factor + (Dim(((tuple(left), coefficient),)) if left else coefficient)
        else:
            rest = rest + Dim(((monomial, coefficient),)) if monomial else rest + coefficient
    if name in atoms(factor) or name in atoms(rest):
        return None, size
    return factor, rest
