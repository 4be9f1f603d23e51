"""Special functions: ONNX has ``Erf`` alone, and ONNX Runtime that of float32 only.

The rational functions are those of ndtr.c in Stephen L. Moshier's Cephes library, and of
algorithm AS 241: M. J. Wichura, "The percentage points of the normal distribution", Applied
Statistics 37 (1988).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from graphc.exporting.onnx.rules.forms import pointwise
from graphc.exporting.onnx.rules.transcendental import exp, log, log1p, sqrt
from graphc.exporting.onnx.tensors import Tensor, larger, polynomial, where
from graphc.exporting.onnx.walker import Rule

# --- the error function: constants first ---------------------------------------------------------

NEAR_TOP = (
    5.55923013010394962768e4,
    7.00332514112805075473e3,
    2.23200534594684319226e3,
    9.00260197203842689217e1,
    9.60497373987051638749e0,
)
NEAR_BOTTOM = (
    4.92673942608635921086e4,
    2.26290000613890934246e4,
    4.59432382970980127987e3,
    5.21357949780152679795e2,
    3.35617141647503099647e1,
    1.0,
)
MIDDLE_TOP = (
    5.57535335369399327526e2,
    1.02755188689515710272e3,
    9.34528527171957607540e2,
    5.26445194995477358631e2,
    1.96520832956077098242e2,
    4.86371970985681366614e1,
    7.46321056442269912687e0,
    5.64189564831068821977e-1,
    2.46196981473530512524e-10,
)
MIDDLE_BOTTOM = (
    5.57535340817727675546e2,
    1.65666309194161350182e3,
    2.24633760818710981792e3,
    1.82390916687909736289e3,
    9.75708501743205489753e2,
    3.54937778887819891062e2,
    8.67072140885989742329e1,
    1.32281951154744992508e1,
    1.0,
)
FAR_TOP = (
    2.97886665372100240670e0,
    7.40974269950448939160e0,
    6.16021097993053585195e0,
    5.01905042251180477414e0,
    1.27536670759978104416e0,
    5.64189583547755073984e-1,
)
FAR_BOTTOM = (
    3.36907645100081516050e0,
    9.60896809063285878198e0,
    1.70814450747565897222e1,
    1.20489539808096656605e1,
    9.39603524938001434673e0,
    2.26052863220117276590e0,
    1.0,
)


def _erf_near(x: Tensor) -> Tensor:
    z = x * x
    return x * polynomial(z, NEAR_TOP) / polynomial(z, NEAR_BOTTOM)


def _erfc_far(size: Tensor) -> Tensor:
    """Of a size of 1 or more."""
    middle = polynomial(size, MIDDLE_TOP) / polynomial(size, MIDDLE_BOTTOM)
    most = larger(size, 30.0, "Min")
    far = polynomial(most, FAR_TOP) / polynomial(most, FAR_BOTTOM)
    return exp(-(size * size)) * where(size < 8, middle, far)


def _erf(x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return x.op("Erf")
    size = x.op("Abs")
    beyond = 1 - _erfc_far(size)
    return where(size <= 1, _erf_near(x), where(x < 0, -beyond, beyond))


def _erfc(x: Tensor) -> Tensor:
    """In float64: the tail keeps its leading digits, which ``1 - Erf(x)`` would cancel."""
    wide = x.cast(np.dtype(np.float64))
    size = wide.op("Abs")
    tail = _erfc_far(size)
    found = where(size <= 1, 1 - _erf_near(wide), where(wide < 0, 2 - tail, tail))
    return where(wide.equals(-math.inf), 2, found).cast(x.dtype)


def _ndtr(x: Tensor) -> Tensor:
    wide = x.cast(np.dtype(np.float64))
    return (_erfc(wide * -math.sqrt(0.5)) * 0.5).cast(x.dtype)


CENTRE_TOP = (
    3.3871328727963666080e0,
    1.3314166789178437745e2,
    1.9715909503065514427e3,
    1.3731693765509461125e4,
    4.5921953931549871457e4,
    6.7265770927008700853e4,
    3.3430575583588128105e4,
    2.5090809287301226727e3,
)
CENTRE_BOTTOM = (
    1.0,
    4.2313330701600911252e1,
    6.8718700749205790830e2,
    5.3941960214247511077e3,
    2.1213794301586595867e4,
    3.9307895800092710610e4,
    2.8729085735721942674e4,
    5.2264952788528545610e3,
)
SIDE_TOP = (
    1.42343711074968357734e0,
    4.63033784615654529590e0,
    5.76949722146069140550e0,
    3.64784832476320460504e0,
    1.27045825245236838258e0,
    2.41780725177450611770e-1,
    2.27238449892691845833e-2,
    7.74545014278341407640e-4,
)
SIDE_BOTTOM = (
    1.0,
    2.05319162663775882187e0,
    1.67638483018380384940e0,
    6.89767334985100004550e-1,
    1.48103976427480074590e-1,
    1.51986665636164571966e-2,
    5.47593808499534494600e-4,
    1.05075007164441684324e-9,
)
TAIL_TOP = (
    6.65790464350110377720e0,
    5.46378491116411436990e0,
    1.78482653991729133580e0,
    2.96560571828504891230e-1,
    2.65321895265761230930e-2,
    1.24266094738807843860e-3,
    2.71155556874348757815e-5,
    2.01033439929228813265e-7,
)
TAIL_BOTTOM = (
    1.0,
    5.99832206555887937690e-1,
    1.36929880922735805310e-1,
    1.48753612908506148525e-2,
    7.86869131745613259100e-4,
    1.84631831751005468180e-5,
    1.42151175831644588870e-7,
    2.04426310338993978564e-15,
)


def _erfinv(x: Tensor) -> Tensor:
    """The quantile of the normal distribution at ``(1 + x) / 2``, over the root of 2."""
    wide = x.cast(np.dtype(np.float64))
    size = wide.op("Abs")
    half = wide * 0.5
    r = 0.180625 - half * half
    centre = half * polynomial(r, CENTRE_TOP) / polynomial(r, CENTRE_BOTTOM)
    r = sqrt(-log((1 - size) * 0.5))
    side = polynomial(r - 1.6, SIDE_TOP) / polynomial(r - 1.6, SIDE_BOTTOM)
    tail = polynomial(r - 5, TAIL_TOP) / polynomial(r - 5, TAIL_BOTTOM)
    outer = where(r <= 5, side, tail)
    outer = where(size.equals(1), math.inf, outer)
    found = where(half.op("Abs") <= 0.425, centre, where(wide < 0, -outer, outer))
    return (found * math.sqrt(0.5)).cast(x.dtype)


# --- the logistic function's relatives, and products with logarithms ------------------------------


def _logit(x: Tensor) -> Tensor:
    """``log(x / (1 - x))``, by log1p near the root at 1/2."""
    away = log(x / (1 - x))
    twice = (x - 0.5) * 2
    near = log1p(twice) - log1p(-twice)
    return where((x >= 0.3) & (x <= 0.65), near, away)


def _log_expit(x: Tensor) -> Tensor:
    return -(larger(-x, 0.0) + log1p(exp(-x.op("Abs"))))


def _times_log(x: Tensor, y: Tensor, logarithm: Tensor) -> Tensor:
    return where(x.equals(0) & y.equals(y), 0, x * logarithm)


def _entr(x: Tensor) -> Tensor:
    beyond = where(x.equals(0), 0, where(x < 0, -math.inf, x))
    return where(x > 0, -(x * log(x)), beyond)


RULES: Mapping[str, Rule] = {
    "erf": pointwise(_erf),
    "erfc": pointwise(_erfc),
    "erfinv": pointwise(_erfinv),
    "ndtr": pointwise(_ndtr),
    "logit": pointwise(_logit),
    "log_expit": pointwise(_log_expit),
    "xlogy": pointwise(lambda x, y: _times_log(x, y, log(y))),
    "xlog1py": pointwise(lambda x, y: _times_log(x, y, log1p(y))),
    "entr": pointwise(_entr),
}
