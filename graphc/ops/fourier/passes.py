"""The program of a Fourier transform of one row: passes of small transforms between two buffers.

A length of small prime factors is transformed by Stockham's passes, each of one factor r: element
``q + s (p + m k)``, k < r, goes with its transform to ``q + s (r p + j)``, times a power of a root
of unity (W. T. Cochran et al., What is the fast Fourier transform?, 1967). Others are a circular
convolution of a longer length (L. I. Bluestein, A linear filtering approach to the computation of
discrete Fourier transform, 1970). Real and imaginary parts lie apart, so that loops are vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.loops import Apply, Buffer, Const, Expr, Index, Let, Local, Stmt
from graphc.loops_program import ProgramBuilder
from graphc.types import Size, real_dtype

SMALL_PRIMES = (3, 5, 7, 11, 13)
"""Factors, beside 2, 4 and 8, that have passes of their own."""

FEW = 8
"""Positions in a loop below which the other loop of a pass is the inner one."""

Pair = tuple[Expr, Expr]
"""The real and the imaginary part of a complex number."""
Read = Callable[[Size], Pair]
Write = Callable[[Size, Pair], Sequence[Stmt]]


def factors(n: int) -> list[int] | None:
    """The factors of passes for length `n`, largest powers of 2 first; None if it has others."""
    found: list[int] = []
    twos = 0
    while n % 2 == 0:
        n, twos = n // 2, twos + 1
    found += [8] * (twos % 2 if twos >= 3 else 0)
    twos -= 3 * len(found)
    found += [4] * (twos // 2) + [2] * (twos % 2)
    for prime in SMALL_PRIMES:
        while n % prime == 0:
            n //= prime
            found.append(prime)
    return found if n == 1 else None


def smooth_size(least: int) -> int:
    """The smallest length of factors 2, 3 and 5 that is at least `least`."""
    best = 1 << (least - 1).bit_length()
    three = 1
    while three < best:
        odd = three
        while odd < best:
            rest = -(-least // odd)
            best = min(best, odd << max(rest - 1, 0).bit_length())
            odd *= 5
        three *= 3
    return best


def roots(numerators: np.ndarray, n: int) -> np.ndarray:
    """``exp(-2 pi i k / n)`` for integers k, correctly rounded or next to it.

    In extended precision where there is one, and exact at quarters of the circle.
    """
    quarter, rest = np.divmod(4 * (numerators % n), n)
    angle = rest * (np.longdouble(2) * np.arctan2(np.longdouble(0), np.longdouble(-1)) / (4 * n))
    found = np.cos(angle) - 1j * np.sin(angle)
    turned: np.ndarray = np.choose(quarter, (found, -1j * found, -found, 1j * found))
    return turned.astype(np.complex128)


@dataclass
class Parts:
    """Two scratch buffers, of real and of imaginary parts."""

    real: Buffer
    imag: Buffer


@dataclass
class Passes:
    """Writes transforms with one program builder; `sign` is -1 for a forward transform."""

    builder: ProgramBuilder
    dtype: np.dtype
    sign: int
    count: int = 0
    pending: list[Stmt] = field(default_factory=list)

    @property
    def real(self) -> np.dtype:
        return real_dtype(self.dtype)

    # --- arithmetic on pairs; every result is a variable ---

    def let(self, expr: Expr) -> Expr:
        name = f"part_{self.count}"
        self.count += 1
        self.pending.append(Let(name, expr))
        return Local(name, self.real)

    def apply(self, function: str, *operands: Expr) -> Expr:
        return Apply(function, operands, self.real)

    def number(self, value: float) -> Expr:
        return Const(float(value), self.real)

    def add(self, a: Pair, b: Pair) -> Pair:
        return self.let(self.apply("add", a[0], b[0])), self.let(self.apply("add", a[1], b[1]))

    def subtract(self, a: Pair, b: Pair) -> Pair:
        return (
            self.let(self.apply("subtract", a[0], b[0])),
            self.let(self.apply("subtract", a[1], b[1])),
        )

    def turned(self, a: Pair) -> Pair:
        """``a`` times i, for the inverse transform, or -i."""
        minus = self.apply("negative", a[1] if self.sign > 0 else a[0])
        return (self.let(minus), a[0]) if self.sign > 0 else (a[1], self.let(minus))

    def times(self, a: Pair, b: Pair) -> Pair:
        """The product with a root of the forward transform, conjugated for the inverse."""
        straight, across = ("subtract", "add") if self.sign < 0 else ("add", "subtract")
        re, im = a
        c, s = b
        first = self.apply("multiply", re, c), self.apply("multiply", im, s)
        second = self.apply("multiply", im, c), self.apply("multiply", re, s)
        return self.let(self.apply(straight, *first)), self.let(self.apply(across, *second))

    def scaled(self, a: Pair, factor: float) -> Pair:
        c = self.number(factor)
        return self.let(self.apply("multiply", a[0], c)), self.let(self.apply("multiply", a[1], c))

    def by_root(self, a: Pair, k: int, n: int) -> Pair:
        """``a`` times a known root of unity."""
        k %= n
        if k == 0:
            return a
        if 2 * k == n:
            minus = tuple(self.let(self.apply("negative", part)) for part in a)
            return minus[0], minus[1]
        if 4 * k == n:
            return self.turned(a)
        root = roots(np.array([k]), n)[0]
        return self.times(a, (self.number(root.real), self.number(root.imag)))

    # --- small transforms ---

    def small(self, values: list[Pair]) -> list[Pair]:
        """The transform of a few values."""
        n = len(values)
        if n == 1:
            return values
        if n == 2:
            return [self.add(*values), self.subtract(*values)]
        if n == 4:
            a, b = self.add(values[0], values[2]), self.subtract(values[0], values[2])
            c = self.add(values[1], values[3])
            d = self.turned(self.subtract(values[1], values[3]))
            return [self.add(a, c), self.add(b, d), self.subtract(a, c), self.subtract(b, d)]
        if n % 2 == 0:
            even, odd = self.small(values[::2]), self.small(values[1::2])
            odd = [self.by_root(value, k, n) for k, value in enumerate(odd)]
            pairs = list(zip(even, odd, strict=True))
            return [self.add(a, b) for a, b in pairs] + [self.subtract(a, b) for a, b in pairs]
        return self.small_odd(values)

    def small_odd(self, values: list[Pair]) -> list[Pair]:
        """By sums and differences of the values k and n - k."""
        n = len(values)
        half = range(1, n // 2 + 1)
        sums = [self.add(values[k], values[n - k]) for k in half]
        differences = [self.subtract(values[k], values[n - k]) for k in half]
        first = values[0]
        for pair in sums:
            first = self.add(first, pair)
        results: list[Pair] = [first] * n
        for j in half:
            angles = roots(np.array([j * k for k in half]), n)
            even = values[0]
            odd: Pair | None = None
            for pair, difference, root in zip(sums, differences, angles, strict=True):
                even = self.add(even, self.scaled(pair, root.real))
                share = self.scaled(difference, -root.imag)
                odd = share if odd is None else self.add(odd, share)
            assert odd is not None
            turned = self.turned(odd)
            results[j], results[n - j] = self.add(even, turned), self.subtract(even, turned)
        return results

    # --- passes ---

    def row(self, n: int, read: Read, write: Write, spare: Sequence[Parts]) -> None:
        """The transform of one row of length `n`, by way of the buffers `spare`."""
        known = factors(n)
        assert known is not None
        if not known:
            self.pending = []
            self.builder.add(*write(0, read(0)))
            return
        stride = 1
        for number, radix in enumerate(known):
            source = read if number == 0 else self.reader(spare[(number - 1) % 2])
            last = number == len(known) - 1
            target = write if last else self.writer(spare[number % 2])
            self.one_pass(n // stride, stride, radix, source, target)
            stride *= radix

    def reader(self, parts: Parts) -> Read:
        load = self.builder.load
        return lambda at: (load(parts.real, at), load(parts.imag, at))

    def writer(self, parts: Parts) -> Write:
        store = self.builder.store
        return lambda at, pair: [
            store(parts.real, (at,), pair[0]),
            store(parts.imag, (at,), pair[1]),
        ]

    def one_pass(self, length: int, stride: int, radix: int, read: Read, write: Write) -> None:
        """Transforms of `radix` elements that lie ``length / radix * stride`` apart."""
        count = length // radix
        tables = self.tables(length, radix)

        def twiddles(p: Size) -> list[Pair]:
            found = [(self.builder.load(c, p), self.builder.load(s, p)) for c, s in tables]
            return [(self.let(c), self.let(s)) for c, s in found]

        def body(p: Size, q: Size, by: list[Pair]) -> list[Stmt]:
            sources = [read(q + stride * (p + count * k)) for k in range(radix)]
            values = self.small([(self.let(re), self.let(im)) for re, im in sources])
            if by:
                turned = [self.times(v, w) for v, w in zip(values[1:], by, strict=True)]
                values = [values[0], *turned]
            stores: list[Stmt] = []
            for j, value in enumerate(values):
                stores += write(q + stride * (radix * p + j), value)
            return stores

        def start() -> None:
            self.count, self.pending = 0, []

        def inner(index: Index) -> list[Stmt]:
            start()
            p, q = index[-1], (index[0] if len(index) == 2 else 0)
            stores = body(p, q, twiddles(p) if count > 1 else [])
            return [*self.pending, *stores]

        def outer(index: Index) -> list[Stmt]:
            start()
            (p,) = index
            by = twiddles(p) if count > 1 else []
            before, kept = self.pending, self.count

            def elements(at: Index) -> list[Stmt]:
                self.pending, self.count = [], kept
                stores = body(p, at[0], by)
                return [*self.pending, *stores]

            return [*before, *self.builder.nest((stride,), elements)]

        if stride < FEW and count >= stride:
            shape: tuple[Size, ...] = (count,) if stride == 1 else (stride, count)
            self.builder.add(*self.builder.nest(shape, inner))
        elif count == 1:
            self.builder.add(*outer((0,)))
        else:
            self.builder.add(*self.builder.nest((count,), outer))

    def tables(self, length: int, radix: int) -> list[tuple[Buffer, Buffer]]:
        """For each j > 0, the roots ``exp(-2 pi i p j / length)``, p < length / radix."""
        count = length // radix
        if count == 1:
            return []
        found = []
        for j in range(1, radix):
            root = roots(j * np.arange(count), length)
            parts = (root.real.astype(self.real), root.imag.astype(self.real))
            found.append((self.builder.constant(parts[0]), self.builder.constant(parts[1])))
        return found
