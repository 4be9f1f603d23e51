"""NumPy's classes in traced code: ``vectorize``, ``ndenumerate``, ``ndindex``, ``ndarray`` itself.

Those that make objects of their own, `matrix`, `nditer` and masked arrays, are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import as_array
from graphc.functions.creation import zeros
from graphc.ir import Value
from graphc.trace.context import active, user_location
from graphc.trace.convert import array_like, as_dtype, as_shape, broadcast_shapes, holds_traced
from graphc.trace.dispatch import locates
from graphc.trace.iterables import Places
from graphc.trace.mapped import traced_vmap
from graphc.trace.sizes import wrap_size
from graphc.trace.substitute import STAND_INS, Namespace, imported, type_stand_in
from graphc.trace.trees import leaves, unflatten
from graphc.trace.values import fresh_array, is_traced, number, scalar
from graphc.types import DTYPES, product

# --- a function of Python numbers, for each element -----------------------------------------------

_KINDS = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
_WIDE = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}


class Vectorized:
    """``np.vectorize(function)``: as NumPy's, the function gets Python numbers."""

    def __init__(
        self,
        pyfunc: Any = None,
        otypes: Any = None,
        doc: Any = None,
        excluded: Any = None,
        cache: bool = False,
        signature: Any = None,
    ) -> None:
        if excluded or signature is not None:
            raise UnsupportedError(
                "np.vectorize with excluded= or signature= is not covered",
                location=user_location(),
                hint="Use graphc.vmap with in_axes.",
            )
        self.pyfunc = pyfunc
        self.otypes = otypes

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.pyfunc is None:
            return Vectorized(args[0], self.otypes)
        if kwargs:
            raise UnsupportedError(
                "a function of np.vectorize called by keyword",
                location=user_location(),
                hint="Pass its arguments by position.",
            )
        if not holds_traced(args):
            return imported(np.vectorize(self.pyfunc, otypes=self.otypes)(*args))
        return self._mapped(*args)

    @locates
    def _mapped(self, *args: Any) -> Any:
        arrays = [array_like(x).value for x in args]
        shape = broadcast_shapes(*(x.shape for x in arrays))
        count = product(shape)
        if not active().holds(">", count, 0):
            raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
        kinds = [_KINDS[x.dtype.kind] for x in arrays]
        rows = []
        for x, kind in zip(arrays, kinds, strict=True):
            wide = ops.cast(ops.broadcast_to(x, shape), DTYPES[_WIDE[kind]])
            rows.append(fresh_array(ops.reshape(wide, (count,))))

        def each(*items: Any) -> Any:
            numbers = [number(x.value, kind) for x, kind in zip(items, kinds, strict=True)]
            return self.pyfunc(*numbers)

        dtypes = self._dtypes(arrays)
        found = traced_vmap(each, 0, 0, tuple(rows), {})
        results = [
            fresh_array(ops.cast(ops.reshape(x.value, shape), dtype))
            for x, dtype in zip(leaves(found), dtypes, strict=True)
        ]
        return unflatten(found, results)

    def _dtypes(self, arrays: list[Value]) -> list[np.dtype]:
        """Those that are given; else, as in NumPy, those of the function of NumPy scalars."""
        if self.otypes is not None:
            return [as_dtype(item) for item in self.otypes]
        zeros = [scalar(ops.zeros(x.tensor.with_shape(()))) for x in arrays]
        return [array_like(x).value.dtype for x in leaves(self.pyfunc(*zeros))]


# --- places and elements --------------------------------------------------------------------------


def _ndindex(*shape: Any) -> Any:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    return Places(as_shape(tuple(sizes)))


def _ndenumerate(arr: Any) -> Any:
    array = as_array(arr)
    return Places(array.value.shape, array)


