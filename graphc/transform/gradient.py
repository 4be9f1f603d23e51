"""`grad` and `value_and_grad`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.trace.derivative import traced_gradient
from graphc.transform.argnums import checked_argnums, positions
from graphc.transform.base import Transform


class Gradient(Transform):
    """`grad` or `value_and_grad` of a function."""

    def __init__(
        self,
        function: Callable[..., Any],
        argnums: int | Sequence[int],
        has_aux: bool,
        with_value: bool,
    ) -> None:
        self.name = "value_and_grad" if with_value else "grad"
        super().__init__(function, self.name)
        self.argnums = checked_argnums(self.name, function, argnums)
        self.has_aux = has_aux
        self.with_value = with_value

    def _parameters(self) -> tuple[Any, ...]:
        return (self.argnums, self.has_aux, self.with_value)

    def _with(self, function: Callable[..., Any]) -> Gradient:
        return Gradient(function, self.argnums, self.has_aux, self.with_value)

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        chosen = positions(self.name, self.__wrapped__, self.argnums, args)
        result, gradients = traced_gradient(self.__wrapped__, chosen, self.has_aux, args, kwargs)
        if self.with_value:
            return result, gradients
        return (gradients, result[1]) if self.has_aux else gradients


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives the gradient of the scalar function `f`.

    Args:
        f: returns a real floating scalar; with `has_aux`, a pair (scalar, anything).
        argnums: position, or positions, of the arguments to differentiate by; negative ones count
            from the end of the call. Each argument is a floating (or complex) array or number, or a
            pytree of them; other leaves get None.
        has_aux: return ``(gradient, other)``.

    Returns:
        A function of the same arguments; the gradient has the structure, shapes and dtypes of the
        argument (a tuple of gradients for several `argnums`). For a complex argument it is
        df/dx - i df/dy, as in JAX.

    Raises:
        TypeError: `f` is no function, or `argnums` holds something else than ints.
        DomainError: when called, if `argnums` names an argument that is not there, or one twice.
        ShapeError, DTypeError, TraceError: when called, if `f` returns no real scalar, or an
            argument has nothing to differentiate by.

    >>> import numpy as np, graphc
    >>> graphc.grad(lambda x: (x ** 3).sum())(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """
    return Gradient(f, argnums, has_aux, with_value=False)


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives ``(value, gradient)`` of `f`, computed together; see `grad`.

    With `has_aux` the value is the pair that `f` returns.

    >>> import numpy as np, graphc
    >>> graphc.value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    return Gradient(f, argnums, has_aux, with_value=True)
