"""What runs through an imported graph: arrays known while tracing, and traced ones.

============ ======================================================================================
static       a NumPy array: a small constant, a shape, what is computed of these. Its dtype is
             ``object`` where it holds symbolic sizes; NumPy's arithmetic works on them, too
traced       a value of graphc's trace
plain        outside of any trace (`graphc.eager`) all values are NumPy arrays
============ ======================================================================================

The code that runs a graph is not traced itself: it calls NumPy, which gives traced values where it
is given some.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ExportError
from graphc.trace.context import current
from graphc.trace.convert import array_like
from graphc.trace.dispatch import call_function
from graphc.trace.sizes import TracedSize
from graphc.trace.values import TracedArray, fresh_array, is_traced

LARGE = 4096
"""Elements beyond which nothing is computed while tracing: the compiled code does it."""


def is_static(x: Any) -> bool:
    """Whether the elements of `x` are known while tracing, but for symbolic sizes."""
    return not is_traced(x)


def lift(x: Any) -> Any:
    """`x` as a value to compute with: traced inside a trace, else an array."""
    if is_traced(x):
        return x
    array = np.asarray(x)
    if array.dtype == object:
        items = [array_like(item).value for item in array.reshape(-1).tolist()]
        parts = [ops.reshape(ops.cast(item, np.dtype(np.int64)), (1,)) for item in items]
        joined = fresh_array(ops.concatenate(parts, 0) if len(parts) > 1 else parts[0])
        return joined.reshape(array.shape)
    trace = current()
    if trace is None:
        return array
    if array.size > LARGE:
        return trace.capture.kept(array)
    return fresh_array(ops.constant(array))


def as_array(x: Any) -> Any:
    """`x` as an array, where NumPy gave a scalar for one without axes."""
    if not is_traced(x):
        return x if type(x) is np.ndarray else np.asarray(x)
    return x if issubclass(type(x), TracedArray) else fresh_array(array_like(x).value)


def known(x: Any) -> np.ndarray | None:
    """The elements of `x` as a NumPy array, or None where they are known at run time only."""
    if not is_traced(x):
        return np.asarray(x)
    if type(x) is TracedSize:
        return sizes_array((x,)).reshape(())
    node = x.value.node
    return ops.constant_array(node) if node.op.name == "constant" else None


def static(x: Any, what: str) -> np.ndarray:
    """The elements of an operand that shapes are made of.

    Raises:
        ExportError: they are known at run time only.
    """
    found = known(x)
    if found is None:
        raise ExportError(
            f"{what} has to be known while tracing, but it is computed from the model's inputs",
            hint="Sizes of arrays are, as symbolic integers; results whose shape depends on data "
            "are not supported.",
        )
    return found


def sizes(x: Any, what: str) -> tuple[Any, ...]:
    """A static operand as a tuple of ints, some of which may be symbolic.

    Raises:
        ExportError: as of `static`.
    """
    found = static(x, what).reshape(-1).tolist()
    return tuple(item if type(item) is TracedSize else int(item) for item in found)


def integer(x: Any, what: str) -> Any:
    """A static operand of one element as an int, which may be symbolic.

    Raises:
        ExportError: as of `static`, or it has more elements.
    """
    found = sizes(x, what)
    if len(found) != 1:
        raise ExportError(f"{what} should be a single number, but it has {len(found)}")
    return found[0]


def sizes_array(shape: Sequence[Any]) -> np.ndarray:
    """A shape as ONNX has it: int64 of one axis; symbolic sizes stay what they are."""
    if all(type(size) is int for size in shape):
        return np.array(shape, np.int64)
    found = np.empty(len(shape), object)
    found[:] = list(shape)
    return found


def product(items: Sequence[Any]) -> Any:
    """The product of sizes, symbolic ones among them."""
    result: Any = 1
    for item in items:
        result = result * item
    return result


def counted(size: Any) -> Any:
    """``0 ... size - 1`` as int64, for a size that may be symbolic; traced inside a trace."""
    if current() is None:
        return np.arange(size)
    return call_function(np.arange, (size,), {})


def full(shape: Sequence[Any], value: Any, dtype: Any) -> Any:
    """An array of one value; traced where it is large or its sizes are symbolic."""
    count = product(shape)
    if all(type(size) is int for size in shape) and count <= LARGE:
        return np.full(tuple(shape), value, dtype)
    return np.broadcast_to(lift(np.asarray(value, dtype)), tuple(shape))
