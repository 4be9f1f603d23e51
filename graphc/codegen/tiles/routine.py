"""The call of a Fortran routine in generated code."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.memory import I8P, I64
from graphc.codegen.intrinsics.numba_names import cgutils, intrinsic, types


@intrinsic
def call_routine(typingctx: Any, routine: Any, arguments: Any) -> Any:
    """Call the Fortran routine at a pointer with a tuple of arguments.

    A pointer is passed as it is; an integer by reference to 64 bits, of which a routine of 32-bit
    integers reads the lower half; a uint8 is a letter, by reference, whose length (1) is passed
    after all others, as gfortran does.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function, packed = args
        taken: list[Any] = []
        lengths: list[Any] = []
        for number, type_ in enumerate(arguments.types):
            value = builder.extract_value(packed, number)
            if type_ == types.voidptr:
                taken.append(value)
                continue
            place = cgutils.alloca_once(builder, value.type)
            builder.store(value, place)
            taken.append(builder.bitcast(place, I8P))
            if type_ == types.uint8:
                lengths.append(ir.Constant(I64, 1))
        type_ = ir.FunctionType(ir.VoidType(), [I8P] * len(taken) + [I64] * len(lengths))
        builder.call(builder.bitcast(function, type_.as_pointer()), [*taken, *lengths])
        return context.get_dummy_value()

    return types.none(types.voidptr, arguments), codegen
