"""Threefry-2x32 as instructions on words of 32 bits, so that loops over it vectorise.

The constants and rounds are those of Salmon et al. (SC 2011), as in
`graphc.ops.elementwise.random_bits`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.numba_names import intrinsic, types
from graphc.ops.elementwise.random_bits import PARITY, ROTATIONS

_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def threefry2x32(typingctx: Any, key_0: Any, key_1: Any, counter_0: Any, counter_1: Any) -> Any:
    """The block of a key and a counter, its first word in the upper half."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first, second, x_0, x_1 = args
        mixed = builder.xor(builder.xor(first, second), ir.Constant(_I32, PARITY))
        keys = (first, second, mixed)
        rotate = builder.module.declare_intrinsic(
            "llvm.fshl", [_I32], ir.FunctionType(_I32, [_I32, _I32, _I32])
        )
        x_0, x_1 = builder.add(x_0, keys[0]), builder.add(x_1, keys[1])
        for group in range(5):
            for turn in ROTATIONS[group % 2]:
                x_0 = builder.add(x_0, x_1)
                x_1 = builder.call(rotate, [x_1, x_1, ir.Constant(_I32, turn)])
                x_1 = builder.xor(x_1, x_0)
            x_0 = builder.add(x_0, keys[(group + 1) % 3])
            x_1 = builder.add(x_1, keys[(group + 2) % 3])
            x_1 = builder.add(x_1, ir.Constant(_I32, group + 1))
        upper = builder.shl(builder.zext(x_0, _I64), ir.Constant(_I64, 32))
        return builder.or_(upper, builder.zext(x_1, _I64))

    word = types.uint32
    return types.uint64(word, word, word, word), codegen
