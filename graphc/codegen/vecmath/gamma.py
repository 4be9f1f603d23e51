"""gamma, its logarithm, digamma and trigamma, branch-free, in float64.

Far from 0 Stirling's series, its rest as a polynomial in z**-2; near 0 a polynomial on an interval
of length 1 or 1.5 and the recurrence; for negative numbers the reflection (NIST Handbook of
Mathematical Functions, 5.5 and 5.11). Coefficients: ``tests/codegen/fit_special.py``.
"""

from __future__ import annotations

import math
from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.exponential import exp_parts
from graphc.codegen.vecmath.logarithm import (
    LN2_HEAD,
    LN2_TAIL,
    log,
    mantissa_and_exponent,
)
from graphc.codegen.vecmath.power import logarithm_of_mantissa

HALF_LOG_2_PI_E = (0.4189385332046727, 1.6728209650585413e-17)
"""``(log(2 pi) - 1) / 2`` in two parts."""
DIGAMMA_ZERO = (1.4616321449683622, 9.549995429965697e-17)
"""The zero of digamma, in two parts."""
STIRLING = (
    0.0833333333333333,
    -0.002777777777747905,
    0.000793650785467419,
    -0.0005952370357862473,
    0.0008416719115726905,
    -0.001913747356961799,
    0.0062851890053663055,
    -0.02652840468961084,
    0.12349606444282978,
    -0.5404755062016267,
    1.9427949554252262,
    -5.093597666808787,
    8.422509627535904,
    -6.504420177630117,
)
"""``(log gamma(z) - (z - 1/2) log z + z - log(2 pi) / 2) z`` in t = z**-2 for z from 2.5, error
over z below 2**-60.9."""
LOG_GAMMA = (
    0.4501393121092563,
    -0.11948158662524275,
    0.044520447198509394,
    -0.019053957830246746,
    0.008776370425278911,
    -0.004226194125964975,
    0.0020955338792023144,
    -0.0010605660740064494,
    0.0005448970031374375,
    -0.00028319064306197986,
    0.00014851663517558285,
    -7.846155569226578e-05,
    4.17062857959138e-05,
    -2.2282591232262354e-05,
    1.1945816117960494e-05,
    -6.432193465941823e-06,
    3.516893875615291e-06,
    -1.9135732903257025e-06,
    9.41640126227377e-07,
    -5.007522457794989e-07,
    4.3563120177338296e-07,
    -2.521211294954612e-07,
    -3.405542058584176e-08,
    2.7604122388061368e-08,
    9.133153705117035e-08,
    -5.282912286575671e-08,
)
"""``log gamma(x) / ((x - 1)(x - 2))`` in x - 1.75 on [1, 2.5], error below 2**-55.8."""
GAMMA = (
    1.329340388179137,
    0.9347345216260855,
    0.6545585779813361,
    0.25387124684114376,
    0.10967323400222673,
    0.028360780594777788,
    0.010392403423184675,
    0.0016074004868690253,
    0.0007544741845553543,
    3.94175124020712e-06,
    6.132933502302795e-05,
    -1.2801307100027384e-05,
    7.2581880432596835e-06,
    -2.5623552561487493e-06,
    1.0654353273017196e-06,
    -4.177625108162228e-07,
    2.0596536908194426e-07,
    -8.313302656842926e-08,
)
"""``gamma(x)`` in x - 2.5 on [2, 3], error below 2**-55.3."""
SINE = (
    -1.6449340668482264,
    0.8117424252833416,
    -0.19075182412155248,
    0.026147847806302735,
    -0.0023460809011564714,
    0.00014842786596400983,
    -6.9721558105124206e-06,
    2.450823213368793e-07,
)
"""``(sin(pi r) / (pi r) - 1) / r**2`` in r**2 for r up to 1/2, error times r**2 below 2**-56.1."""
DIGAMMA_TAIL = (
    0.08333333333332431,
    -0.008333333328926773,
    0.003968253199250718,
    -0.00416659725430233,
    0.0075719306288379315,
    -0.020950607744946455,
    0.07951954514642678,
    -0.3650836651673386,
    1.7573049845571298,
    -7.836010121046116,
    29.603683590172956,
    -88.76044108781504,
    199.12453038919244,
    -310.93110574202916,
    299.68597818861286,
    -133.77844285071504,
)
"""``(log z - 1 / (2 z) - digamma(z)) z**2`` in t = z**-2 for z from 2, error times t below
2**-57.2."""
DIGAMMA_NEAR = (
    0.9676722454476212,
    -0.44276316898359147,
    0.25849976095565,
    -0.16394270544260467,
    0.10782405069149276,
    -0.07219956123765113,
    0.048804288142725395,
    -0.03316112729151044,
    0.022597649220146704,
    -0.015424746481339716,
    0.010538765981768006,
    -0.007204810065864074,
    0.00492718244385659,
    -0.003367384174496287,
    0.0023012173506886196,
    -0.001589930338185983,
    0.001102581847435018,
    -0.0006981875294407866,
    0.0004184358308922815,
    -0.00039927742860837006,
    0.00040366365129753556,
    -0.0001783338940525929,
)
"""``digamma(x) / d`` in d = x - 1.4616..., its zero, on [1, 2], error below 2**-54.1."""
COTANGENT = (
    3.2898681336964164,
    2.1646464674352606,
    2.0346861223486794,
    2.0081548146681527,
    2.0019853261189278,
    2.000584522610059,
    1.9986063703073438,
    2.017467918349116,
    1.8574418379168014,
    2.829326211305849,
    -1.3828155574509298,
    11.32320855048247,
    -14.019183682855477,
    16.019050929243512,
)
"""``(1 / r - pi cot(pi r)) / r`` in r**2 for r up to 1/2, error times r**2 below 2**-53.4."""
TRIGAMMA_TAIL = (
    0.1666666666666107,
    -0.033333333302627235,
    0.023809517781043423,
    -0.03333272006205724,
    0.0757193759353044,
    -0.25150531674246807,
    1.1176316327678542,
    -5.946399026179472,
    33.28709663331152,
    -174.91923573506568,
    794.7351152401867,
    -2947.741225382532,
    8520.766239172675,
    -18281.214243439652,
    27224.171118464394,
    -25022.239319503686,
    10665.063684877448,
)
"""``(trigamma(z) - 1 / z - 1 / (2 z**2)) z**3`` in t = z**-2 for z from 2, error times t below
2**-54.7."""
TRIGAMMA_NEAR = (
    0.9348022005446793,
    -0.8287966442343226,
    0.7045455170012304,
    -0.5790416377769473,
    0.4630645250992463,
    -0.3621493651205502,
    0.2780808134961076,
    -0.21030986848732883,
    0.15705319549706934,
    -0.11604084598309326,
    0.08496893604406333,
    -0.061738438017079955,
    0.044564533857479396,
    -0.03200608611308758,
    0.022861896449123467,
    -0.01611019148048393,
    0.011387842001765836,
    -0.008687777216697997,
    0.006181318300755831,
    -0.002514181475672662,
    0.0016456510611893584,
    -0.004066976630152899,
    0.0029176463604112042,
)
"""``trigamma(x)`` in x - 1.5 on [1, 2], error below 2**-53.2."""


