"""Scalar instructions that Numba's operators do not give, or give with other edges than NumPy's."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.numba_names import cgutils, intrinsic, types

_I64 = ir.IntType(64)


def _float_intrinsic(name: str, doc: str) -> Any:
    """A unary or binary LLVM intrinsic on floats."""

    def typed(typingctx: Any, *operands: Any) -> Any:
        result = operands[0]

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = builder.module.declare_intrinsic(
                name, [args[0].type], ir.FunctionType(args[0].type, [a.type for a in args])
            )
            return builder.call(function, args)

        return result(*operands), codegen

    def unary(typingctx: Any, x: Any) -> Any:
        return typed(typingctx, x)

    def binary(typingctx: Any, x: Any, y: Any) -> Any:
        return typed(typingctx, x, y)

    chosen = binary if name in ("llvm.copysign",) else unary
    chosen.__doc__ = doc
    return intrinsic(chosen)


floor = _float_intrinsic("llvm.floor", "Round down.")
ceil = _float_intrinsic("llvm.ceil", "Round up.")
trunc = _float_intrinsic("llvm.trunc", "Round towards zero.")
rint = _float_intrinsic("llvm.rint", "Round to the nearest integer, ties to even.")
square_root = _float_intrinsic("llvm.sqrt", "The square root.")
float_absolute = _float_intrinsic("llvm.fabs", "The absolute value of a float.")
copysign = _float_intrinsic("llvm.copysign", "The magnitude of x with the sign of y.")


def _extreme(name: str, relation: str) -> Any:
    def typed(typingctx: Any, x: Any, y: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            left, right = args
            if isinstance(x, types.Float):
                function = builder.module.declare_intrinsic(
                    f"llvm.{name}",
                    [left.type],
                    ir.FunctionType(left.type, [left.type, right.type]),
                )
                # The first operand is the one that is tested for NaN: the new value, so that the
                # test is not in the chain from one step of a reduction to the next.
                return builder.call(function, [right, left], fastmath=("nsz",))
            signed = getattr(x, "signed", False)
            compare = builder.icmp_signed if signed else builder.icmp_unsigned
            return builder.select(compare(relation, left, right), left, right)

        return x(x, y), codegen

    typed.__doc__ = f"""The {name} of what a reduction has and its next number; NaN where one is
    NaN, either of 0.0 and -0.0."""
    return intrinsic(typed)


maximum = _extreme("maximum", ">")
minimum = _extreme("minimum", "<")


def _chosen(name: str, relation: str) -> Any:
    def typed(typingctx: Any, x: Any, y: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            left, right = args
            larger = builder.select(builder.fcmp_ordered(relation, left, right), left, right)
            return builder.select(builder.fcmp_unordered("uno", left, left), left, larger)

        return x(x, y), codegen

    typed.__doc__ = f"""The {name} of two floats, as NumPy has it on x86: NaN where one is NaN, the
    second of 0.0 and -0.0."""
    return intrinsic(typed)


larger = _chosen("larger", ">")
smaller = _chosen("smaller", "<")


def _reassociated(name: str, *flags: str) -> Any:
    def typed(typingctx: Any, x: Any, y: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            operation = getattr(builder, f"f{name}")
            return operation(*args, flags=("reassoc", "contract", *flags))

        return x(x, y), codegen

    typed.__doc__ = f"""``x {name} y`` in a reduction whose order is free, so that it vectorises.
    The sign of a sum that is zero is free too: short rows don't vectorise otherwise."""
    return intrinsic(typed)


add_reassociated = _reassociated("add", "nsz")
multiply_reassociated = _reassociated("mul")


