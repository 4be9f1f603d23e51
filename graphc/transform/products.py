"""`vjp` and `jvp`: products with a Jacobian from the left and from the right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc import specialize
from graphc.frames import USER_FRAMES
from graphc.options import Options
from graphc.trace.context import current
from graphc.trace.products import PullbackCode, traced_jvp, traced_vjp
from graphc.transform.base import Transform


@dataclass(frozen=True, eq=False, repr=False)
class Pullback:
    """The linear map from the cotangents of a function's results to those of its arguments.

    It holds what it needs of the forward run, and may be called as often as wanted: on arrays, or
    inside compiled functions and transformations.
    """

    residuals: tuple[Any, ...]
    code: PullbackCode
    sizes: Mapping[str, int]

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        """The cotangents of the arguments, one an argument; None for leaves without derivative.

        Raises:
            ShapeError, DTypeError: `cotangent` is not like the function's result.
        """
        with USER_FRAMES:
            if current() is not None:
                return self.code.pulled(self.residuals, cotangent, self.sizes)
            if specialize.is_eager():
                return specialize.run_eagerly(self, (cotangent,), {})  # type: ignore[no-any-return]
            forms = specialize.specializations_of(self, "pullback", Options())
            return forms.call(self, (cotangent,), {}, ())  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<pullback over {len(self.residuals)} residuals>"

    def __graphc_fingerprint__(self) -> Any:
        return (Pullback, id(self.code), tuple(self.sizes.items()))

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        capture.require(f"type({source}) is {capture.constant(Pullback)}")
        capture.require(f"{source}.code is {capture.constant(self.code)}")
        capture.require(f"{source}.sizes == {capture.constant(dict(self.sizes))}")
        residuals = capture.wrap(self.residuals, f"{source}.residuals")
        return Pullback(residuals, self.code, self.sizes)


class VectorJacobian(Transform):
    """A function that gives ``(out, pullback)``."""

    def _with(self, function: Callable[..., Any]) -> VectorJacobian:
        return VectorJacobian(function, "vjp")

    def traced(self, *primals: Any) -> Any:
        return traced_vjp(self.__wrapped__, primals, Pullback)


class JacobianVector(Transform):
    """A function of primals and tangents that gives ``(out, tangent)``."""

    def _with(self, function: Callable[..., Any]) -> JacobianVector:
        return JacobianVector(function, "jvp")

    def traced(self, primals: Any, tangents: Any) -> Any:
        return traced_jvp(self.__wrapped__, primals, tangents)


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Run ``f(*primals)`` and give, beside its result, the map that pulls cotangents back.

    Args:
        f: any function of arrays, numbers and pytrees of them, with results of these kinds.
        primals: its arguments.

    Returns:
        ``(out, pullback)``. ``pullback(cotangent)`` takes a pytree like `out` and gives a tuple
        with an entry like each primal; leaves without derivatives (ints) are None on both sides.
        It may be called many times. Writes of `f` to its arguments happen once, in the run.

    Raises:
        ShapeError, DTypeError: from the pullback, if a cotangent is not like its result.
        UnsupportedError: an op on the way has no derivative.

    >>> import numpy as np, graphc
    >>> out, pullback = graphc.vjp(lambda x: x * x, np.array([1.0, 2.0, 3.0]))
    >>> out
    array([1., 4., 9.])
    >>> pullback(np.array([1.0, 0.0, 1.0]))
    (array([2., 0., 6.]),)
    """
    with USER_FRAMES:
        return VectorJacobian(f, "vjp")(*primals)  # type: ignore[no-any-return]


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Run ``f(*primals)`` and give, beside its result, how it moves when the primals do.

    Args:
        f: any function of arrays, numbers and pytrees of them, with results of these kinds.
        primals: a tuple of its arguments.
        tangents: a tuple of their directions, each like its primal; None is zero.

    Returns:
        ``(out, tangent)``, of one structure; leaves of `out` without derivatives (ints) have the
        tangent None. Nothing is stored on the way: memory does not grow with the depth of `f`.

    Raises:
        ShapeError, DTypeError: a tangent is not like its primal.
        UnsupportedError: an op on the way has no derivative, or is a `custom_vjp`.

    >>> import numpy as np, graphc
    >>> graphc.jvp(lambda x: x * x, (np.array([3.0, 4.0]),), (np.array([1.0, 0.0]),))
    (array([ 9., 16.]), array([6., 0.]))
    """
    with USER_FRAMES:
        return JacobianVector(f, "jvp")(primals, tangents)  # type: ignore[no-any-return]
