"""`jacobian` and `hessian`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.trace.jacobian import traced_jacobian
from graphc.transform.argnums import checked_argnums, positions
from graphc.transform.base import Transform


class Jacobian(Transform):
    """All first derivatives of a function; `mode` is ``least``, ``forward`` or ``reverse``."""

    def __init__(
        self, function: Callable[..., Any], argnums: int | Sequence[int], mode: str, name: str
    ) -> None:
        super().__init__(function, name)
        self.mode = mode
        self.name = name
        self.argnums = checked_argnums(name, self.of, argnums)

    @property
    def of(self) -> Any:
        """The user's function: a Hessian is the Jacobian of its Jacobian."""
        inner: Any = self.__wrapped__
        return inner.__wrapped__ if self.name == "hessian" else inner

    def _parameters(self) -> tuple[Any, ...]:
        return (self.argnums, self.mode, self.name)

    def _with(self, function: Callable[..., Any]) -> Jacobian:
        return Jacobian(function, self.argnums, self.mode, self.name)

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        chosen = positions(self.name, self.of, self.argnums, args)
        return traced_jacobian(self.__wrapped__, chosen, self.mode, args, kwargs)


def jacobian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The function that gives all first derivatives of `f`.

    Args:
        f: a function with floating (or complex) results, or pytrees of them.
        argnums: position, or positions, of the arguments to differentiate by; negative ones count
            from the end of the call.

    Returns:
        A function of the same arguments. Its result has the structure of that of `f`, each leaf
        replaced by a tree like the argument (a tuple of trees for several `argnums`), whose leaves
        have the axes of the result, then those of the argument, and the argument's dtype (the
        result's, where only that is complex). Forward mode is used where the arguments have fewer
        elements than the results, else reverse mode.

    Raises:
        TypeError: `f` is no function, or `argnums` holds something else than ints.
        DomainError: when called, if `argnums` names an argument that is not there, or one twice.
        DTypeError, TraceError: when called, if an argument has nothing to differentiate by.
        UnsupportedError: an op on the way has no derivative.

    >>> import numpy as np, graphc
    >>> graphc.jacobian(lambda x: x[:2] * x[2])(np.array([1.0, 2.0, 3.0]))
    array([[3., 0., 1.],
           [0., 3., 2.]])
    """
    return Jacobian(f, argnums, "least", "jacobian")


def hessian(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """The function that gives all second derivatives of `f`: `jacobian`, forward over reverse.

    The result has the structure of that of `f`, then of the argument, twice. For a product with
    one vector, ``graphc.jvp(graphc.grad(f), (x,), (v,))[1]`` costs about as much as a gradient.

    >>> import numpy as np, graphc
    >>> graphc.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    chosen = checked_argnums("hessian", f, argnums)
    return Jacobian(Jacobian(f, chosen, "reverse", "jacobian"), chosen, "forward", "hessian")