def _stirling(a: Arithmetic, z: Any) -> tuple[Any, Any]:
    """``log gamma(z)`` in two parts, for z from 2.5; both NaN or inf where the first overflows."""
    k, m = mantissa_and_exponent(a, z)
    k = a.as_float(k)
    natural, rest = logarithm_of_mantissa(a, m)
    high, lost = a.exact_sum(a.multiply(k, LN2_HEAD[1]), natural)
    rest = a.add(a.fma(k, LN2_TAIL[1], rest), lost)
    high, lost = a.exact_sum(high, -1.0)
    rest = a.add(rest, lost)
    g = a.subtract(z, 0.5)
    head, low = a.exact_product(high, g)
    low = a.fma(rest, g, low)
    inverse = a.divide(1.0, z)
    series = a.multiply(inverse, a.polynomial(a.multiply(inverse, inverse), STIRLING))
    total, lost = a.exact_sum(head, HALF_LOG_2_PI_E[0])
    low = a.add(low, a.add(lost, HALF_LOG_2_PI_E[1]))
    total, lost = a.exact_sum(total, series)
    return total, a.add(low, lost)


def _sine(a: Arithmetic, x: Any) -> Any:
    """``abs(sin(pi x)) / pi``, exact near whole numbers."""
    r = a.magnitude(a.subtract(x, a.round(x)))
    square = a.multiply(r, r)
    return a.fma(r, a.multiply(square, a.polynomial(square, SINE)), r)


def _is_pole(a: Arithmetic, x: Any) -> Any:
    """Whether x is a whole number below 0, or -inf."""
    return a.builder.and_(a.is_less(x, 0.0), a.is_equal(a.floor(x), x))


def _gamma_near(a: Arithmetic, x: Any) -> Any:
    """gamma on (-3, 3): from [2, 3) by division by up to five factors."""
    divisor = a.select(a.is_less(x, 2.0), x, 1.0)
    for count in range(1, 5):
        factor = a.select(a.is_less(x, 2.0 - count), a.add(x, float(count)), 1.0)
        divisor = a.multiply(divisor, factor)
    f = a.subtract(x, a.floor(x))
    return a.divide(a.polynomial(a.subtract(f, 0.5), GAMMA), divisor)


