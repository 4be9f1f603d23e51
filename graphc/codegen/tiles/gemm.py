"""The call of a BLAS matrix product in generated code."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.memory import I8, I8P, I64
from graphc.codegen.intrinsics.numba_names import cgutils, intrinsic, types


@intrinsic
def gemm(
    typingctx: Any,
    routine: Any,
    dtype: Any,
    m: Any,
    n: Any,
    k: Any,
    a: Any,
    lead_a: Any,
    transpose_a: Any,
    b: Any,
    lead_b: Any,
    transpose_b: Any,
    c: Any,
) -> Any:
    """``c = a @ b`` of row-major matrices, by the Fortran BLAS routine at a pointer.

    Row-major C = A B is column-major C' = B' A': the operands change places.
    """
    element = dtype.dtype

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.data_model_manager[element].get_data_type()
        (function, _, m_, n_, k_, a_, lead_a_, flag_a, b_, lead_b_, flag_b, c_) = args

        def cell(value: Any, type_: Any) -> Any:
            place = cgutils.alloca_once(builder, type_)
            builder.store(value, place)
            return builder.bitcast(place, I8P)

        def integer(value: Any) -> Any:
            return cell(value, I64)

        def number(value: float) -> Any:
            made = context.get_constant_generic(
                builder, element, complex(value) if element in types.complex_domain else value
            )
            return cell(context.data_model_manager[element].as_data(builder, made), data)

        def flag(transposed: Any) -> Any:
            yes, no = (ir.Constant(I8, ord(letter)) for letter in "TN")
            test = builder.icmp_signed("!=", transposed, ir.Constant(I64, 0))
            return cell(builder.select(test, yes, no), I8)

        one = ir.Constant(I64, 1)

        def leading(value: Any) -> Any:
            return integer(builder.select(builder.icmp_signed(">", value, one), value, one))

        taken = [
            flag(flag_b),
            flag(flag_a),
            integer(n_),
            integer(m_),
            integer(k_),
            number(1.0),
            b_,
            leading(lead_b_),
            a_,
            leading(lead_a_),
            number(0.0),
            c_,
            leading(n_),
        ]
        type_ = ir.FunctionType(ir.VoidType(), [I8P] * len(taken))
        builder.call(builder.bitcast(function, type_.as_pointer()), taken)
        return context.get_dummy_value()

    void, int64 = types.voidptr, types.int64
    matrix = (void, int64, int64)
    return types.none(void, dtype, int64, int64, int64, *matrix, *matrix, void), codegen
