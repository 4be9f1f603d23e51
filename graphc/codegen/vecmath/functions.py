"""Elementary functions as polynomials, written into the loop that calls them so it vectorises.

For float32 and float64, within 2 ulp, with NumPy's NaN, infinities, signed zeros and subnormals;
``docs/performance.md`` gives the errors and the times that were measured. Each function is an
`@intrinsic` that builds LLVM instructions, so that Numba has nothing to type. Other functions and
the arguments of complex ones go to the C library (`graphc.codegen.intrinsics.instructions`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.codegen.intrinsics.numba_names import intrinsic, types
from graphc.codegen.vecmath import erfinv as vecmath_erfinv
from graphc.codegen.vecmath import error as vecmath_error
from graphc.codegen.vecmath import exponential as vecmath_exponential
from graphc.codegen.vecmath import gamma as vecmath_gamma
from graphc.codegen.vecmath import hyperbolic as vecmath_hyperbolic
from graphc.codegen.vecmath import inverse as vecmath_inverse
from graphc.codegen.vecmath import logarithm as vecmath_logarithm
from graphc.codegen.vecmath import power as vecmath_power
from graphc.codegen.vecmath import root as vecmath_root
from graphc.codegen.vecmath import trigonometric as vecmath_trigonometric
from graphc.codegen.vecmath.builder import DOUBLE, SINGLE, Arithmetic

Emitter = Callable[..., Any]


def _vector(emit: Emitter, single: bool = True, fast: bool = False) -> Any:
    """The intrinsic of a function that is written for `Arithmetic`.

    What is not written for `single` precision is computed in double. Where it is `fast` it may be
    off by what `Arithmetic` says.
    """

    def typed(typingctx: Any, x: Any) -> Any:
        if x not in (types.float32, types.float64):
            return None

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if x == types.float32 and not single:
                wide = builder.fpext(args[0], DOUBLE.value)
                return builder.fptrunc(emit(Arithmetic(builder, DOUBLE), wide), SINGLE.value)
            form = SINGLE if x == types.float32 else DOUBLE
            return emit(Arithmetic(builder, form, fast), args[0])

        return x(x), codegen

    typed.__doc__ = emit.__doc__
    typed.__name__ = f"{'fast' if fast else 'vector'}_{emit.__name__}"
    return intrinsic(typed)


def _vector_of_two(emit: Emitter, single: bool = True) -> Any:
    """The same for a function of two numbers."""

    def typed(typingctx: Any, x: Any, y: Any) -> Any:
        if x != y or x not in (types.float32, types.float64):
            return None

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            if x == types.float32 and not single:
                wide = [builder.fpext(argument, DOUBLE.value) for argument in args]
                return builder.fptrunc(emit(Arithmetic(builder, DOUBLE), *wide), SINGLE.value)
            form = SINGLE if x == types.float32 else DOUBLE
            return emit(Arithmetic(builder, form), *args)

        return x(x, y), codegen

    typed.__doc__ = emit.__doc__
    typed.__name__ = f"vector_{emit.__name__}"
    return intrinsic(typed)


vector_exp = _vector(vecmath_exponential.exp)
vector_exp2 = _vector(vecmath_exponential.exp2)
vector_expm1 = _vector(vecmath_exponential.expm1)
vector_tanh = _vector(vecmath_exponential.tanh)
vector_expit = _vector(vecmath_exponential.expit)
vector_log = _vector(vecmath_logarithm.log)
vector_log1p = _vector(vecmath_logarithm.log1p)
vector_log2 = _vector(vecmath_logarithm.log2)
vector_log10 = _vector(vecmath_logarithm.log10)
fast_exp = _vector(vecmath_exponential.exp, fast=True)
fast_expm1 = _vector(vecmath_exponential.expm1, fast=True)
fast_tanh = _vector(vecmath_exponential.tanh, fast=True)
fast_expit = _vector(vecmath_exponential.expit, fast=True)
fast_log = _vector(vecmath_logarithm.log, fast=True)
vector_erf = _vector(vecmath_error.erf)
vector_erfc = _vector(vecmath_error.erfc, single=False)
vector_erfinv = _vector(vecmath_erfinv.erfinv, single=False)
vector_gamma = _vector(vecmath_gamma.gamma, single=False)
vector_gammaln = _vector(vecmath_gamma.gammaln, single=False)
vector_digamma = _vector(vecmath_gamma.digamma, single=False)
vector_trigamma = _vector(vecmath_gamma.trigamma, single=False)
vector_sin = _vector(vecmath_trigonometric.sin)
vector_cos = _vector(vecmath_trigonometric.cos)
vector_tan = _vector(vecmath_trigonometric.tan)
vector_arcsin = _vector(vecmath_inverse.arcsin)
vector_arccos = _vector(vecmath_inverse.arccos)
vector_arctan = _vector(vecmath_inverse.arctan)
vector_sinh = _vector(vecmath_hyperbolic.sinh)
vector_cosh = _vector(vecmath_hyperbolic.cosh)
vector_arcsinh = _vector(vecmath_hyperbolic.arcsinh)
vector_arccosh = _vector(vecmath_hyperbolic.arccosh)
vector_arctanh = _vector(vecmath_hyperbolic.arctanh)
vector_cbrt = _vector(vecmath_root.cbrt)
vector_power = _vector_of_two(vecmath_power.power)
vector_arctan2 = _vector_of_two(vecmath_power.arctan2)
vector_hypot = _vector_of_two(vecmath_power.hypot)
