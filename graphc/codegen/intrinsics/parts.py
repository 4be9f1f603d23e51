"""Loops in two parts: whole vectors, then a last one of which only some lanes count.

LLVM leaves the last elements of a loop to scalar code, which is dear where each calls a polynomial
of forty instructions. Such a loop is written under another that runs twice::

    for part_of_i0 in range(2):
        first_of_i0 = part_start(part_of_i0, 0, n, float32)
        last_of_i0 = part_stop(part_of_i0, 0, n, float32)
        for i0 in range(first_of_i0, last_of_i0):

LLVM unrolls the outer loop, as `hinted` asks. It sees that the first copy has whole vectors, and
that the second has few elements, how few it can't know: it makes one masked step of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.numba_names import intrinsic, types
from graphc.codegen.target import vector_bytes

MARKER = "graphc_part_of_loop"
"""The name of a value in the block before such a loop."""

HINTS = """
!graphc.hints = !{!90000}
!90000 = !{!"llvm.loop.unroll.full"}
"""
FEW = 15
"""What LLVM is told of the elements left: below 16 it masks, from 9 on it does not unroll."""
FIRST = 90001


def _bound(at_end: bool) -> Any:
    def typed(typingctx: Any, part: Any, start: Any, stop: Any, dtype: Any) -> Any:
        lanes = vector_bytes() * 8 // dtype.dtype.bitwidth

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            number, begin, end = args[:3]
            zero = ir.Constant(begin.type, 0)
            extent = builder.sub(end, begin)
            extent = builder.select(builder.icmp_signed("<", extent, zero), zero, extent)
            whole = builder.and_(extent, ir.Constant(begin.type, -lanes), name=MARKER)
            first = builder.icmp_signed("==", number, zero)
            middle = builder.add(begin, whole)
            hidden = ir.FunctionType(begin.type, [begin.type])
            # Passed through an empty piece of assembly, the count is unknown to LLVM.
            rest = builder.asm(hidden, "", "=r,0", [builder.sub(extent, whole)], False)
            last = builder.add(middle, builder.and_(rest, ir.Constant(begin.type, FEW)))
            if at_end:
                return builder.select(first, middle, last)
            return builder.select(first, begin, middle)

        i8 = types.int64
        return i8(i8, i8, i8, dtype), codegen

    typed.__doc__ = f"""Where a part of a loop {"stops" if at_end else "starts"}: part 0 is whole
    vectors of `dtype`, part 1 the rest."""
    return intrinsic(typed)


part_start = _bound(at_end=False)
part_stop = _bound(at_end=True)


def _lines(text: str) -> Iterator[tuple[int, int, int, str]]:
    """``(number, function, block, line)``; Numba names a block by its place in the bytecode."""
    function, block = 0, -1
    for number, line in enumerate(text.split("\n")):
        if line.startswith("define"):
            function, block = function + 1, -1
        elif line and line[0] not in ' !@"};':
            named = re.match(r"B(\d+)[.\w]*:", line)
            block = int(named.group(1)) if named else -1
        yield number, function, block, line


def hinted(text: str) -> str:
    """An unoptimised module of Numba's with hints at the loops in parts, for LLVM."""
    if MARKER not in text:
        return text
    marked: set[tuple[int, int]] = set()
    ends: dict[tuple[int, int], list[int]] = {}
    for number, function, block, line in _lines(text):
        if line.startswith((f"  %{MARKER}", f'  %"{MARKER}')):
            marked.add((function, block))
        jump = re.match(r"  br label %B(\d+)$", line)
        if jump and block >= int(jump.group(1)):
            ends.setdefault((function, int(jump.group(1))), []).append(number)
    lines = text.split("\n")
    hints = [HINTS]
    heads = sorted(ends)
    for place in sorted(marked):
        outer = max(head for head in heads if head <= place)
        name = FIRST + len(hints) - 1
        hints.append(f"!{name} = distinct !{{!{name}, !90000}}\n")
        for number in ends.pop(outer, ()):
            lines[number] += f", !llvm.loop !{name}"
    return "\n".join(lines) + "".join(hints)
