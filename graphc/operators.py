"""What is no array: graphc's own functions compute with it, operators and NumPy's functions don't.

A value of the graph and a scalar expression stand for numbers that are not there yet. NumPy would
take one for an object, and Python would only say that its class lacks an operator.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

from graphc.errors import TraceError


class NoArray:
    """Operators and NumPy functions raise TraceError, with what to write instead."""

    __slots__ = ()
    IS: ClassVar[str]
    INSTEAD: ClassVar[str]

    def _refuse(self, *others: Any, **options: Any) -> NoReturn:
        raise TraceError(
            f"{self.IS} takes no Python operators and no NumPy functions", hint=self.INSTEAD
        )

    __array_ufunc__ = __array_function__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __pos__ = __abs__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _refuse


class Scalar(NoArray):
    """What every expression of `graphc.loops` is."""

    __slots__ = ()
    IS = "a scalar expression"
    INSTEAD = (
        'Write apply("multiply", x, y) for x * y, and number(2, x) for a constant; both are in '
        "graphc.ops.elementwise.scalar."
    )