class _Broadcast:
    """``np.broadcast(...)``: the common shape."""

    def __init__(self, *arrays: Any) -> None:
        shape = broadcast_shapes(*(array_like(x).value.shape for x in arrays))
        self.shape = tuple(wrap_size(size, active()) for size in shape)
        self.size = wrap_size(product(shape), active())
        self.ndim = self.nd = len(shape)
        self.numiter = len(arrays)

    def __iter__(self) -> Any:
        raise _refusal("iterating over np.broadcast", "Iterate over np.broadcast_arrays(...).")


# --- ndarray --------------------------------------------------------------------------------------


def _unbound(name: str, actual: Any) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_traced(self):
            return getattr(self, name)(*args, **kwargs)
        return imported(actual(self, *args, **kwargs))

    method.__name__ = name
    return method


def ndarray(
    shape: Any,
    dtype: Any = float,
    buffer: Any = None,
    offset: int = 0,
    strides: Any = None,
    order: Any = None,
) -> Any:
    """`numpy.ndarray` as a constructor: an empty array."""
    if buffer is not None or strides is not None:
        raise _refusal("np.ndarray over a buffer", "Pass the array as an argument.")
    return zeros(shape, dtype, order or "C")


class _ArrayType(type(type_stand_in("ndarray", np.ndarray, None))):  # type: ignore[misc]
    """Makes ``np.ndarray.sum(x)`` the method of `x`."""

    def __getattr__(cls, name: str) -> Any:
        member = getattr(np.ndarray, name)
        if name.startswith("__") or not callable(member):
            return member
        return _unbound(name, member)


# --- what is refused ------------------------------------------------------------------------------

MASKED = "Keep the mask beside the array: np.where(mask, 0, x).sum(), or NaN and the nan functions."
REFUSED = {
    np.nditer: "Write what it computes as an array expression, or loop over np.ndindex(x.shape).",
    np.flatiter: "Use x.reshape(-1), or x.flat.",
    np.matrix: "Use the array itself: it has @ for products and .T; np.linalg.inv for .I.",
    np.memmap: "Open the file outside the compiled function and pass the array in.",
    np.poly1d: "Keep the coefficients in an array: np.polyval, np.polyadd, np.polymul, np.polyder.",
}


def _refusal(what: str, hint: str) -> UnsupportedError:
    return UnsupportedError(
        f"{what} is not covered for traced arrays", location=user_location(), hint=hint
    )


def _refused_class(actual: type, prefix: str, hint: str) -> Any:
    def make(*args: Any, **kwargs: Any) -> Any:
        if holds_traced(args, kwargs):
            raise _refusal(f"{prefix}.{actual.__name__}", hint)
        return actual(*args, **kwargs)

    return type_stand_in(actual.__name__, actual, make)


class _MaskedArrays(Namespace):
    """``np.ma`` in traced code: refused for traced values."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.__wrapped__, name)
        if isinstance(member, type):
            self.__dict__[name] = _refused_class(member, "np.ma", MASKED)
            return self.__dict__[name]
        if not callable(member):
            return member

        def refused(*args: Any, **kwargs: Any) -> Any:
            if holds_traced(args, kwargs):
                raise _refusal(f"np.ma.{name}", MASKED)
            return member(*args, **kwargs)

        return refused


STAND_INS[np.ndarray] = _ArrayType(
    "ndarray", (), {"actual": np.ndarray, "make": staticmethod(ndarray)}
)
STAND_INS[np.vectorize] = type_stand_in("vectorize", np.vectorize, Vectorized)
STAND_INS[np.ndindex] = type_stand_in("ndindex", np.ndindex, _ndindex)
STAND_INS[np.ndenumerate] = type_stand_in("ndenumerate", np.ndenumerate, _ndenumerate)
STAND_INS[np.broadcast] = type_stand_in("broadcast", np.broadcast, _Broadcast)
STAND_INS[np.ma] = _MaskedArrays(np.ma)
for _class, _hint in REFUSED.items():
    STAND_INS[_class] = _refused_class(_class, "np", _hint)
