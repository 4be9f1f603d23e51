"""The discrete Fourier transform along the last axis, of complex numbers and of any length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Apply, Expr, Index, Stmt, Template
from graphc.loops_program import ProgramBuilder
from graphc.ops.batching import batch_leading
from graphc.ops.fourier.passes import Pair, Parts, Passes, factors, roots, smooth_size
from graphc.ops.registry import register
from graphc.types import Size, TensorType, Type, real_dtype

Types = tuple[Type, ...]
Attributes = dict[str, Any]
SCALES: dict[str, Callable[[int], float]] = {
    "one": lambda n: 1.0,
    "root": lambda n: 1 / math.sqrt(n),
    "size": lambda n: 1 / n,
}
"""What results are multiplied with, by the attribute ``scale``."""


def _infer_fft(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (x,) = types
    assert isinstance(x, TensorType)
    if x.dtype.kind != "c":
        raise DTypeError(f"fft does not take {x}")
    if x.ndim == 0 or not isinstance(x.shape[-1], int) or x.shape[-1] < 1:
        raise ShapeError(f"fft of {x}: its last axis must have a known size of 1 or more")
    if attrs["scale"] not in SCALES:
        raise ShapeError(f"fft: {attrs['scale']!r} is not one of {', '.join(SCALES)}")
    return (x,)


def _evaluate_fft(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    norm: Any
    if node["inverse"]:
        norm = {"one": "forward", "root": "ortho", "size": "backward"}[node["scale"]]
        return (np.fft.ifft(arrays[0], norm=norm),)
    norm = {"one": "backward", "root": "ortho", "size": "forward"}[node["scale"]]
    return (np.fft.fft(arrays[0], norm=norm),)


def _fft_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """The matrix of the transform is symmetric."""
    (g,) = cotangents
    assert g is not None
    return (fft(g, inverse=node["inverse"], scale=node["scale"]),)


def _parts(name: str, builder: ProgramBuilder, dtype: np.dtype, n: int) -> Parts:
    return Parts(
        builder.scratch(f"real_{name}", dtype, (n,)), builder.scratch(f"imag_{name}", dtype, (n,))
    )


def _fft_program(node: Node, builder: ProgramBuilder) -> None:
    dtype = node.out().dtype
    n = node.out().shape[-1]
    assert isinstance(n, int)
    real = real_dtype(dtype)
    passes = Passes(builder, dtype, 1 if node["inverse"] else -1)
    scale = SCALES[node["scale"]](n)

    def read(at: Size) -> Pair:
        x = builder.element(0, (at,))
        return Apply("real", (x,), real), Apply("imag", (x,), real)

    def write(at: Size, pair: Pair) -> list[Stmt]:
        if scale != 1:
            pair = _times(pair, passes.number(scale), real)
        return [builder.result(0, (at,), Apply("complex", pair, dtype))]

    if factors(n) is None:
        _convolved(n, passes, read, write)
        return
    count = len(factors(n) or ())
    spare = [_parts(name, builder, real, n) for name in ("a", "b")[: max(count - 1, 0)]]
    passes.row(n, read, write, spare)


def _times(pair: Pair, factor: Expr, real: np.dtype) -> Pair:
    re, im = (Apply("multiply", (part, factor), real) for part in pair)
    return re, im


def _convolved(n: int, passes: Passes, read: Any, write: Any) -> None:
    """Bluestein's way: ``y_k = c_k sum_j (x_j c_j) conj(c_(k - j))`` with ``c_k = w^(k^2 / 2)``."""
    builder, real = passes.builder, passes.real
    size = smooth_size(2 * n - 1)
    k = np.arange(n)
    chirp = roots(k * k % (2 * n), 2 * n)
    filtered = np.zeros(size, np.complex128)
    filtered[:n] = chirp.conj()
    filtered[size - n + 1 :] = chirp[:0:-1].conj()
    spectrum = np.fft.fft(filtered) / size
    tables = []
    for table in (chirp, spectrum):
        parts = (table.real.astype(real), table.imag.astype(real))
        tables.append(Parts(*map(builder.constant, parts)))
    a, b, c = (_parts(name, builder, real, size) for name in "abc")

    def product(at: Size, x: Pair, table: Parts) -> Pair:
        root = builder.load(table.real, at), builder.load(table.imag, at)
        passes.pending, passes.count = [], 0
        x = passes.let(x[0]), passes.let(x[1])
        return passes.times(x, root)

    def fill(index: Index) -> list[Stmt]:
        pair = product(index[0], read(index[0]), tables[0])
        return [*passes.pending, *passes.writer(a)(index[0], pair)]

    def zero(index: Index) -> list[Stmt]:
        nothing = passes.number(0)
        return list(passes.writer(a)(index[0] + n, (nothing, nothing)))

    def deliver(index: Index) -> list[Stmt]:
        pair = product(index[0], passes.reader(a)(index[0]), tables[0])
        return [*passes.pending, *write(index[0], pair)]

    def filter_(index: Index) -> list[Stmt]:
        pair = product(index[0], passes.reader(c)(index[0]), tables[1])
        return [*passes.pending, *passes.writer(c)(index[0], pair)]

    builder.add(*builder.nest((n,), fill), *builder.nest((size - n,), zero))
    passes.row(size, passes.reader(a), passes.writer(c), [b, a])
    builder.add(*builder.nest((size,), filter_))
    turned = Passes(builder, passes.dtype, -passes.sign)
    turned.row(size, passes.reader(c), passes.writer(a), [b, c])
    builder.add(*builder.nest((n,), deliver))


def _work(node: Node) -> int:
    """Nanoseconds of one row: half a nanosecond for each element and doubling of the length."""
    n = node.out().shape[-1]
    assert isinstance(n, int)
    size = n if factors(n) is not None else 3 * smooth_size(2 * n - 1)
    return size * size.bit_length() // 2


FFT = register(
    Op(
        "fft",
        _infer_fft,
        _evaluate_fft,
        _fft_vjp,
        Template("program", _fft_program, core=1, work=_work),
        attributes={"inverse": "bool", "scale": "str"},
        batch=batch_leading,
    )
)


def fft(x: Value, *, inverse: bool = False, scale: str = "one") -> Value:
    """The transform of complex rows: ``sum_j x_j exp(-2 pi i j k / n)``, plus for the inverse.

    Args:
        x: (*batch, n), n known.
        inverse: the sign in the exponent.
        scale: ``one``, ``root`` (times 1 / sqrt(n)) or ``size`` (times 1 / n).

    Raises:
        ShapeError, DTypeError: x is not complex, or n is symbolic or 0.
    """
    return make(FFT, (x,), {"inverse": inverse, "scale": scale}).out()
