"""First values of parameters: each gives a new array of a shape, drawn from a key.

`key` is one of `graphc.random`; by default a new one, split off the default key, which
`graphc.random.seed` sets. The fans of a shape (out, in, *kernel) are ``in`` and ``out`` times the
elements of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import random
from graphc.errors import DomainError, ShapeError

Shape = int | Sequence[int]


def zeros(shape: Shape, dtype: Any = np.float32) -> np.ndarray:
    """Zeros."""
    return np.zeros(shape, dtype)


def ones(shape: Shape, dtype: Any = np.float32) -> np.ndarray:
    """Ones."""
    return np.ones(shape, dtype)


def uniform(
    shape: Shape, a: float = 0.0, b: float = 1.0, dtype: Any = np.float32, key: Any = None
) -> np.ndarray:
    """Uniform in [a, b)."""
    drawn = random.uniform(_key(key), shape, np.dtype(dtype), a, b)
    return np.asarray(drawn)


def normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32, key: Any = None
) -> np.ndarray:
    """Normal, of a mean and a standard deviation."""
    drawn = random.normal(_key(key), shape, np.dtype(dtype))
    return np.asarray(mean + std * drawn, dtype)


def xavier_uniform(
    shape: Shape, gain: float = 1.0, dtype: Any = np.float32, key: Any = None
) -> np.ndarray:
    """Uniform in ±gain·sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010).

    Raises:
        ShapeError: a shape of fewer than two axes has no fans.

    >>> import numpy as np, graphc
    >>> w = graphc.nn.init.xavier_uniform((30, 20))
    >>> w.shape, w.dtype, bool(np.abs(w).max() <= np.sqrt(6 / 50))
    ((30, 20), dtype('float32'), True)
    """
    bound = gain * math.sqrt(6 / max(sum(fans(shape)), 1))
    return uniform(shape, -bound, bound, dtype, key)


def xavier_normal(
    shape: Shape, gain: float = 1.0, dtype: Any = np.float32, key: Any = None
) -> np.ndarray:
    """Normal of standard deviation gain·sqrt(2 / (fan_in + fan_out)); errors as the uniform one."""
    return normal(shape, 0.0, gain * math.sqrt(2 / max(sum(fans(shape)), 1)), dtype, key)


def he_uniform(
    shape: Shape,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    dtype: Any = np.float32,
    key: Any = None,
) -> np.ndarray:
    """Uniform in ±gain·sqrt(3 / fan) (He et al., 2015): PyTorch's ``kaiming_uniform_``.

    Args:
        a: the slope of a leaky ReLU that follows.
        mode: ``"fan_in"`` keeps the variance forward, ``"fan_out"`` backward.
        nonlinearity: what follows; see `gain_of`.

    Raises:
        ShapeError: a shape of fewer than two axes has no fans.
        DomainError: an unknown mode or nonlinearity.
    """
    bound = gain_of(nonlinearity, a) * math.sqrt(3 / _fan(shape, mode))
    return uniform(shape, -bound, bound, dtype, key)


def he_normal(
    shape: Shape,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    dtype: Any = np.float32,
    key: Any = None,
) -> np.ndarray:
    """Normal of standard deviation gain / sqrt(fan); as `he_uniform`."""
    return normal(shape, 0.0, gain_of(nonlinearity, a) / math.sqrt(_fan(shape, mode)), dtype, key)


def orthogonal(
    shape: Shape, gain: float = 1.0, dtype: Any = np.float32, key: Any = None
) -> np.ndarray:
    """A matrix whose rows or columns, whichever are fewer, are orthonormal, times `gain`.

    Saxe, McClelland and Ganguli, 2014. All axes but the first are taken as one.

    Raises:
        ShapeError: a shape of fewer than two axes.

    >>> import numpy as np, graphc
    >>> w = graphc.nn.init.orthogonal((3, 5), dtype=np.float64)
    >>> bool(np.allclose(w @ w.T, np.eye(3)))
    True
    """
    fans(shape)
    sizes = tuple(shape) if not isinstance(shape, int) else (shape,)
    rows, columns = sizes[0], math.prod(sizes[1:])
    drawn = np.asarray(random.normal(_key(key), (max(rows, columns), min(rows, columns))))
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diagonal(r))  # so that it is uniform among all such matrices
    q = q.T if rows < columns else q
    return np.ascontiguousarray((gain * q).reshape(sizes).astype(dtype))


def gain_of(nonlinearity: str, a: float = 0.01) -> float:
    """By how much a nonlinearity lessens the standard deviation; PyTorch's ``calculate_gain``.

    Raises:
        DomainError: an unknown one.
    """
    gains = {
        "linear": 1.0,
        "conv1d": 1.0,
        "conv2d": 1.0,
        "sigmoid": 1.0,
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + a * a)),
        "selu": 0.75,
    }
    if nonlinearity not in gains:
        raise DomainError(f"a gain is known for {', '.join(gains)}, not for {nonlinearity!r}")
    return gains[nonlinearity]


def fans(shape: Shape) -> tuple[int, int]:
    """How many inputs an output has, and how many outputs an input has.

    Raises:
        ShapeError: a shape of fewer than two axes.
    """
    if isinstance(shape, int) or len(shape) < 2:
        raise ShapeError(f"the shape {shape} has no fans: it needs two axes, (out, in, ...)")
    elements = math.prod(shape[2:])
    return shape[1] * elements, shape[0] * elements


def _fan(shape: Shape, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise DomainError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return max(fans(shape)[mode == "fan_out"], 1)


def _key(key: Any) -> Any:
    return random.next_key() if key is None else key
