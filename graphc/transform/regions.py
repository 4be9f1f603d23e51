"""`checkpoint`, `custom_vjp` and `stop_gradient`: what a derivative does with a part."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np

from graphc import specialize
from graphc.trace.context import current
from graphc.trace.region import stopped, traced_checkpoint, traced_custom_vjp
from graphc.trace.trees import tree_map
from graphc.transform.base import Transform


class Checkpoint(Transform):
    """A function whose intermediates are not kept for the backward pass."""

    def _with(self, function: Callable[..., Any]) -> Checkpoint:
        return Checkpoint(function, "checkpoint")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return self.__wrapped__(*args, **kwargs)
        return traced_checkpoint(self.__wrapped__, args, kwargs)


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function `f`, computed again in the backward pass instead of keeping what it computed.

    Memory for time: of a chain of checkpointed blocks only what goes from one to the next is kept.
    What `f` writes or prints happens once. Forward mode and calls that nothing is differentiated
    through are not changed.

    >>> import numpy as np, graphc
    >>> block = graphc.checkpoint(lambda x: x * x)
    >>> graphc.grad(lambda x: block(block(x)).sum())(np.array([1.0, 2.0]))
    array([ 4., 32.])
    """
    return Checkpoint(f, "checkpoint")


class CustomVjp(Transform):
    """A function with a derivative of its own; see `custom_vjp`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, "custom_vjp")
        self.forward: Callable[..., Any] | None = None
        self.backward: Callable[..., Any] | None = None
        self._rule: Any = object()

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> CustomVjp:
        """Set the derivative.

        Args:
            forward: of the same arguments; returns ``(result, residuals)``, where residuals are
                any pytree that `backward` wants.
            backward: ``(residuals, cotangent) -> cotangents``, a tuple with one for each argument:
                like it, or None for zero. `cotangent` is like the result.

        Raises:
            TypeError: one of them is no function.
        """
        for role, given in (("forward", forward), ("backward", backward)):
            if not callable(given):
                raise TypeError(
                    f"{self.__name__}.defvjp takes functions, but {role} is {given!r}. Write "
                    "defvjp(lambda x: (f(x), residuals), lambda residuals, g: (cotangent_of_x,))"
                )
        self.forward, self.backward = forward, backward
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return self.__wrapped__(*args, **kwargs)
        if kwargs:
            bound = inspect.signature(self.__wrapped__).bind(*args, **kwargs)
            bound.apply_defaults()
            args = bound.args
        return traced_custom_vjp(self.__wrapped__, self.forward, self.backward, args, self._rule)

    def _with(self, function: Callable[..., Any]) -> CustomVjp:
        """The same rule for a bound method: `forward` takes the object too, `backward` does not."""
        bound = CustomVjp(function)
        if self.forward is not None:
            bound.forward = MethodType(self.forward, function.__self__)  # type: ignore[attr-defined]
        bound.backward = self.backward
        bound._rule = (self._rule, id(function.__self__))  # type: ignore[attr-defined]
        return bound

    def __graphc_fingerprint__(self) -> Any:
        functions = (self.__wrapped__, self.forward, self.backward)
        return (CustomVjp, *map(specialize.fingerprint, functions))

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        capture.require(f"type({source}) is {capture.constant(CustomVjp)}")
        wrapped = CustomVjp(capture.wrap(self.__wrapped__, f"{source}.__wrapped__"))
        wrapped.forward = capture.wrap(self.forward, f"{source}.forward")
        wrapped.backward = capture.wrap(self.backward, f"{source}.backward")
        wrapped._rule = self._rule
        return wrapped


def custom_vjp(f: Callable[..., Any]) -> CustomVjp:
    """Give the function `f` a derivative of its own, with ``.defvjp(forward, backward)``.

    `f`, `forward` and `backward` must be pure: no writes to arrays from outside, no prints.
    Derivatives of higher order differentiate `forward` and `backward`; within these `f` is the
    plain function.

    Raises:
        TraceError: in a derivative, before `defvjp` was called, or if a function is not pure.
        ShapeError, DTypeError: `backward` gives a cotangent that is not like its argument.
        UnsupportedError: under `jvp`; or where the derivative is taken by an array that `f` reads
            from outside, for which `backward` can't give a cotangent.

    >>> import numpy as np, graphc
    >>> @graphc.custom_vjp
    ... def clipped(x):
    ...     return x * 1.0
    >>> _ = clipped.defvjp(lambda x: (x * 1.0, None), lambda _, g: (np.clip(g, -1, 1),))
    >>> graphc.grad(lambda x: (5 * clipped(x)).sum())(np.array([1.0, 2.0]))
    array([1., 1.])
    """
    return CustomVjp(f)


def stop_gradient(x: Any) -> Any:
    """A copy of `x` that derivatives take for a constant; `x` may be a pytree.

    >>> import numpy as np, graphc
    >>> graphc.grad(lambda x: x * graphc.stop_gradient(x))(3.0)
    3.0
    """
    if current() is not None:
        return tree_map(stopped, x)
    return tree_map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, x)
