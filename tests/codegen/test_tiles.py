"""Generated matrix products against NumPy: shapes, layouts, edges, accuracy, chunks."""

import ctypes

import numpy as np
import pytest
from llvmlite import ir

import graphc
from graphc import objects
from graphc.codegen.tiles import blas
from graphc.codegen.tiles import micro as tiles_micro
from graphc.codegen.tiles.micro import form_for, registers
from graphc.codegen.tiles.product import product_function

SHAPES = [
    (2, 1, 2),
    (2, 3, 5),
    (13, 7, 16),
    (14, 16, 32),
    (15, 33, 17),
    (28, 17, 33),
    (65, 33, 17),
    (64, 64, 10),
    (64, 784, 128),
    (3, 1300, 70),
    (130, 40, 100),
    (300, 20, 48),
]
LAYOUTS = ["nn", "tn", "nt", "tt"]


def operands(shape, layout, dtype, seed=0):
    """A and B with those axes contiguous that `layout` says, and a function that multiplies."""
    m, k, n = shape
    random = np.random.default_rng(seed)
    a = random.standard_normal((m, k)).astype(dtype)
    b = random.standard_normal((k, n)).astype(dtype)
    first = np.ascontiguousarray(a.T) if layout[0] == "t" else a
    second = np.ascontiguousarray(b.T) if layout[1] == "t" else b

    def multiply(first, second):
        left = first.T if layout[0] == "t" else first
        right = second.T if layout[1] == "t" else second
        return left @ right

    return a, b, first, second, multiply


def error(result, a, b):
    """The largest error, as a part of what the absolute values sum to."""
    exact = a.astype(np.float64) @ b.astype(np.float64)
    scale = np.abs(a.astype(np.float64)) @ np.abs(b.astype(np.float64))
    return np.max(np.abs(result - exact) / scale)


