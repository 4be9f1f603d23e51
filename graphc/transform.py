"""Transformations of functions: `grad` and `value_and_grad`; they nest to any depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

from graphc import specialize
from graphc.options import Options
from graphc.trace.context import current
from graphc.trace.derivative import traced_gradient


class Transform:
    """A function made from another. In a traced function it is traced through, else it compiles."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        if not callable(function):
            raise TypeError(f"{name} takes a function, not a {type(function).__name__}")
        update_wrapper(self, function)
        self.__wrapped__ = function
        self.__name__ = f"{name}({getattr(function, '__name__', type(function).__name__)})"

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        """What a call does while it is traced."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current() is not None:
            return self.traced(*args, **kwargs)
        if specialize.is_eager():
            return specialize.run_eagerly(self, args, kwargs)
        forms = specialize.specializations_of(self, self.__name__, Options())
        return forms.call(self, args, kwargs, ())

    def _parameters(self) -> tuple[Any, ...]:
        """What decides the code besides the function."""
        return ()

    def _with(self, function: Callable[..., Any]) -> Transform:
        """The same transformation of another function."""
        raise NotImplementedError

    def __graphc_fingerprint__(self) -> Any:
        return (type(self), self._parameters(), specialize.fingerprint(self.__wrapped__))

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        capture.require(f"type({source}) is {capture.constant(type(self))}")
        held = capture.constant(self._parameters())
        capture.require(f"{source}._parameters() == {held}")
        return self._with(capture.wrap(self.__wrapped__, f"{source}.__wrapped__"))


class Gradient(Transform):
    """`grad` or `value_and_grad` of a function."""

    def __init__(
        self,
        function: Callable[..., Any],
        argnums: int | Sequence[int],
        has_aux: bool,
        with_value: bool,
    ) -> None:
        super().__init__(function, "value_and_grad" if with_value else "grad")
        self.argnums = argnums if isinstance(argnums, int) else tuple(argnums)
        self.has_aux = has_aux
        self.with_value = with_value

    def _parameters(self) -> tuple[Any, ...]:
        return (self.argnums, self.has_aux, self.with_value)

    def _with(self, function: Callable[..., Any]) -> Gradient:
        return Gradient(function, self.argnums, self.has_aux, self.with_value)

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        result, gradients = traced_gradient(
            self.__wrapped__, self.argnums, self.has_aux, args, kwargs
        )
        if self.with_value:
            return result, gradients
        return (gradients, result[1]) if self.has_aux else gradients


def grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that gives the gradient of the scalar function `f`.

    Args:
        f: returns a real floating scalar; with `has_aux`, a pair (scalar, anything).
        argnums: position, or positions, of the arguments to differentiate by. Each is a floating
            (or complex) array or number, or a pytree of them; other leaves get None.
        has_aux: return ``(gradient, other)``.

    Returns:
        A function of the same arguments; the gradient has the structure, shapes and dtypes of the
        argument (a tuple of gradients for several `argnums`). For a complex argument it is
        df/dx - i df/dy, as in JAX.

    Raises:
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
