"""`vmap`: a function of one example becomes a function of many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.trace.mapped import traced_vmap
from graphc.transform.base import Transform


class Mapping(Transform):
    """A function run for all examples at once."""

    def __init__(self, function: Callable[..., Any], in_axes: Any, out_axes: Any) -> None:
        super().__init__(function, "vmap")
        self.in_axes = in_axes
        self.out_axes = out_axes

    def _parameters(self) -> tuple[Any, ...]:
        return (repr(self.in_axes), repr(self.out_axes))

    def _with(self, function: Callable[..., Any]) -> Mapping:
        return Mapping(function, self.in_axes, self.out_axes)

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        return traced_vmap(self.__wrapped__, self.in_axes, self.out_axes, args, kwargs)


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """The function that runs `f` for all examples along an axis, as a loop over them would.

    Args:
        f: what to do with one example. It is traced once; each of its operations is widened.
        in_axes: which axis holds the examples: an int for all arguments, or a tuple with an entry
            for each: an int, None for an argument that all examples share, or a pytree of these
            that is like the argument from above. Arguments given by name are mapped along axis 0.
        out_axes: along which axis the results are stacked: an int, None for a result that is the
            same for all, or a pytree of these.

    Returns:
        A function of the same arguments. Every result is an array. What `f` writes to an argument
        that is mapped reaches it.

    Raises:
        ShapeError: when called, if an argument has no such axis, or axes differ in size.
        TraceError: if `f` writes to an array that all examples share.

    >>> import numpy as np, graphc
    >>> graphc.vmap(lambda a, b: a @ b, in_axes=(0, None))(np.eye(3)[:2], np.array([1.0, 2.0, 3.0]))
    array([1., 2.])
    """
    return Mapping(f, in_axes, out_axes)
