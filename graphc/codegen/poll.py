"""A native loop's look for signals: Python runs their handlers, and one that raises ends the step.

The exception is fetched into a place of its own, and raised again when the step is left.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.numba_names import cgutils, intrinsic, types

I32 = ir.IntType(32)
I64 = ir.IntType(64)


def _python(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call a function of Python's C interface."""
    type_ = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, type_, name), arguments)


@intrinsic
def check_signals(typingctx: Any, place: Any) -> Any:
    """Run the handlers of signals that have come; 1 if one raised, its exception at `place`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        state = _python(builder, "PyGILState_Ensure", I32, [])
        raised = _python(builder, "PyErr_CheckSignals", I32, [])
        failed = builder.icmp_signed("!=", raised, ir.Constant(I32, 0))
        with builder.if_then(failed):
            places = [builder.add(args[0], ir.Constant(I64, 8 * k)) for k in range(3)]
            _python(builder, "PyErr_Fetch", ir.VoidType(), places)
        _python(builder, "PyGILState_Release", ir.VoidType(), [state])
        return builder.zext(failed, I64)

    return types.int64(types.int64), codegen


def poll(place):  # type: ignore[no-untyped-def]
    """The launcher's kind of function: 254 where a handler raised, else 0."""
    return 254 if check_signals(place) != 0 else 0
