"""Loop IR: index arithmetic, joined loops, phases of a row, one load an element."""

import numpy as np
import pytest

import graphc
from graphc import build as runtime
from graphc import ops
from graphc.fuse.groups import fuse
from graphc.indexing import simplify, split_linear, storage
from graphc.ir import close
from graphc.loops import For, Load, Position
from graphc.loops_text import format_kernel
from graphc.lower import lower
from graphc.types import DTYPES, Dim

from .codegen.graphs import softmax, tensor

I0, I1, N, M = (Dim.symbol(name) for name in ("i0", "i1", "n", "m"))


def kernel_of(inputs, outputs):
    (step,) = lower(fuse(close(inputs, outputs))).steps
    return step.kernel


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((I0 * 128 + I1) // 128, I0),
        ((I0 * 128 + I1) % 128, I1),
        ((I0 * M + I1) // M, I0),
        ((I0 * M + I1) % M, I1),
        (I1 // 128, 0),
        ((127 - I1) // 128, 0),
        ((I1 + 1) % 128, (I1 + 1) % 128),
    ],
)
def test_division_by_a_known_range_goes(size, expected):
    wide = {"i0": N, "i1": 128 if "m" not in str(size) else M}
    assert simplify(size, wide) == expected


def test_a_size_is_split_by_a_variable():
    assert split_linear(I0 * M + I1, "i0") == (M, I1)
    assert split_linear(I0 * I0, "i0")[0] is None


def test_where_a_view_lies():
    x = tensor("float32", N, M)
    base, strides, offset = storage(ops.transpose(x, (1, 0)))
    assert (base, strides, offset) == (x, (1, M), 0)
    y = tensor("float32", 6, 4)
    assert storage(ops.flip(y, (0,))) == (y, (-4, 1), 20)


def test_contiguous_loops_are_joined():
    x = tensor("float32", N, M)
    end, loop = kernel_of([x], [ops.sin(x)]).body
    assert isinstance(loop, For)
    assert Position(N * M, DTYPES["int64"]) in end.value.arguments
    assert loop.stop == Dim.symbol(end.name)
    assert not any(isinstance(stmt, For) for stmt in loop.body)


def test_loops_over_a_broadcast_operand_stay():
    x, y = tensor("float32", N, M), tensor("float32", M)
    _, loop = kernel_of([x, y], [ops.add(x, ops.broadcast_to(y, (N, M)))]).body
    assert any(isinstance(stmt, For) for stmt in loop.body)


def test_softmax_has_three_phases_in_each_row():
    x = tensor("float32", 8, 10)
    (rows,) = kernel_of([x], [softmax(x)]).body
    assert sum(isinstance(stmt, For) for stmt in rows.body) == 3


def test_each_element_is_loaded_once():
    x = tensor("float32", 9)
    y = ops.add(ops.multiply(x, x), ops.sin(x))
    (loop,) = kernel_of([x], [y]).body
    loads = [stmt for stmt in loop.body if isinstance(getattr(stmt, "value", None), Load)]
    assert len(loads) == 1


def test_what_does_not_depend_on_a_loop_is_computed_outside():
    x, rate = tensor("float32", 6), tensor("float32")
    scale = ops.exp(rate)
    kernel = kernel_of([x, rate], [ops.multiply(x, ops.broadcast_to(scale, (6,)))])
    text = format_kernel(kernel)
    assert text.index("exp(") < text.index("for ")


def test_a_kernel_knows_its_operations_and_bytes():
    x, y = tensor("float32", N), tensor("float32", N)
    kernel = kernel_of([x, y], [ops.add(ops.multiply(x, y), x)])
    assert kernel.flops == 2 * N
    assert kernel.nbytes == 12 * N


def test_a_long_chain_of_rows_is_computed_once():
    """Each phase reads what the last one kept, so that the text grows with the statements."""

    def text(count):
        x = tensor("float64", 10)
        value = x
        for number in range(count):
            mean = ops.divide(ops.sum_(value, (0,)), ops.constant(10.0))
            shifted = ops.subtract(value, ops.broadcast_to(mean, (10,)))
            value = ops.add(shifted, ops.full_like(shifted, number + 2))
        return len(runtime.build(close([x], [value])).source)

    assert text(16) < 2.5 * text(8)


@pytest.mark.parametrize(("start", "checks"), [(0, 0), (1, 1)])
def test_positions_within_an_axis_need_no_check(start, checks):
    x = tensor("float32", 9)
    places = ops.add(ops.iota(9), ops.full_like(ops.iota(9), start)) if start else ops.iota(9)
    kernel = kernel_of([x], [ops.gather(x, [places], (0,))])
    assert len(kernel.sites) == checks


def test_constant_indices_are_checked_at_run_time():
    x = tensor("float32", 9)
    kernel = kernel_of([x], [ops.gather(x, [ops.constant([3, -1, 8], "int64")], (0,))])
    assert len(kernel.sites) == 1


def test_arguments_named_like_what_kernels_compute():
    """An input called ``x_0`` beside one called ``x``, whose element a kernel would call so."""

    @graphc.compile
    def step(x, x_0, x_1):
        return np.where(x > 0, x * x_0, x_1 * x) + x

    x = np.linspace(-1, 1, 5, dtype=np.float32)
    np.testing.assert_allclose(step(x, 2.0, x), np.where(x > 0, x * 2, x * x) + x, rtol=1e-6)
