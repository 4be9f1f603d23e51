"""Sorting one row in NumPy's order: stable, and of any dtype, by the bytes of keys.

    digits := the bytes of an element's key, least first; keys compare as the elements do
    sort   := insertion, of short rows
            | for each digit in which elements differ: all moved to their place by that digit

The key of an integer is the integer with its sign bit turned; of a float its bits, those of
negative numbers inverted, one key for both zeros and one, the last, for every NaN. A complex number
has the keys of its imaginary and of its real part, and then a digit for which of them is NaN: 1 for
the imaginary part alone, 2 for the real part. (P. M. McIlroy, K. Bostic, M. D. McIlroy,
"Engineering radix sort", Computing Systems 6, 1993, is on the method.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.memory import I64, INTEGERS, Buffer, _element
from graphc.codegen.intrinsics.numba_names import cgutils, intrinsic, register_jitable, types

SHORT = 48
"""Elements up to which insertion is faster."""
DIGIT = 256
"""Values of a digit."""


def _digits(element: Any) -> int:
    """How many digits the key of an element has."""
    if isinstance(element, types.Complex):
        return 2 * _digits(element.underlying_float) + 1
    return 1 if element == types.boolean else int(element.bitwidth) // 8


def _real_key(builder: Any, value: Any, element: Any) -> Any:
    """The key of a real number, as a 64-bit word."""
    if element == types.boolean:
        return builder.zext(value, I64)
    bits = element.bitwidth
    word = ir.IntType(bits)
    least = ir.Constant(word, -(1 << (bits - 1)))
    if isinstance(element, types.Float):
        zero = ir.Constant(value.type, 0.0)
        turned = builder.bitcast(value, word)
        negative = builder.ashr(turned, ir.Constant(word, bits - 1))
        key = builder.xor(turned, builder.or_(negative, least))
        key = builder.select(builder.fcmp_ordered("==", value, zero), least, key)
        unknown = builder.fcmp_unordered("uno", value, value)
        key = builder.select(unknown, ir.Constant(word, -1), key)
    else:
        key = builder.xor(value, least) if element.signed else value
    return key if bits == 64 else builder.zext(key, I64)


def _byte(builder: Any, key: Any, number: Any) -> Any:
    shift = builder.shl(number, ir.Constant(I64, 3))
    return builder.and_(builder.lshr(key, shift), ir.Constant(I64, DIGIT - 1))


@intrinsic
def order_digit(typingctx: Any, x: Any, number: Any) -> Any:
    """The digit `number` of the key of `x`, counted from the least one."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, place = args
        if not isinstance(x, types.Complex):
            return _byte(builder, _real_key(builder, value, x), place)
        part = x.underlying_float
        held = context.make_complex(builder, x, value)
        width = ir.Constant(I64, _digits(part))
        imaginary = _byte(builder, _real_key(builder, held.imag, part), place)
        real = _byte(builder, _real_key(builder, held.real, part), builder.sub(place, width))
        no_real = builder.fcmp_unordered("uno", held.real, held.real)
        no_imaginary = builder.fcmp_unordered("uno", held.imag, held.imag)
        alone = builder.zext(no_imaginary, I64)
        unknown = builder.select(no_real, ir.Constant(I64, 2), alone)
        in_imaginary = builder.icmp_signed("<", place, width)
        in_real = builder.icmp_signed("<", place, builder.add(width, width))
        return builder.select(in_imaginary, imaginary, builder.select(in_real, real, unknown))

    return types.int64(x, types.int64), codegen


@intrinsic
def order_digits(typingctx: Any, x: Any) -> Any:
    """How many digits the key of `x` has."""
    count = _digits(x)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(I64, count)

    return types.int64(x), codegen


@intrinsic
def order_counts(typingctx: Any, x: Any) -> Any:
    """An array on the stack with a count for each value of each digit of the key of `x`."""
    size = _digits(x) * DIGIT

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return cgutils.alloca_once(builder, I64, size=ir.Constant(I64, size))

    return INTEGERS(x), codegen


@intrinsic
def segment(typingctx: Any, held: Any, offset: Any) -> Any:
    """The buffer from `offset` on; it may overlap any other."""
    made = Buffer(held.dtype, 0, 1)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _element(context, builder, sig.args[0], *args)
        return builder.bitcast(pointer, context.get_value_type(made))

    return made(held, types.int64), codegen


@register_jitable
def precedes(x: Any, y: Any) -> Any:
    """Whether `x` comes before `y`."""
    for number in range(order_digits(x) - 1, -1, -1):
        left, right = order_digit(x, number), order_digit(y, number)
        if left != right:
            return left < right
    return False


@register_jitable
def count_digits(x: Any, counts: Any, length: int) -> int:
    """Count the values of each digit; gives how many digits differ among the elements."""
    digits = order_digits(x[0])
    for place in range(digits * DIGIT):
        counts[place] = 0
    for position in range(length):
        item = x[position]
        for number in range(digits):
            counts[number * DIGIT + order_digit(item, number)] += 1
    differ = 0
    for number in range(digits):
        if counts[number * DIGIT + order_digit(x[0], number)] != length:
            differ += 1
    return differ


@register_jitable
def starts(counts: Any, base: int) -> None:
    """Turn the counts of one digit into the places at which its values start."""
    total = 0
    for place in range(base, base + DIGIT):
        count = counts[place]
        counts[place] = total
        total += count


@register_jitable
def sort_row(x: Any, out: Any, spare: Any, length: int) -> None:
    """Sort `length` elements of `x` into `out`; `spare` has room for as many."""
    if length <= SHORT:
        for position in range(length):
            item = x[position]
            place = position
            while place > 0 and precedes(item, out[place - 1]):
                out[place] = out[place - 1]
                place -= 1
            out[place] = item
        return
    first = x[0]
    counts = order_counts(first)
    left = count_digits(x, counts, length)
    if left == 0:
        for position in range(length):
            out[position] = x[position]
    source = x
    for number in range(order_digits(first)):
        base = number * DIGIT
        if counts[base + order_digit(first, number)] == length:
            continue
        starts(counts, base)
        target = out if left % 2 == 1 else spare
        for position in range(length):
            item = source[position]
            slot = base + order_digit(item, number)
            place = counts[slot]
            counts[slot] = place + 1
            target[place] = item
        source = target
        left -= 1


@register_jitable
def argsort_row(x: Any, out: Any, one: Any, other: Any, spare: Any, length: int) -> None:
    """The positions that sort `x` into `out`; `one` and `other` have room for `length` elements,
    `spare` for as many positions."""
    if length <= SHORT:
        for position in range(length):
            place = position
            item = x[position]
            while place > 0 and precedes(item, x[out[place - 1]]):
                out[place] = out[place - 1]
                place -= 1
            out[place] = position
        return
    first = x[0]
    counts = order_counts(first)
    left = count_digits(x, counts, length)
    source, origin = x, spare
    for position in range(length):
        if left % 2 == 0:
            out[position] = position
        else:
            spare[position] = position
    if left % 2 == 0:
        origin = out
    for number in range(order_digits(first)):
        base = number * DIGIT
        if counts[base + order_digit(first, number)] == length:
            continue
        starts(counts, base)
        target = one if left % 2 == 1 else other
        placed = out if left % 2 == 1 else spare
        for position in range(length):
            item = source[position]
            slot = base + order_digit(item, number)
            place = counts[slot]
            counts[slot] = place + 1
            target[place] = item
            placed[place] = origin[position]
        source, origin = target, placed
        left -= 1