def bound(a, b):
    """Twice NumPy's own error."""
    return 2 * max(error(a @ b, a, b), np.finfo(a.dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_product_is_as_exact_as_numpys(shape, layout, dtype):
    a, b, first, second, multiply = operands(shape, layout, dtype)
    compiled = graphc.compile(multiply)
    result = compiled(first, second)
    assert result.dtype == dtype
    if 1 not in shape:
        assert "product(" in compiled.lower(first, second).source
    assert error(result, a, b) <= bound(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_product_with_rows_far_apart(layout, dtype):
    """Rows 4096 bytes apart: A is copied, B packed."""
    a, b, first, second, multiply = operands((300, 1024, 1024), layout, dtype)
    compiled = graphc.compile(multiply)
    result = compiled(first, second)
    assert error(result, a, b) <= bound(a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_symbolic_sizes(layout):
    *_, multiply = operands((2, 2, 2), layout, np.float32)
    axes = "mk" if layout[0] == "n" else "km", "kn" if layout[1] == "n" else "nk"
    specs = [graphc.spec(tuple(names), np.float32) for names in axes]
    compiled = graphc.compile(multiply).lower(*specs).compile()
    known = len(compiled.specializations)
    for shape in [(20, 30, 40), (7, 9, 11), (100, 3, 31), (300, 500, 20)]:
        a, b, first, second, _ = operands(shape, layout, np.float32)
        np.testing.assert_allclose(compiled(first, second), a @ b, rtol=1e-4, atol=1e-4)
    assert len(compiled.specializations) == known


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 0, 3), (4, 3, 0), (5, 0, 1), (2, 1, 1)], ids=str)
def test_empty_and_single(shape):
    m, k, n = shape
    a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    result = graphc.compile(lambda a, b: a @ b)(a, b)
    assert result.shape == (m, n)
    np.testing.assert_array_equal(result, a @ b)


@pytest.mark.parametrize("shape", [(0, 2, 13), (0, 1, 4), (2, 3, 0)], ids=str)
def test_an_empty_product_writes_nowhere_else(shape):
    m, k, n = shape
    a, b = np.ones((m, k)), np.ones((k, n))
    compiled = graphc.compile(lambda a, b: a @ b)
    executable = compiled.lower(a, b).compile().specializations[0].executable
    kernel, (launch,) = executable.compiled.functions[0], executable.kernels
    result = np.full(64, 7.0)
    known = {"a": a, "b": b}
    pointers = [known.get(buffer.name, result).ctypes.data for buffer in launch[1].buffers]
    table = (ctypes.c_void_p * len(pointers))(*pointers)
    sizes = (ctypes.c_int64 * 8)(*(size for _, size in launch[1].parameters))
    words = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
    assert ctypes.CFUNCTYPE(ctypes.c_int32, *words)(kernel)(table, sizes, 0, 1) == 0
    np.testing.assert_array_equal(result, 7.0)


@pytest.mark.parametrize("batch", [(2,), (40,), (3, 4), (1, 5)], ids=str)
@pytest.mark.parametrize("shape", [(5, 6, 7), (32, 32, 32), (200, 100, 150)], ids=str)
def test_batches(batch, shape):
    m, k, n = shape
    random = np.random.default_rng(1)
    a = random.standard_normal((*batch, m, k)).astype(np.float32)
    b = random.standard_normal((*batch, k, n)).astype(np.float32)
    compiled = graphc.compile(lambda a, b: a @ b)
    np.testing.assert_allclose(compiled(a, b), a @ b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(compiled(a, b[..., :1, :, :]), a @ b[..., :1, :, :], atol=1e-3)
    np.testing.assert_allclose(compiled(a[:1], b), a[:1] @ b, rtol=1e-3, atol=1e-4)
    swapped = graphc.compile(lambda a, b: np.swapaxes(a, -1, -2) @ np.swapaxes(b, -1, -2))
    a, b = a.swapaxes(-1, -2).copy(), b.swapaxes(-1, -2).copy()
    wanted = np.swapaxes(a, -1, -2) @ np.swapaxes(b, -1, -2)
    np.testing.assert_allclose(swapped(a, b), wanted, rtol=1e-3, atol=1e-4)


def test_not_finite():
    a = np.ones((20, 30), np.float32)
    b = np.ones((30, 18), np.float32)
    a[3, 4], a[5, 6], b[7, 8] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(graphc.compile(lambda a, b: a @ b)(a, b), a @ b)


def test_parts_of_arrays():
    whole = np.random.default_rng(2).standard_normal((60, 70)).astype(np.float32)

    @graphc.compile
    def parts(x):
        return x[3:40, 5:33] @ x[10:38, 7:50], x[::2, :20] @ x[:20, ::3]

    wanted = whole[3:40, 5:33] @ whole[10:38, 7:50], whole[::2, :20] @ whole[:20, ::3]
    for result, expected in zip(parts(whole), wanted, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_chunks_depend_on_sizes_only():
    a, b, _, _, multiply = operands((512, 256, 256), "nn", np.float32)
    results, counts = [], []
    for threads in (1, 2):
        compiled = graphc.compile(multiply, threads=threads)
        results.append(compiled(a, b))
        ((_, kernel),) = compiled.lower(a, b).kernels
        counts.append(kernel.chunks)
    assert counts[0] == counts[1] > 1
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize(
    ("shape", "layout", "chunks"),
    [((64, 128, 64), "nn", 2), ((64, 64, 128), "nt", 2), ((16, 128, 64), "nn", 1)],
)
def test_a_small_product_keeps_two_threads_busy(shape, layout, chunks):
    a, b, first, second, multiply = operands(shape, layout, np.float32)
    compiled = graphc.compile(multiply, threads=2)
    compiled.clear_cache()
    assert error(compiled(first, second), a, b) <= bound(a, b)
    ((_, kernel),) = compiled.lower(first, second).kernels
    assert kernel.chunks == chunks


def test_forms_fit_the_registers():
    machine = registers()
    for bits in (32, 64):
        for rows in (None, 1, 2, 13, 64, 1000):
            for columns in (None, 1, 10, 16, 33, 128, 5000):
                form = form_for(bits, rows, columns)
                needed = form.rows * form.vectors + form.vectors + 1
                assert form.rows >= 1
                assert needed <= machine.count
                assert form.lanes * bits == machine.width * 8


def test_blas_routine_is_found_without_scipy():
    """``ddot`` of three numbers, called as generated code calls: integers by reference."""
    function = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_void_p] * 5)(blas.routine("ddot"))
    x, y = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    count, step = ctypes.c_int64(3), ctypes.c_int64(1)
    by = ctypes.addressof
    assert function(by(count), x.ctypes.data, by(step), y.ctypes.data, by(step)) == 32.0


@pytest.mark.parametrize(("width", "count"), [(16, 16), (32, 16), (16, 32), (64, 32)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_vector_registers(width, count, layout, monkeypatch):
    """Narrower vectors than the machine's, or wider: LLVM lowers them to what it has."""
    monkeypatch.setattr(tiles_micro, "registers", lambda: tiles_micro.Registers(width, count))
    monkeypatch.setattr(objects, "_addresses", {})
    assert form_for(32, 33, 27).lanes == width // 4
    for shape in [(33, 20, 27), (150, 1024, 1024)]:
        a, b, first, second, multiply = operands(shape, layout, np.float32)
        compiled = graphc.compile(multiply, cache=False)
        compiled.clear_cache()
        result = compiled(first, second)
        assert error(result, a, b) <= bound(a, b)
        compiled.clear_cache()


@pytest.mark.parametrize("bits", [32, 64])
def test_products_of_few_and_of_whole_columns_are_two_functions(bits):
    """In one module what is known of half a panel is not what is known of a whole one."""
    module = ir.Module()
    width = form_for(bits, 28, 1).columns
    half, whole = (product_function(module, bits, 28, n).name for n in (width // 2, width))
    assert half != whole
