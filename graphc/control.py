"""Control flow: `scan`, `cond`, `while_loop`, `fori_loop`; `debug_print` and `breakpoint_if`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from graphc import ops, specialize
from graphc.errors import DomainError, TraceError
from graphc.frames import USER_FRAMES
from graphc.ir import Value
from graphc.ops.control.printing import stop_if
from graphc.options import Options
from graphc.trace.choice import traced_cond
from graphc.trace.context import active, current, user_location
from graphc.trace.convert import array_like
from graphc.trace.derivative import described
from graphc.trace.loop import traced_scan
from graphc.trace.repeat import traced_fori, traced_while
from graphc.types import TensorType

T = TypeVar("T")


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run `body` along the leading axis of `xs`, carrying state; one native loop.

    Args:
        body: ``(carry, x) -> (carry, y)``. It is traced once. The carry keeps its structure,
            shapes and dtypes. Arrays from outside that it writes are carried along.
        init: the first carry, a pytree.
        xs: a pytree of arrays with equal leading axes, or None.
        length: the number of steps, where `xs` is None.
        reverse: from the last x to the first; ys keep the place of their x.

    Returns:
        ``(carry, ys)``: the last carry, and each y stacked along a new leading axis.

    Raises:
        ShapeError, DTypeError: leading axes differ, or the carry changes its type.

    >>> import numpy as np, graphc
    >>> graphc.scan(lambda total, x: (total + x, total), np.zeros(()), np.array([1.0, 2.0, 3.0]))
    (array(6.), array([0., 1., 3.]))
    """
    with USER_FRAMES:
        example = "graphc.scan(lambda carry, x: (carry + x, carry), 0.0, xs)"
        _require_function("scan", "body", body, example)
        if current() is not None:
            return traced_scan(body, init, xs, length, reverse)
        names = ("body", "init", "xs", "length", "reverse")
        return _compiled(scan, (body, init, xs, length, reverse), names)  # type: ignore[no-any-return]


def cond(pred: Any, true_fn: Callable[..., T], false_fn: Callable[..., T], *operands: Any) -> T:
    """``true_fn(*operands)`` where `pred` holds, else ``false_fn(*operands)``; only that one runs.

    Args:
        pred: a single number, true where it is not 0. A Python bool decides while tracing.
        true_fn, false_fn: are traced both. They return equal structures, shapes and dtypes, and may
            read and write arrays from outside; what they return is new arrays.
        operands: what they are called with.

    Raises:
        ShapeError, DTypeError: `pred` is no single number, or the branches return different types.

    The derivative takes the same branch and computes again what it needs of it.

    >>> import numpy as np, graphc
    >>> @graphc.compile
    ... def safe_log(x):
    ...     return graphc.cond(x > 0, np.log, lambda x: -np.inf * np.ones_like(x), x)
    >>> safe_log(np.float64(1.0)), safe_log(np.float64(-1.0))
    (np.float64(0.0), np.float64(-inf))
    """
    with USER_FRAMES:
        for role, branch in (("true_fn", true_fn), ("false_fn", false_fn)):
            example = (
                "graphc.cond(pred, lambda x: x, lambda x: -x, x), or choose between values with "
                "np.where(pred, x, -x)"
            )
            _require_function("cond", role, branch, example)
        if current() is not None:
            return traced_cond(pred, true_fn, false_fn, operands)  # type: ignore[no-any-return]
        names = ("pred", "true_fn", "false_fn", *(f"operand{k}" for k in range(len(operands))))
        return _compiled(cond, (pred, true_fn, false_fn, *operands), names)  # type: ignore[no-any-return]


def while_loop(
    cond: Callable[[T], Any], body: Callable[[T], T], init: T, max_steps: int | None = None
) -> T:
    """``carry = body(carry)`` as long as ``cond(carry)`` holds, from `init`; one native loop.

    Args:
        cond: gives a single number, true where it is not 0.
        body: gives the next carry, of the same structure, shapes and dtypes. Arrays from outside
            that it writes are carried along.
        init: the first carry, a pytree.
        max_steps: the most turns that the loop may take. A gradient then keeps each turn's carry.
            Without it a gradient keeps a fixed number of carries, and runs parts of the loop again.

    Raises:
        ShapeError, DTypeError: `cond` gives no single number, or the carry changes its type.
        DomainError: at run time, the condition still holds after `max_steps` turns.

    Ctrl-C ends a loop that does not end by itself.

    >>> import numpy as np, graphc
    >>> graphc.while_loop(lambda x: x < 100, lambda x: x * 2, np.float64(3.0))
    np.float64(192.0)
    """
    with USER_FRAMES:
        example = "graphc.while_loop(lambda x: x < 100, lambda x: 2 * x, x)"
        _require_function("while_loop", "cond", cond, example)
        _require_function("while_loop", "body", body, example)
        if current() is not None:
            return traced_while(cond, body, init, max_steps)  # type: ignore[no-any-return]
        names = ("cond", "body", "init", "max_steps")
        return _compiled(while_loop, (cond, body, init, max_steps), names)  # type: ignore[no-any-return]