def _libm(name: str, operands: int = 1) -> Any:
    """The C library's function of that name, ``f`` appended for float32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        full = name + ("f" if sig.return_type == types.float32 else "")
        type_ = ir.FunctionType(args[0].type, [a.type for a in args])
        function = cgutils.get_or_insert_function(builder.module, type_, full)
        return builder.call(function, args)

    def unary(typingctx: Any, x: Any) -> Any:
        return x(x), codegen

    def binary(typingctx: Any, x: Any, y: Any) -> Any:
        return x(x, y), codegen

    chosen = unary if operands == 1 else binary
    chosen.__doc__ = f"The C library's ``{name}``."
    return intrinsic(chosen)


c_exp = _libm("exp")
c_exp2 = _libm("exp2")
c_expm1 = _libm("expm1")
c_log = _libm("log")
c_log2 = _libm("log2")
c_log10 = _libm("log10")
c_log1p = _libm("log1p")
c_sin = _libm("sin")
c_cos = _libm("cos")
c_tan = _libm("tan")
c_asin = _libm("asin")
c_acos = _libm("acos")
c_atan = _libm("atan")
c_sinh = _libm("sinh")
c_cosh = _libm("cosh")
c_tanh = _libm("tanh")
c_asinh = _libm("asinh")
c_acosh = _libm("acosh")
c_atanh = _libm("atanh")
c_cbrt = _libm("cbrt")
c_erf = _libm("erf")
c_erfc = _libm("erfc")
c_pow = _libm("pow", 2)
c_atan2 = _libm("atan2", 2)
c_hypot = _libm("hypot", 2)
c_fmod = _libm("fmod", 2)
c_nextafter = _libm("nextafter", 2)


@intrinsic
def one(typingctx: Any, x: Any) -> Any:
    """1 in the type of x."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return ir.Constant(args[0].type, 1)

    return x(x), codegen


@intrinsic
def signbit(typingctx: Any, x: Any) -> Any:
    """Whether the sign bit of a float is set."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = ir.IntType(32 if x == types.float32 else 64)
        return builder.icmp_signed("<", builder.bitcast(args[0], bits), ir.Constant(bits, 0))

    return types.boolean(x), codegen


@intrinsic
def bits_of(typingctx: Any, x: Any) -> Any:
    """The bits of a float as a signed integer of its width."""
    result = types.int32 if x == types.float32 else types.int64

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(result))

    return result(x), codegen


@intrinsic
def count_ones(typingctx: Any, x: Any) -> Any:
    """The number of bits set in the magnitude of an integer, as uint8."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (value,) = args
        if x.signed:
            negative = builder.icmp_signed("<", value, ir.Constant(value.type, 0))
            value = builder.select(negative, builder.neg(value), value)
        count = builder.ctpop(value)
        byte = ir.IntType(8)
        return count if count.type == byte else builder.trunc(count, byte)

    return types.uint8(x), codegen


@intrinsic
def make_complex(typingctx: Any, re: Any, im: Any) -> Any:
    """A complex number from its parts, exactly."""
    result = types.complex64 if re == types.float32 else types.complex128

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = context.make_complex(builder, result)
        made.real, made.imag = args
        return made._getvalue()

    return result(re, im), codegen


@intrinsic
def shift_left(typingctx: Any, x: Any, y: Any) -> Any:
    """``x << y``; 0 where y is negative or not below the width, as NumPy has it."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, count = args
        inside = builder.icmp_unsigned("<", count, ir.Constant(count.type, x.bitwidth))
        zero = ir.Constant(value.type, 0)
        safe = builder.select(inside, count, zero)
        return builder.select(inside, builder.shl(value, safe), zero)

    return x(x, y), codegen


@intrinsic
def shift_right(typingctx: Any, x: Any, y: Any) -> Any:
    """``x >> y``; 0, or -1 for a negative x, where y is negative or not below the width."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, count = args
        inside = builder.icmp_unsigned("<", count, ir.Constant(count.type, x.bitwidth))
        last = ir.Constant(value.type, x.bitwidth - 1)
        if x.signed:
            return builder.ashr(value, builder.select(inside, count, last))
        zero = ir.Constant(value.type, 0)
        shifted = builder.lshr(value, builder.select(inside, count, zero))
        return builder.select(inside, shifted, zero)

    return x(x, y), codegen


