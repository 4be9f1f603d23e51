"""Checks for users' own tests: derivatives against differences of function values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.trace.context import current
from graphc.trace.trees import leaves, unflatten
from graphc.transform import jvp, vjp

_STEPS = {"float64": 1e-3, "float32": 5e-2, "complex128": 1e-3, "complex64": 5e-2}
_MODES = ("forward", "reverse")
_TOLERANCES = {"float64": 1e-6, "float32": 3e-2, "complex128": 1e-6, "complex64": 3e-2}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    *,
    modes: str | Sequence[str] = _MODES,
    tolerance: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of `f` at `args` with differences of its values.

    All results are projected on random weights, and all floating arguments moved along random
    directions. Reverse mode must agree with central differences of fourth order, forward mode with
    both; for a higher `order` the same is asked of the derivatives themselves, in both modes.
    Within ``with graphc.eager():`` nothing is compiled for it, which is quicker by far.

    Args:
        f: a function of arrays, numbers and pytrees of them, smooth at `args`; it is called with
            copies.
        args: its arguments, as a tuple.
        order: how often to differentiate.
        modes: ``"forward"``, ``"reverse"`` or a tuple of them; by default both (a `custom_vjp` has
            no forward mode).
        tolerance: how far numbers may lie apart, relative to the larger of 1 and their size; by
            default 1e-6, and 3e-2 where a number is of single precision.
        seed: of the random directions.

    Raises:
        AssertionError: says which mode differs, at which order, by which argument.
        TypeError: no argument or no result is floating or complex.
        ValueError: `modes` names no mode, or one that there is not.

    >>> import numpy as np, graphc
    >>> graphc.testing.check_grads(lambda x: np.sin(x) * x, (np.array([0.5, 2.0]),))
    """
    rng = np.random.default_rng(seed)
    _check(f, tuple(args), order, _chosen(modes), tolerance, rng, "f")


def _chosen(modes: str | Sequence[str]) -> tuple[str, ...]:
    """The modes as a tuple; a string is one mode."""
    chosen = (modes,) if isinstance(modes, str) else tuple(modes)
    choices = " and ".join(repr(mode) for mode in _MODES)
    if not chosen:
        raise ValueError(f"check_grads: no modes are given; there are {choices}")
    for mode in chosen:
        if mode not in _MODES:
            raise ValueError(f"check_grads: {mode!r} is no mode; there are {choices}")
    return chosen


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    tolerance: float | None,
    rng: np.random.Generator,
    name: str,
) -> None:
    directions = _random_like(args, rng)
    weights = _random_like(f(*_copied(args)), rng)
    for what, moved in (("the arguments", directions), ("the results", weights)):
        if not leaves(moved):
            raise TypeError(f"check_grads: none of {what} is floating or complex")
    problem = _problem(f, args, directions, weights, modes, tolerance)
    if problem:
        parts = [
            f"argument {k}: {found}"
            for k in range(len(args))
            if (alone := _only(directions, k)) is not None
            and (found := _problem(f, args, alone, weights, modes, tolerance))
        ]
        detail = "\n  ".join(parts)
        raise AssertionError(f"derivatives of {name} differ: {problem}\n  {detail}")
    if order < 2:
        return
    if "reverse" in modes:
        _check(
            lambda *x: vjp(_as_traced_code(f), *x)[1](weights),
            args, order - 1, modes, tolerance, rng, f"the reverse-mode derivative of {name}",
        )  # fmt: skip
    if "forward" in modes:
        _check(
            lambda *x: jvp(_as_traced_code(f), x, directions)[1],
            args, order - 1, modes, tolerance, rng, f"the forward-mode derivative of {name}",
        )  # fmt: skip


def _as_traced_code(f: Callable[..., Any]) -> Callable[..., Any]:
    """`f` as a trace under way sees a function of the user's: this module's own are not traced."""
    trace = current()
    return f if trace is None else trace.capture.kept(f)


def _problem(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    directions: Any,
    weights: Any,
    modes: tuple[str, ...],
    tolerance: float | None,
) -> str:
    """How the derivative along `directions` differs between the modes; "" if it does not."""
    names = {np.asarray(leaf).dtype.name for leaf in (*leaves(args), *leaves(weights))}
    kinds = names & _STEPS.keys()
    step = max(_STEPS[kind] for kind in kinds)
    allowed = max(_TOLERANCES[kind] for kind in kinds) if tolerance is None else tolerance

    def along(distance: float) -> float:
        return _projected(weights, f(*_moved(args, directions, distance)))

    near, far = along(step) - along(-step), along(2 * step) - along(-2 * step)
    found = {"differences": (8 * near - far) / (12 * step)}
    if "forward" in modes:
        found["forward mode"] = _projected(weights, jvp(f, _copied(args), directions)[1])
    if "reverse" in modes:
        cotangents = vjp(f, *_copied(args))[1](weights)
        found["reverse mode"] = _projected(directions, cotangents)
    wanted = found["differences"]
    apart = allowed * max(1.0, abs(wanted))
    if all(abs(value - wanted) <= apart for value in found.values()):
        return ""
    return ", ".join(f"{mode} {value:.9g}" for mode, value in found.items())


# --- trees of directions: None where there is no derivative ---------------------------------------


def _is_inexact(leaf: Any) -> bool:
    return not isinstance(leaf, str | bytes) and np.asarray(leaf).dtype.name in _STEPS


def _random_like(tree: Any, rng: np.random.Generator) -> Any:
    def direction(leaf: Any) -> Any:
        if not _is_inexact(leaf):
            return None
        array = np.asarray(leaf)
        values = rng.normal(size=array.shape)
        if array.dtype.kind == "c":
            values = values + 1j * rng.normal(size=array.shape)
        moved = np.asarray(values).astype(array.dtype)
        return moved if isinstance(leaf, np.ndarray) else type(leaf)(moved[()])

    return unflatten(tree, [direction(leaf) for leaf in leaves(tree)])


def _copied(args: tuple[Any, ...]) -> tuple[Any, ...]:
    copied: tuple[Any, ...] = unflatten(
        args, [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves(args)]
    )
    return copied


def _moved(args: tuple[Any, ...], directions: Any, distance: float) -> tuple[Any, ...]:
    given = iter(leaves(directions))
    filled = []
    for leaf in leaves(args):
        if not _is_inexact(leaf):
            filled.append(leaf)
            continue
        moved = leaf + distance * next(given)
        filled.append(
            moved.astype(leaf.dtype) if isinstance(leaf, np.ndarray) else type(leaf)(moved)
        )
    tree: tuple[Any, ...] = unflatten(args, filled)
    return tree


def _projected(weights: Any, values: Any) -> float:
    """The sum of ``weights * values``, its real part for complex numbers: no conjugation."""
    pairs = zip(leaves(weights), filter(_is_inexact, leaves(values)), strict=True)
    total: complex = sum(
        (np.sum(np.asarray(w, np.complex128) * np.asarray(v)) for w, v in pairs), start=0j
    )
    return float(np.real(total))


def _only(directions: Any, position: int) -> Any:
    """The directions of one argument, zero for the others; None if it has none."""
    if not leaves(directions[position]):
        return None
    return tuple(
        moved if k == position else unflatten(moved, [0 * leaf for leaf in leaves(moved)])
        for k, moved in enumerate(directions)
    )
