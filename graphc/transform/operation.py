"""`operation`: an op that a user defines, as a function of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.errors import GraphcError
from graphc.trace.context import current, user_location
from graphc.trace.operation import traced_operation
from graphc.transform.base import Transform


class Operation(Transform):
    """A builder of graph nodes as a function of arrays."""

    def __init__(self, build: Callable[..., Any], elementwise: bool) -> None:
        super().__init__(build, "operation")
        self.__name__ = self.__qualname__ = getattr(build, "__name__", "operation")
        self.__doc__ = build.__doc__
        self.elementwise = elementwise

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except GraphcError as error:
            if current() is None:
                # The line that it was compiled for may be another than the one that calls it now.
                error.location = user_location()
            raise

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        return traced_operation(self.__wrapped__, self.elementwise, args, kwargs)

    def _parameters(self) -> tuple[Any, ...]:
        return (self.elementwise,)

    def __repr__(self) -> str:
        return f"<graphc.operation {self.__name__}>"

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        """Itself: a builder works on values of the graph and is not traced."""
        capture.require(f"{source} is {capture.constant(self)}")
        return self


def operation(build: Callable[..., Any], elementwise: bool = False) -> Callable[..., Any]:
    """An op of your own as a function of arrays, in compiled functions and out of them.

    An op is one record, a `graphc.ir.Op`: its types, its meaning in NumPy, its derivative, how it
    is mapped over examples, how it is computed. `graphc.ops.pointwise.pointwise` makes the record
    of an elementwise op from a few of these; ``examples/own_op.py`` does that, and another kind.

    Args:
        build: takes a `graphc.ir.Value` for each array argument, other arguments as they are, and
            returns a value or a tuple of values.
        elementwise: operands are promoted and broadcast first, as those of a ufunc.

    Raises:
        TraceError: when called, if `build` returns something else.

    >>> import numpy as np, graphc
    >>> from graphc import ops
    >>> from graphc.ops.elementwise.pointwise import pointwise
    >>> from graphc.ops.elementwise.scalar import apply
    >>> cube = graphc.operation(
    ...     pointwise(
    ...         "cube_of_doctest",
    ...         lambda x: x * x * x,
    ...         arity=1,
    ...         kinds="f",
    ...         vjp=lambda x, out, g: (
    ...             ops.masked_multiply(g, ops.multiply(ops.full_like(x, 3), ops.square(x))),
    ...         ),
    ...         expression=lambda x: apply("multiply", x, apply("multiply", x, x)),
    ...     ),
    ...     elementwise=True,
    ... )
    >>> graphc.grad(lambda x: cube(x).sum())(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    return Operation(build, elementwise)
