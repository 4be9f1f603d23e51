"""Sorting one row in NumPy's order: stable, and of any dtype, by the bytes of keys.

    words  := an element's key: one, or of a complex number three; keys compare as the elements do
    digits := the bytes of its words, least first
    sort   := each element's rank, the count of smaller ones, of short rows of real numbers
            | insertion, of short rows of complex ones
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

from graphc.codegen.intrinsics.memory import I64, INTEGERS, Buffer, _element, integers
from graphc.codegen.intrinsics.numba_names import cgutils, intrinsic, register_jitable, types

SHORT = 48
"""Complex elements up to which insertion is faster."""
RANKED = 96
"""Real elements up to which it is faster to compare each with all: that loop is of vectors."""
LANES = 16
"""Rows are ranked as if their length were a multiple of it."""
DIGIT = 256
"""Values of a digit."""
LARGEST = 2**63 - 1


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


def _complex_key(context: Any, builder: Any, value: Any, element: Any) -> tuple[Any, Any, Any]:
    """The three words of the key of a complex number, the least significant first."""
    part = element.underlying_float
    held = context.make_complex(builder, element, value)
    no_real = builder.fcmp_unordered("uno", held.real, held.real)
    no_imaginary = builder.fcmp_unordered("uno", held.imag, held.imag)
    unknown = builder.select(no_real, ir.Constant(I64, 2), builder.zext(no_imaginary, I64))
    keys = (_real_key(builder, number, part) for number in (held.imag, held.real))
    return (*keys, unknown)


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
        width = ir.Constant(I64, _digits(x.underlying_float))
        imaginary, real, unknown = _complex_key(context, builder, value, x)
        imaginary = _byte(builder, imaginary, place)
        real = _byte(builder, real, builder.sub(place, width))
        in_imaginary = builder.icmp_signed("<", place, width)
        in_real = builder.icmp_signed("<", place, builder.add(width, width))
        return builder.select(in_imaginary, imaginary, builder.select(in_real, real, unknown))

    return types.int64(x, types.int64), codegen


@intrinsic
def order_digits(typingctx: Any, x: Any) -> Any:
    """How many digits the key of `x` has."""
    return _constant(x, _digits(x))


@intrinsic
def order_words(typingctx: Any, x: Any) -> Any:
    """How many words the key of `x` has."""
    return _constant(x, 3 if isinstance(x, types.Complex) else 1)


@intrinsic
def order_words_of(typingctx: Any, row: Any) -> Any:
    """How many words the keys of the elements of a buffer have."""
    return _constant(row, 3 if isinstance(row.dtype, types.Complex) else 1)


def _constant(x: Any, number: int) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(I64, number)

    return types.int64(x), codegen


@intrinsic
def order_word(typingctx: Any, x: Any, which: Any) -> Any:
    """The word `which` of the key of `x`, the least significant first, as a signed number."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, place = args
        signed = ir.Constant(I64, -(2**63))
        if not isinstance(x, types.Complex):
            return builder.xor(_real_key(builder, value, x), signed)
        imaginary, real, unknown = _complex_key(context, builder, value, x)
        first = builder.icmp_signed("==", place, ir.Constant(I64, 0))
        second = builder.icmp_signed("==", place, ir.Constant(I64, 1))
        word = builder.select(first, imaginary, builder.select(second, real, unknown))
        return builder.xor(word, signed)

    return types.int64(x, types.int64), codegen


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
    for which in range(order_words(x) - 1, -1, -1):
        left, right = order_word(x, which), order_word(y, which)
        if left != right:
            return left < right
    return False


@intrinsic
def count_below(typingctx: Any, keys: Any, length: Any, key: Any) -> Any:
    """How many of `length` keys, a multiple of `LANES`, are less than `key`."""
    lanes = LANES // 2
    vector = ir.VectorType(I64, lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer, count, wanted = args
        filled = builder.insert_element(
            ir.Constant(vector, ir.Undefined), wanted, ir.IntType(32)(0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)
        wide = builder.shuffle_vector(filled, ir.Constant(vector, ir.Undefined), zeros)
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(2)]
        with cgutils.for_range(builder, builder.lshr(count, ir.Constant(I64, 4)), intp=I64) as turn:
            for half, held in enumerate(sums):
                place = builder.mul(turn.index, ir.Constant(I64, LANES))
                place = builder.add(place, ir.Constant(I64, half * lanes))
                at = builder.bitcast(builder.gep(pointer, [place]), vector.as_pointer())
                below = builder.icmp_signed("<", builder.load(at, align=8), wide)
                builder.store(builder.sub(builder.load(held), builder.sext(below, vector)), held)
        total = builder.add(*(builder.load(held) for held in sums))
        name = f"llvm.vector.reduce.add.v{lanes}i64"
        reduce_ = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(I64, [vector]), name
        )
        return builder.call(reduce_, [total])

    return types.int64(keys, types.int64, types.int64), codegen


@register_jitable
def set_ranks(x: Any, ranks: Any, length: int) -> None:
    """The place in order of each of `length` real elements, of `RANKED` at most."""
    keys, taken = integers(RANKED), integers(RANKED)
    padded = (length + LANES - 1) // LANES * LANES
    for position in range(length):
        keys[position] = order_word(x[position], 0)
        taken[position] = 0
    for position in range(length, padded):
        keys[position] = LARGEST
    for position in range(length):
        less = count_below(keys, padded, keys[position])
        ranks[position] = less + taken[less]
        taken[less] += 1


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
    if order_words_of(x) == 1 and length <= RANKED:
        ranks = integers(RANKED)
        set_ranks(x, ranks, length)
        for position in range(length):
            out[ranks[position]] = x[position]
        return
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
    if order_words_of(x) == 1 and length <= RANKED:
        ranks = integers(RANKED)
        set_ranks(x, ranks, length)
        for position in range(length):
            out[ranks[position]] = position
        return
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
