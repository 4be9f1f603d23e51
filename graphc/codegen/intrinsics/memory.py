"""The vocabulary of generated modules: what they import to reach memory and machine instructions.

Imports Numba, so this module is itself imported on the first compile only.
"""

from __future__ import annotations

import operator
import re
from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.numba_names import (
    AbstractTemplate,
    cgutils,
    infer_global,
    intrinsic,
    intrinsic_of_literals,
    lower_builtin,
    models,
    register_model,
    signature,
    types,
)

I8 = ir.IntType(8)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
I8P = I8.as_pointer()
I8PP = I8P.as_pointer()

POINTERS = types.CPointer(types.voidptr)
INTEGERS = types.CPointer(types.int64)
KERNEL = types.int32(POINTERS, INTEGERS, types.int64, types.int64)
DOMAIN = "graphc kernel"
_SCOPE = re.compile(rf'^(!\d+) = !\{{(!"{DOMAIN}(?:, slot \d+)?")((?:, !\d+)?)\}}$', re.MULTILINE)
WIDE_VECTORS = '"prefer-vector-width"="512"'


class Buffer(types.Type):  # type: ignore[misc]
    """A pointer to elements; buffers of one kernel with different slots never overlap."""

    def __init__(self, dtype: Any, slot: int, count: int) -> None:
        self.dtype, self.slot, self.count = dtype, slot, count
        super().__init__(f"Buffer({dtype}, {slot} of {count})")


@register_model(Buffer)
class _BufferModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, buffer: Any) -> None:
        super().__init__(manager, buffer, I8P)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(args[0].dtype, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(types.none, args[0], types.int64, args[0].dtype)
        return None


def _mark(builder: Any, buffer: Buffer, instruction: Any) -> None:
    """Tell LLVM which other buffers this access can't touch."""
    if buffer.count < 2:
        return
    module = builder.module
    domain = module.add_metadata([DOMAIN])

    def scope(slot: int) -> Any:
        return module.add_metadata([f"{DOMAIN}, slot {slot}", domain])

    others = [scope(slot) for slot in range(buffer.count) if slot != buffer.slot]
    instruction.set_metadata("alias.scope", module.add_metadata([scope(buffer.slot)]))
    instruction.set_metadata("noalias", module.add_metadata(others))


def distinct_scopes(text: str) -> str:
    """A module of Numba's with scopes that are its own: llvmlite can't write nodes that name
    themselves, and LLVM takes nodes of equal text for one.

    Where kernels are put in the place of their calls, LLVM copies distinct scopes for each; what a
    kernel says of its buffers then holds for that call alone.
    """
    return _SCOPE.sub(r"\1 = distinct !{\1\3, \2}", text)


def _element(context: Any, builder: Any, buffer: Buffer, pointer: Any, index: Any) -> Any:
    data = context.data_model_manager[buffer.dtype].get_data_type()
    return builder.gep(builder.bitcast(pointer, data.as_pointer()), [index], inbounds=True)


@lower_builtin(operator.getitem, Buffer, types.int64)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer = sig.args[0]
    loaded = builder.load(_element(context, builder, buffer, *args))
    _mark(builder, buffer, loaded)
    return context.data_model_manager[buffer.dtype].from_data(builder, loaded)


@lower_builtin(operator.setitem, Buffer, types.int64, types.Any)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer = sig.args[0]
    pointer, index, value = args
    data = context.data_model_manager[buffer.dtype].as_data(builder, value)
    stored = builder.store(data, _element(context, builder, buffer, pointer, index))
    _mark(builder, buffer, stored)
    return context.get_dummy_value()


@intrinsic_of_literals
def buffer(typingctx: Any, table: Any, slot: Any, count: Any, dtype: Any) -> Any:
    """``buffer(table, slot, count, dtype)``: the slot's pointer, one of `count` distinct ones."""
    made = Buffer(dtype.dtype, slot.literal_value, count.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # LLVM prefers 256-bit vectors on many CPUs that are faster with 512.
        attributes = builder.function.attributes
        if WIDE_VECTORS not in attributes:
            attributes._known = attributes._known | {WIDE_VECTORS}
            attributes.add(WIDE_VECTORS)
        place = builder.gep(
            builder.bitcast(args[0], I8PP), [ir.Constant(I64, made.slot)], inbounds=True
        )
        return builder.load(place)

    return made(table, slot, count, dtype), codegen


@intrinsic
def address(typingctx: Any, held: Any, offset: Any) -> Any:
    """The buffer's pointer, `offset` elements further."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _element(context, builder, sig.args[0], *args)
        return builder.bitcast(pointer, I8P)

    return types.voidptr(held, types.int64), codegen


def _array(typingctx: Any, count: Any, element: Any, result: Any) -> Any:
    size = count.literal_value

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = cgutils.alloca_once(builder, element, size=ir.Constant(I64, max(size, 1)))
        return builder.bitcast(made, context.get_value_type(result))

    return result(count), codegen


@intrinsic_of_literals
def pointers(typingctx: Any, count: Any) -> Any:
    """An array of pointers on the stack."""
    return _array(typingctx, count, I8P, POINTERS)


@intrinsic_of_literals
def integers(typingctx: Any, count: Any) -> Any:
    """An array of int64 on the stack."""
    return _array(typingctx, count, I64, INTEGERS)


@intrinsic
def call_print(typingctx: Any, function: Any, number: Any, table: Any, sizes: Any) -> Any:
    """Call back into Python: ``int32 f(int64 number, void **values, int64 *sizes)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        taken = [I64, args[2].type, args[3].type]
        routine = builder.bitcast(args[0], ir.FunctionType(I32, taken).as_pointer())
        return builder.call(routine, list(args[1:]))

    return types.int32(types.voidptr, types.int64, POINTERS, INTEGERS), codegen