def fori_loop(lower: Any, upper: Any, body: Callable[[Any, T], T], init: T) -> T:
    """``carry = body(i, carry)`` for each i of ``range(lower, upper)``, from `init`.

    Where both bounds are known when it is compiled, or are sizes of arrays, it is a `scan`; else a
    `while_loop`.

    Raises:
        ShapeError, DTypeError: a bound is no single integer, or the carry changes its type.

    >>> import numpy as np, graphc
    >>> graphc.fori_loop(1, 5, lambda i, x: x * i, np.float64(1.0))
    np.float64(24.0)
    """
    with USER_FRAMES:
        example = "graphc.fori_loop(0, 5, lambda i, x: x * i, x)"
        _require_function("fori_loop", "body", body, example)
        if current() is not None:
            return traced_fori(lower, upper, body, init)  # type: ignore[no-any-return]
        names = ("lower", "upper", "body", "init")
        return _compiled(fori_loop, (lower, upper, body, init), names)  # type: ignore[no-any-return]


def _require_function(name: str, role: str, given: Any, example: str) -> None:
    """Raise TraceError where a value stands in the place of a function."""
    if not callable(given):
        raise TraceError(
            f"{name} needs a function as {role}, but it is {_described(given)}",
            location=user_location(),
            hint=f"Write {example}.",
        )


def _described(given: Any) -> str:
    if isinstance(given, np.ndarray):
        return f"an array of type {TensorType(given.dtype, given.shape)}"
    return described(given)


def _compiled(function: Any, args: tuple[Any, ...], names: tuple[str, ...]) -> Any:
    """What `function`, one of the above, gives outside any tracing: it compiles itself."""
    if specialize.is_eager():
        return specialize.run_eagerly(function, args, {})
    forms = specialize.specializations_of(function, function.__name__, Options())
    return forms.call(function, args, {}, names)


def debug_print(fmt: str, *values: Any) -> None:
    """Print ``fmt.format(*values)`` each time the compiled code gets here.

    Prints keep their order, are never merged, and run even if nothing else needs the values.

    Raises:
        TraceError: `fmt` is no string.
        DomainError: the values can't be written in it; when it is traced, inside compiled code.

    >>> import numpy as np, graphc
    >>> @graphc.compile
    ... def double(x):
    ...     graphc.debug_print("x is {}", x)
    ...     return x * 2
    >>> _ = double(np.ones(2))
    x is [1. 1.]
    """
    with USER_FRAMES:
        if not isinstance(fmt, str):
            raise TraceError(
                f"debug_print takes a format first, but it is {_described(fmt)}",
                location=user_location(),
                hint='Write graphc.debug_print("x is {}", x).',
            )
        trace = current()
        if trace is None:
            print(_formatted(fmt, values))
            return
        trace.refuse_texts(fmt)
        found = [array_like(value).value for value in values]
        if trace.values is not None:
            print(_formatted(fmt, [trace.concrete(value) for value in found]))
            return
        _formatted(fmt, [_like(value) for value in found])
        trace.token = ops.debug_print(fmt, found, trace.effect())
        trace.note(trace.token)


def breakpoint_if(condition: Any, *values: Any) -> None:
    """Start the debugger (Python's `breakpoint`) each time `condition` holds for any element.

    In compiled code it stops in a function of graphc's, in which `values` are arrays; ``up`` leads
    to the line that called the compiled function.

    >>> import numpy as np, graphc
    >>> @graphc.compile
    ... def root(x):
    ...     graphc.breakpoint_if(x < 0, x)
    ...     return np.sqrt(x)
    >>> root(np.array([1.0, 4.0]))
    array([1., 2.])
    """
    with USER_FRAMES:
        location = user_location()
        place = "" if location is None else f"{location.file}:{location.line}"
        trace = current()
        if trace is None:
            stop_if(condition, values, place)
            return
        found = [array_like(value).value for value in (condition, *values)]
        if trace.values is not None:
            stop_if(trace.concrete(found[0]), [trace.concrete(x) for x in found[1:]], place)
            return
        trace.token = ops.breakpoint_if(found[0], found[1:], place, trace.effect())
        trace.note(trace.token)


def _like(value: Value) -> np.ndarray:
    """An array, all zeros, of the type that a traced value has in the call that is traced."""
    shape = tuple(active().hint(size) for size in value.shape)
    return np.broadcast_to(np.zeros((), value.dtype), shape)


def _formatted(fmt: str, values: Sequence[Any]) -> str:
    """``fmt.format(*values)``, or what is wrong with it."""
    try:
        return fmt.format(*values)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        count = f"{len(values)} value{'' if len(values) == 1 else 's'}"
        raise DomainError(
            f"debug_print can't write {count} as {fmt!r}: {type(error).__name__}: {error}",
            location=user_location(),
            hint="Name values by position, as {} or {0}; a brace is {{. Formats like {:.2f} are "
            "for single numbers: write an array as {}, rounded with np.round(x, 2).",
        ) from None