def _division(remainder: bool) -> Any:
    def typed(typingctx: Any, x: Any, y: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            value, divisor = args
            zero, one = ir.Constant(value.type, 0), ir.Constant(value.type, 1)
            by_zero = builder.icmp_unsigned("==", divisor, zero)
            special = by_zero
            if x.signed:
                # The least integer by -1 overflows: NumPy wraps it; the remainder is 0.
                minus = ir.Constant(value.type, -1)
                by_minus = builder.icmp_signed("==", divisor, minus)
                special = builder.or_(by_zero, by_minus)
            safe = builder.select(special, one, divisor)
            if not x.signed:
                found = builder.urem(value, safe) if remainder else builder.udiv(value, safe)
                return builder.select(by_zero, zero, found)
            quotient, rest = builder.sdiv(value, safe), builder.srem(value, safe)
            other_sign = builder.icmp_signed("<", builder.xor(rest, safe), zero)
            uneven = builder.icmp_signed("!=", rest, zero)
            adjust = builder.and_(other_sign, uneven)
            if remainder:
                found = builder.select(adjust, builder.add(rest, safe), rest)
                return builder.select(special, zero, found)
            found = builder.select(adjust, builder.sub(quotient, one), quotient)
            found = builder.select(by_minus, builder.sub(zero, value), found)
            return builder.select(by_zero, zero, found)

        return x(x, y), codegen

    typed.__doc__ = "Floor division of integers with NumPy's edges; 0 by zero."
    if remainder:
        typed.__doc__ = "The remainder of floor division with NumPy's edges; 0 by zero."
    return intrinsic(typed)


integer_floor_divide = _division(False)
integer_remainder = _division(True)


@intrinsic
def integer_fmod(typingctx: Any, x: Any, y: Any) -> Any:
    """The remainder of C's division, with the sign of x; 0 by zero."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, divisor = args
        zero, one = ir.Constant(value.type, 0), ir.Constant(value.type, 1)
        special = builder.icmp_unsigned("==", divisor, zero)
        if x.signed:
            minus = builder.icmp_signed("==", divisor, ir.Constant(value.type, -1))
            special = builder.or_(special, minus)
        safe = builder.select(special, one, divisor)
        found = builder.srem(value, safe) if x.signed else builder.urem(value, safe)
        return builder.select(special, zero, found)

    return x(x, y), codegen


@intrinsic
def float_to_integer(typingctx: Any, x: Any, target: Any) -> Any:
    """A float as an integer, as x86 converts it for NumPy.

    NaN and what is out of range give the least int64 (int32 for narrower types), truncated; a
    uint64 takes values up to 2**64.
    """
    result = target.dtype

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = args[0]
        via = 64 if result.bitwidth == 64 or result == types.uint32 else 32
        wide = ir.IntType(via)
        limit = ir.Constant(value.type, 2.0 ** (via - 1))
        floor_ = ir.Constant(value.type, -(2.0 ** (via - 1)))

        def convert(number: Any) -> Any:
            inside = builder.and_(
                builder.fcmp_ordered("<", number, limit),
                builder.fcmp_ordered(">=", number, floor_),
            )
            safe = builder.select(inside, number, ir.Constant(number.type, 0.0))
            least = ir.Constant(wide, -(2 ** (via - 1)))
            return builder.select(inside, builder.fptosi(safe, wide), least)

        found = convert(value)
        if result == types.uint64:
            upper = builder.fcmp_ordered(">=", value, limit)
            high = convert(builder.fsub(value, limit))
            flipped = builder.xor(high, ir.Constant(wide, -(2**63)))
            found = builder.select(upper, flipped, found)
        narrow = ir.IntType(result.bitwidth)
        return found if narrow == wide else builder.trunc(found, narrow)

    return result(x, target), codegen
