"""Random numbers as pure functions of a key: the same on every target and for any thread count.

A key is a ``uint32[2]``. The bits of element i are Threefry-2x32 (20 rounds) of the key and the
counter i, so a number depends on nothing but its key and its place; a key that is used twice gives
the same numbers twice, and `split` makes new ones. The numbers are those of ``jax.random`` (with
its default, partitionable, Threefry), up to rounding.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from graphc import ops, specialize
from graphc.errors import DTypeError, ShapeError
from graphc.frames import USER_FRAMES
from graphc.functions.common import array_or_scalar, as_array
from graphc.ir import Value
from graphc.options import Options
from graphc.trace.context import active, current
from graphc.trace.convert import (
    array_like,
    as_dtype,
    as_shape,
    broadcast_shapes,
    is_weak,
    normalized_axis,
)
from graphc.trace.derivative import described
from graphc.trace.dispatch import locates
from graphc.trace.values import fresh_array, is_traced
from graphc.types import DTYPES, Shape, Size, TensorType, product

UINT32, UINT64, INT64 = DTYPES["uint32"], DTYPES["uint64"], DTYPES["int64"]
FLOAT64 = DTYPES["float64"]
_MASK = 0xFFFFFFFF
_SHUFFLES = 3
"""Random bits of a permutation, in multiples of those that would tell all positions apart."""

_MAKE_A_KEY = (
    "Numbers depend on a key alone, no generator: make one with key = graphc.random.key(0), and a "
    "new one for each further draw with key, used = graphc.random.split(key)."
)

_ARRAY_LIKE = (np.ndarray, np.generic, list, tuple)

_Function = TypeVar("_Function", bound=Callable[..., Any])

_default = np.zeros(2, np.uint32)


def _compiled(function: _Function) -> _Function:
    """Outside compiled code a call of `function` compiles it for the shapes that it is given."""
    located = locates(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with USER_FRAMES:
            if current() is not None:
                return located(*args, **kwargs)
            if specialize.is_eager():
                return specialize.run_eagerly(call, args, kwargs)
            name = function.__name__
            forms = specialize.specializations_of(function, name, Options(), many=True)
            return forms.call(call, args, kwargs, ())

    return cast(_Function, call)


# --- keys -----------------------------------------------------------------------------------------


def key(seed: int) -> np.ndarray:
    """The key of a seed: its upper and its lower 32 bits, as ``uint32[2]``.

    Raises:
        TypeError: the seed is no int.

    >>> import graphc
    >>> graphc.random.key(7)
    array([0, 7], dtype=uint32)
    """
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"graphc.random.key takes an int, not {described(seed)}") from None
    return np.array([(number >> 32) & _MASK, number & _MASK], np.uint32)


@_compiled
def split(key: np.ndarray, n: int = 2) -> np.ndarray:
    """`n` new keys, ``uint32[n, 2]``, whose numbers have nothing to do with each other's.

    Raises:
        DTypeError, ShapeError: `key` is no ``uint32[2]``.

    >>> import graphc
    >>> graphc.random.split(graphc.random.key(0))
    array([[1797259609, 2579123966],
           [ 928981903, 3453687069]], dtype=uint32)
    """
    (count,) = as_shape(n)
    blocks = _blocks(_key(key), count)
    words = [ops.reshape(word, (count, 1)) for word in _words(blocks)]
    return cast(np.ndarray, array_or_scalar(ops.concatenate(words, 1)))


def seed(n: int) -> None:
    """Set the default key, which `next_key` splits keys off.

    Raises:
        TypeError: the seed is no int.

    >>> import graphc
    >>> graphc.random.seed(0)
    """
    _default[...] = key(n)


def default_key() -> np.ndarray:
    """A copy of the default key, for `set_default_key` to go on from later.

    >>> import graphc
    >>> graphc.random.seed(3)
    >>> graphc.random.default_key()
    array([0, 3], dtype=uint32)
    """
    return _default.copy()


def set_default_key(key: np.ndarray) -> None:
    """Set the default key to one that `default_key` gave.

    Raises:
        DTypeError, ShapeError: `key` is no ``uint32[2]``.
    """
    if not isinstance(key, np.ndarray) or key.dtype != np.uint32:
        raise DTypeError("a key is an array of uint32", hint=_MAKE_A_KEY)
    if key.shape != (2,):
        raise ShapeError(f"a key is uint32[2], not {key.shape}")
    _default[...] = key


def next_key() -> Any:
    """A new key, split off the default one, which it moves on; also inside compiled code.

    For programs that would rather not carry keys along: each call of a compiled function that asks
    for one draws other numbers. `seed` starts the sequence again.

    >>> import graphc
    >>> @graphc.compile
    ... def roll():
    ...     return graphc.random.randint(graphc.random.next_key(), (3,), 1, 7)
    >>> graphc.random.seed(0)
    >>> first, second = roll(), roll()
    >>> graphc.random.seed(0)
    >>> first.tolist(), second.tolist(), roll().tolist() == first.tolist()
    ([5, 3, 2], [1, 2, 3], True)
    """
    trace = current()
    state = _default if trace is None else trace.capture.kept(_default)
    keys = split(state)
    state[...] = keys[0]
    return keys[1]


def _key(key: Any) -> Value:
    if not (is_traced(key) or is_weak(key) or isinstance(key, _ARRAY_LIKE)):
        raise DTypeError("a key is an array, uint32[2], no generator or object", hint=_MAKE_A_KEY)
    value = array_like(key).value
    if value.dtype != UINT32:
        raise DTypeError(f"a key is an array of uint32, not {value.type}", hint=_MAKE_A_KEY)
    if value.shape != (2,):
        raise ShapeError(
            f"a key is uint32[2], not {value.type}",
            hint="Take one of several: keys[0].",
        )
    return value


# --- bits -----------------------------------------------------------------------------------------


def _blocks(key: Value, count: Any) -> Value:
    """The blocks of counters 0, 1, ..., `count` - 1, as uint64."""
    place = ops.cast(ops.iota(count), UINT64)
    upper = ops.right_shift(place, ops.full_like(place, 32))
    first, second = (
        ops.broadcast_to(ops.reshape(ops.slice_(key, (k,), (1,), (1,)), ()), (count,))
        for k in range(2)
    )
    return ops.threefry2x32(first, second, ops.cast(upper, UINT32), ops.cast(place, UINT32))


def _words(blocks: Value) -> tuple[Value, Value]:
    """The two words of each block, as uint32."""
    upper = ops.right_shift(blocks, ops.full_like(blocks, 32))
    return ops.cast(upper, UINT32), ops.cast(blocks, UINT32)


def _bits(key: Value, width: int, shape: Shape) -> Value:
    """Unsigned integers of 32 or 64 random bits."""
    blocks = _blocks(key, product(shape))
    if width == 32:
        blocks = ops.bitwise_xor(*_words(blocks))
    return ops.reshape(blocks, shape)


def _unit(key: Value, shape: Shape, dtype: np.dtype) -> Value:
    """Floats in [0, 1): multiples of the distance of floats below 1, all equally likely."""
    info = np.finfo(dtype)
    bits = _bits(key, info.bits, shape)
    fraction = ops.right_shift(bits, ops.full_like(bits, info.bits - info.nmant))
    return _times(ops.cast(fraction, dtype), 2.0**-info.nmant)


def _times(x: Value, factor: float) -> Value:
    return ops.multiply(x, ops.full_like(x, factor))


def _float_dtype(dtype: Any, name: str) -> np.dtype:
    found = as_dtype(dtype)
    if found.kind != "f":
        raise DTypeError(f"graphc.random.{name} gives floats, not {found.name}")
    return found


def _spread(x: Any, shape: Shape, dtype: np.dtype) -> Value:
    """A bound or probability as an array of `shape`."""
    value = ops.cast(array_like(x).value, dtype)
    if broadcast_shapes(value.shape, shape) != tuple(shape):
        raise ShapeError(f"{value.type} does not broadcast to the shape {tuple(shape)}")
    return as_array(array_or_scalar(value)).broadcast(shape).value


# --- distributions --------------------------------------------------------------------------------


@_compiled
def uniform(
    key: np.ndarray,
    shape: int | Sequence[int] = (),
    dtype: Any = np.float64,
    minval: Any = 0.0,
    maxval: Any = 1.0,
) -> Any:
    """Floats in ``[minval, maxval)``, all equally likely.

    Args:
        key: a ``uint32[2]``.
        shape: of the result.
        dtype: float32 or float64.
        minval, maxval: bounds that broadcast to `shape`; derivatives by them are taken.

    Raises:
        DTypeError, ShapeError: no key, no float dtype, or bounds that do not broadcast.

    >>> import graphc
    >>> graphc.random.uniform(graphc.random.key(0), (3,)).round(3)
    array([0.418, 0.216, 0.965])
    """
    kind, extents = _float_dtype(dtype, "uniform"), as_shape(shape)
    low, high = _spread(minval, extents, kind), _spread(maxval, extents, kind)
    unit = _unit(_key(key), extents, kind)
    return array_or_scalar(_between(unit, low, high))


def _between(unit: Value, low: Value, high: Value) -> Value:
    scaled = ops.add(ops.multiply(unit, ops.subtract(high, low)), low)
    return ops.maximum(low, scaled)


@_compiled
def normal(key: np.ndarray, shape: int | Sequence[int] = (), dtype: Any = np.float64) -> Any:
    """Normally distributed floats of mean 0 and variance 1: the inverse error function of uniform.

    Raises:
        DTypeError, ShapeError: no key, or no float dtype.

    >>> import graphc
    >>> graphc.random.normal(graphc.random.key(0), (3,)).round(3)
    array([-0.206, -0.785,  1.816])
    """
    kind, extents = _float_dtype(dtype, "normal"), as_shape(shape)
    low = np.nextafter(np.array(-1, kind), np.array(0, kind))
    unit = _unit(_key(key), extents, kind)
    spread = _between(unit, ops.full_like(unit, low.item()), ops.full_like(unit, 1.0))
    return array_or_scalar(_times(ops.erfinv(spread), math.sqrt(2)))


@_compiled
def bernoulli(key: np.ndarray, p: Any = 0.5, shape: int | Sequence[int] | None = None) -> Any:
    """Bools that are True with probability `p`; of its shape where no `shape` is given.

    Raises:
        DTypeError, ShapeError: no key, or `p` does not broadcast to `shape`.

    >>> import graphc
    >>> graphc.random.bernoulli(graphc.random.key(0), 0.5, (4,))
    array([ True,  True, False, False])
    """
    chance = array_like(p).value
    kind = chance.dtype if chance.dtype.kind == "f" else FLOAT64
    extents = chance.shape if shape is None else as_shape(shape)
    return array_or_scalar(ops.less(_unit(_key(key), extents, kind), _spread(p, extents, kind)))


@_compiled
def randint(
    key: np.ndarray,
    shape: int | Sequence[int],
    minval: Any,
    maxval: Any,
    dtype: Any = np.int64,
) -> Any:
    """Integers from `minval` to `maxval` - 1; `minval` where there are none.

    The remainder of twice as many bits as the dtype has, so that its bias does not show.

    Raises:
        DTypeError, ShapeError: no key, no integer dtype of 32 or 64 bits, or bounds that do not
            broadcast to `shape`.

    >>> import graphc
    >>> graphc.random.randint(graphc.random.key(0), (5,), 0, 10)
    array([5, 1, 5, 7, 3])
    """
    kind = as_dtype(dtype)
    if kind.kind not in "iu" or kind.itemsize < 4:
        raise DTypeError(f"graphc.random.randint gives integers of 32 or 64 bits, not {kind.name}")
    extents = as_shape(shape)
    width = 8 * kind.itemsize
    unsigned = DTYPES[f"uint{width}"]
    low, high = _spread(minval, extents, kind), _spread(maxval, extents, kind)
    one = ops.full(TensorType(unsigned, extents), 1)
    span = ops.select(ops.less_equal(high, low), one, ops.cast(ops.subtract(high, low), unsigned))
    keys = _words_of_keys(_key(key))
    upper, lower = (ops.remainder(_bits(k, width, extents), span) for k in keys)
    half = ops.remainder(ops.full_like(one, 2 ** (width // 2)), span)
    weight = ops.remainder(ops.multiply(half, half), span)
    offset = ops.remainder(ops.add(ops.multiply(upper, weight), lower), span)
    return array_or_scalar(ops.add(low, ops.cast(offset, kind)))


def _words_of_keys(key: Value) -> list[Value]:
    """Two keys split off one."""
    words = [ops.reshape(word, (2, 1)) for word in _words(_blocks(key, 2))]
    rows = ops.concatenate(words, 1)
    return [ops.reshape(ops.slice_(rows, (k, 0), (1, 2), (1, 1)), (2,)) for k in range(2)]


@_compiled
def categorical(
    key: np.ndarray, logits: Any, axis: int = -1, shape: int | Sequence[int] | None = None
) -> Any:
    """Positions along `axis`, with probabilities ``softmax(logits, axis)``: the Gumbel-max trick.

    Args:
        key: a ``uint32[2]``.
        logits: logarithms of probabilities, up to a constant.
        axis: of `logits`; the result has the others.
        shape: of the result; its last axes are those of `logits` without `axis`.

    Raises:
        DTypeError, ShapeError: no key, logits that are no floats, or a shape that does not fit.

    >>> import numpy as np, graphc
    >>> graphc.random.categorical(graphc.random.key(0), np.log([[0.1, 0.9], [0.9, 0.1]]))
    array([1, 0])
    """
    value = array_like(logits).value
    kind = _float_dtype(value.dtype, "categorical's logits")
    place = axis % value.ndim
    rest = tuple(size for k, size in enumerate(value.shape) if k != place)
    wanted = rest if shape is None else as_shape(shape)
    lead = len(wanted) - len(rest)
    if lead < 0 or tuple(wanted[lead:]) != rest:
        raise ShapeError(f"categorical: the shape {tuple(wanted)} does not end in {rest}")
    whole = (*wanted[:lead], *value.shape)
    tiny = float(np.finfo(kind).tiny)
    unit = _unit(_key(key), whole, kind)
    spread = _between(unit, ops.full_like(unit, tiny), ops.full_like(unit, 1.0))
    gumbel = ops.negative(ops.log(ops.negative(ops.log(spread))))
    scores = ops.add(gumbel, ops.broadcast_to(value, whole))
    return array_or_scalar(ops.argmax(scores, (lead + place,)))


@_compiled
def permutation(key: np.ndarray, x: Any, axis: int = 0) -> Any:
    """The numbers 0 to x - 1, or the parts of an array along `axis`, in random order.

    Sorted by random bits, as often as it takes for equal bits not to show.

    Raises:
        DTypeError, ShapeError: no key, or an array without axes.
        numpy.exceptions.AxisError: `x` has no such axis.

    >>> import graphc
    >>> graphc.random.permutation(graphc.random.key(0), 5)
    array([0, 1, 4, 3, 2])
    """
    if isinstance(x, int | np.integer) and not isinstance(x, bool):
        return fresh_array(_shuffled(_key(key), as_shape(x)[0]))
    array = as_array(x)
    if array.ndim == 0:
        raise ShapeError("permutation: a 0-d array has no parts to put in order")
    place = normalized_axis(axis, array.ndim)
    order = _shuffled(_key(key), array.value.shape[place])
    return np.take(array, fresh_array(order), axis=place)


def _shuffled(key: Value, size: Size) -> Value:
    """The positions below `size` in random order, as int64."""
    count = active().static(size)
    rounds = math.ceil(_SHUFFLES * math.log(max(1, count)) / math.log(_MASK))
    order = ops.iota(count)
    for _ in range(rounds):
        key, drawn = _words_of_keys(key)
        order = ops.gather(order, (ops.argsort(_bits(drawn, 32, (count,))),), (0,))
    return order
