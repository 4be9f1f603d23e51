"""Window functions, and the Bessel function that one of them is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.functions.common import FLOAT64, as_array, static_int
from graphc.trace.convert import is_weak
from graphc.trace.dispatch import implements
from graphc.trace.sizes import TracedSize
from graphc.trace.values import TracedArray, fresh_array

NEAR = (
    -4.4153416464793395e-18,
    3.3307945188222384e-17,
    -2.431279846547955e-16,
    1.715391285555133e-15,
    -1.1685332877993451e-14,
    7.676185498604936e-14,
    -4.856446783111929e-13,
    2.95505266312964e-12,
    -1.726826291441556e-11,
    9.675809035373237e-11,
    -5.189795601635263e-10,
    2.6598237246823866e-09,
    -1.300025009986248e-08,
    6.046995022541919e-08,
    -2.670793853940612e-07,
    1.1173875391201037e-06,
    -4.4167383584587505e-06,
    1.6448448070728896e-05,
    -5.754195010082104e-05,
    0.00018850288509584165,
    -0.0005763755745385824,
    0.0016394756169413357,
    -0.004324309995050576,
    0.010546460394594998,
    -0.02373741480589947,
    0.04930528423967071,
    -0.09490109704804764,
    0.17162090152220877,
    -0.3046826723431984,
    0.6767952744094761,
)
"""Coefficients of ``exp(-x) I0(x)`` on [0, 8]: C. W. Clenshaw, 1962, from Cephes."""
FAR = (
    -7.233180487874754e-18,
    -4.830504485944182e-18,
    4.46562142029676e-17,
    3.461222867697461e-17,
    -2.8276239805165836e-16,
    -3.425485619677219e-16,
    1.7725601330565263e-15,
    3.8116806693526224e-15,
    -9.554846698828307e-15,
    -4.150569347287222e-14,
    1.54008621752141e-14,
    3.8527783827421426e-13,
    7.180124451383666e-13,
    -1.7941785315068062e-12,
    -1.3215811840447713e-11,
    -3.1499165279632416e-11,
    1.1889147107846439e-11,
    4.94060238822497e-10,
    3.3962320257083865e-09,
    2.266668990498178e-08,
    2.0489185894690638e-07,
    2.8913705208347567e-06,
    6.889758346916825e-05,
    0.0033691164782556943,
    0.8044904110141088,
)
"""Coefficients of ``exp(-x) sqrt(x) I0(x)`` from 8 on, from Cephes."""


def _chebyshev(x: Any, coefficients: tuple[float, ...]) -> Any:
    """A Chebyshev series, by Clenshaw's recurrence."""
    last: Any = coefficients[0]
    before: Any = 0.0
    earlier: Any = 0.0
    for coefficient in coefficients[1:]:
        earlier, before = before, last
        last = x * before - earlier + coefficient
    return 0.5 * (last - earlier)


@implements(np.i0)
def i0(x: Any) -> Any:
    """`numpy.i0`: the modified Bessel function of the first kind of order 0."""
    array: Any = as_array(x)
    if array.dtype.kind == "c":
        raise TypeError("i0 not supported for complex values")
    if array.dtype.kind != "f":
        array = fresh_array(ops.cast(array.value, FLOAT64))
    size: Any = np.absolute(array)
    small = np.less_equal(size, 8.0)
    far = np.where(small, 9.0, size).astype(size.dtype)
    near = np.exp(size) * _chebyshev(size / 2.0 - 2, NEAR)
    distant = np.exp(far) * _chebyshev(32.0 / far - 2.0, FAR) / np.sqrt(far)
    return np.where(small, near, distant)


@implements(np.kaiser)
def kaiser(M: Any, beta: Any) -> Any:
    """`numpy.kaiser`, of a traced `beta`, too."""
    count = static_int(M, "the length of a window")
    if is_weak(beta) and not hasattr(beta, "value"):
        return fresh_array(ops.constant(np.kaiser(count, beta)))
    if count <= 1:
        return fresh_array(ops.constant(np.ones(max(count, 0))))
    half = (count - 1) / 2.0
    round_ = fresh_array(ops.constant(np.sqrt(1 - ((np.arange(count) - half) / half) ** 2.0)))
    return i0(beta * round_) / i0(beta)


def _of_length(function: Any) -> None:
    """Register a window that depends on nothing but its length."""

    def window(M: Any) -> TracedArray:
        count = static_int(M, "the length of a window") if type(M) is not TracedSize else int(M)
        return fresh_array(ops.constant(function(count)))

    implements(function)(window)


for _function in (np.bartlett, np.blackman, np.hamming, np.hanning):
    _of_length(_function)
