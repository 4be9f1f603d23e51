"""The inverse of the error function, branch-free, in float64.

With ``w = -log(1 - x**2)``, ``erfinv(x) / x`` is smooth in w near 0 and in its root beyond
(M. Giles, Approximating the erfinv Function, 2010). Coefficients: ``tests/codegen/fit_special.py``.
"""

from __future__ import annotations

import math
from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.logarithm import log

ERFINV_NEAR = (
    1.6536545626831027,
    0.24015818242558834,
    -0.006033670871426959,
    -0.0007407025341546451,
    0.00018673420802033718,
    -1.3882523393952743e-05,
    -1.365469176880201e-06,
    4.234788168168749e-07,
    -2.9070390288740055e-08,
    -4.1126604337622794e-09,
    1.051222803230667e-09,
    -5.414303416143712e-11,
    -1.2978593836636523e-11,
    2.6305271628389967e-12,
    -8.077059768540969e-14,
    -4.002008580100067e-14,
    6.5296460143247704e-15,
    -3.939597497489329e-17,
    -1.2304544200167043e-16,
    1.5510385460935017e-17,
    6.678135059025811e-19,
    -3.4733233500377114e-19,
    1.764233565979159e-20,
    3.1937512615705144e-21,
    -3.192455549080125e-22,
)
"""``erfinv(x) / x`` in w - 3.125 for w below 6.25, relative error below 2**-54.6."""
ERFINV_MIDDLE = (
    3.0838856104922208,
    1.0052589676941655,
    0.005370914553554937,
    -0.003751208508224133,
    0.0024914420979625118,
    -0.0016882755354676597,
    0.0009532893414545732,
    -0.0003550378135177497,
    2.4031514293935188e-05,
    6.82871153314518e-05,
    -4.732069006264354e-05,
    1.2465037552384108e-05,
    2.9326161390650355e-06,
    -3.985731461522855e-06,
    1.4815041761125171e-06,
    -2.757568484871783e-08,
    -2.4535755788769323e-07,
    1.3154976507449438e-07,
    -2.1031573988292538e-08,
    -1.5291597063316248e-08,
    7.721620687493404e-09,
)
"""``erfinv(x) / x`` in sqrt(w) - 3.25 for w from 6.25 to 16, relative error below 2**-54.5."""
ERFINV_FAR = (
    4.849906401408584,
    1.0103004648645448,
    -0.00013871931838009446,
    -0.0002150301197988962,
    7.599527809567944e-05,
    -1.9681771201100122e-05,
    4.526052533580242e-06,
    -9.930254553274038e-07,
    2.2905280313852428e-07,
    -6.757289348353151e-08,
    2.9018612168433397e-08,
    -1.521331881577822e-08,
    7.821638932016508e-09,
    -3.534585607236056e-09,
    1.3156590727236528e-09,
    -3.8044954644133555e-10,
    6.980915947769858e-11,
    1.4602042651809685e-11,
    -2.045658944336311e-11,
    5.90161023054527e-12,
)
"""``erfinv(x) / x`` in sqrt(w) - 5 for w from 16, relative error below 2**-55.0."""


def erfinv(a: Arithmetic, x: Any) -> Any:
    """The inverse of the error function; ``1 - x**2`` is rounded once."""
    w = a.negate(log(a, a.fma(a.negate(x), x, 1.0)))
    root = a.square_root(w)
    near = a.polynomial(a.subtract(w, 3.125), ERFINV_NEAR)
    middle = a.polynomial(a.subtract(root, 3.25), ERFINV_MIDDLE)
    far = a.polynomial(a.subtract(root, 5.0), ERFINV_FAR)
    ratio = a.select(a.is_less(w, 6.25), near, a.select(a.is_less(w, 16.0), middle, far))
    ratio = a.select(a.is_equal(w, math.inf), math.inf, ratio)
    # SciPy has 0.0 at -0.0.
    return a.add(a.multiply(x, ratio), 0.0)
