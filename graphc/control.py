"""Control flow and effects: `scan`, `debug_print`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import ops, specialize
from graphc.options import Options
from graphc.trace.context import current
from graphc.trace.convert import array_like
from graphc.trace.loop import traced_scan


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
    if current() is not None:
        return traced_scan(body, init, xs, length, reverse)
    if specialize.is_eager():
        return specialize.run_eagerly(  # type: ignore[no-any-return]
            scan, (body, init, xs, length, reverse), {}
        )
    forms = specialize.specializations_of(scan, "scan", Options())
    names = ("body", "init", "xs", "length", "reverse")
    return forms.call(scan, (body, init, xs, length, reverse), {}, names)  # type: ignore[no-any-return]


def debug_print(fmt: str, *values: Any) -> None:
    """Print ``fmt.format(*values)`` each time the compiled code gets here.

    Prints keep their order, are never merged, and run even if nothing else needs the values.

    >>> import numpy as np, graphc
    >>> @graphc.compile
    ... def double(x):
    ...     graphc.debug_print("x is {}", x)
    ...     return x * 2
    >>> _ = double(np.ones(2))
    x is [1. 1.]
    """
    trace = current()
    if trace is None:
        print(fmt.format(*values))
        return
    if trace.values is not None:
        print(fmt.format(*(trace.concrete(array_like(value).value) for value in values)))
        return
    operands = [array_like(value).value for value in values]
    trace.token = ops.debug_print(fmt, operands, trace.effect())
    trace.note(trace.token)