def gamma(a: Arithmetic, x: Any) -> Any:
    """The gamma function."""
    z = a.magnitude(x)
    negative = a.is_less(x, 0.0)
    high, low = _stirling(a, z)
    high, low = (a.select(negative, a.negate(part), part) for part in (high, low))
    inside = a.at_least(a.at_most(high, 720.0), -800.0)
    low = a.select(a.is_equal(inside, high), low, 0.0)
    integer, r, c = exp_parts(a, inside)
    value, lost = a.exact_sum(1.0, a.add(r, c))
    lost = a.add(lost, a.multiply(low, value))
    factor = a.divide(1.0, a.multiply(z, _sine(a, x)))
    value = a.multiply(a.add(value, lost), a.select(negative, factor, 1.0))
    found = a.scale(value, integer)
    half = a.multiply(a.floor(x), 0.5)
    even = a.is_equal(a.round(half), half)
    found = a.select(a.builder.or_(even, a.is_less(0.0, x)), found, a.negate(found))
    found = a.select(a.is_less(z, 3.0), _gamma_near(a, x), found)
    found = a.select(_is_pole(a, x), math.nan, found)
    return a.select(a.is_equal(x, x), found, x)


def gammaln(a: Arithmetic, x: Any) -> Any:
    """The logarithm of the magnitude of the gamma function."""
    negative = a.is_less(x, 0.0)
    z = a.select(negative, a.subtract(1.0, x), x)
    high, low = _stirling(a, z)
    below = a.is_less(z, 1.0)
    u = a.select(below, z, a.subtract(z, 1.0))
    v = a.select(below, a.subtract(z, 1.0), a.subtract(z, 2.0))
    p = a.polynomial(a.add(v, 0.25), LOG_GAMMA)
    near = a.add(a.multiply(a.multiply(u, v), p), 0.0)
    far = a.select(a.is_less(a.magnitude(high), math.inf), a.add(high, low), high)
    found = a.select(a.is_less(z, 2.5), near, far)
    logarithm = log(a, a.select(negative, _sine(a, x), a.select(below, z, 1.0)))
    reflected = a.negate(a.add(found, logarithm))
    found = a.select(negative, reflected, a.select(below, a.subtract(found, logarithm), found))
    found = a.select(_is_pole(a, x), math.inf, found)
    return a.select(a.is_less(a.magnitude(x), math.inf), found, x)


def digamma(a: Arithmetic, x: Any) -> Any:
    """The logarithmic derivative of the gamma function; for negative x that of ``1 - x`` less a
    cotangent."""
    negative = a.is_less(x, 0.0)
    z = a.select(negative, a.subtract(1.0, x), x)
    inverse = a.divide(1.0, z)
    t = a.multiply(inverse, inverse)
    rest = a.fma(inverse, 0.5, a.multiply(t, a.polynomial(t, DIGAMMA_TAIL)))
    far = a.subtract(log(a, z), rest)
    below = a.is_less(z, 1.0)
    zero = a.select(below, DIGAMMA_ZERO[0] - 1.0, DIGAMMA_ZERO[0])
    d = a.subtract(a.subtract(z, zero), DIGAMMA_ZERO[1])
    near = a.multiply(d, a.polynomial(d, DIGAMMA_NEAR))
    near = a.subtract(near, a.select(below, inverse, 0.0))
    found = a.select(a.is_less(z, 2.0), near, far)
    r = a.subtract(x, a.round(x))
    square = a.multiply(r, r)
    found_below = a.fma(r, a.polynomial(square, COTANGENT), a.subtract(found, a.divide(1.0, r)))
    found = a.select(negative, found_below, found)
    found = a.select(_is_pole(a, x), math.nan, found)
    return a.select(a.is_equal(a.magnitude(x), math.inf), a.select(negative, math.nan, x), found)


def trigamma(a: Arithmetic, x: Any) -> Any:
    """The derivative of digamma; for negative x from that of ``1 - x`` and a sine."""
    negative = a.is_less(x, 0.0)
    z = a.select(negative, a.subtract(1.0, x), x)
    inverse = a.divide(1.0, z)
    t = a.multiply(inverse, inverse)
    rest = a.fma(a.multiply(t, inverse), a.polynomial(t, TRIGAMMA_TAIL), a.multiply(t, 0.5))
    far = a.add(inverse, rest)
    below = a.is_less(z, 1.0)
    near = a.polynomial(a.subtract(z, a.select(below, 0.5, 1.5)), TRIGAMMA_NEAR)
    near = a.add(near, a.select(below, t, 0.0))
    found = a.select(a.is_less(z, 2.0), near, far)
    sine = _sine(a, x)
    reflected = a.subtract(a.divide(1.0, a.multiply(sine, sine)), found)
    found = a.select(negative, reflected, found)
    return a.select(_is_pole(a, x), math.inf, found)
