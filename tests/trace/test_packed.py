"""Arrays whose strides are no multiple of the item: fields of packed structs, views of bytes."""

import numpy as np
import pytest

import graphc


def packed(dtype, count=12, before="u1", after="f4"):
    """A struct array, and its field of `dtype`, which lies between two others."""
    whole = np.zeros(count, dtype=[("p", before), ("v", dtype), ("q", after)])
    whole["p"], whole["q"] = 7, 0.25
    whole["v"] = np.arange(count)
    return whole


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i2", "c8", "c16"])
@pytest.mark.parametrize("before", ["u1", "u2", "i4"])
def test_reads(dtype, before):
    field = packed(dtype, before=before)["v"]

    def many(x):
        return x * 2, x.sum(), x[::-2], x.reshape(3, 4).T + 1, x[3]

    compiled = graphc.compile(lambda x: many(x))
    for _ in range(2):
        for found, wanted in zip(compiled(field), many(field), strict=True):
            np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(compiled(field.copy())[0], field * 2)


@pytest.mark.parametrize("dtype", ["f8", "i8", "c8"])
def test_writes_reach_the_field_and_nothing_else(dtype):
    def write(x, y):
        x -= y
        x[::2] *= 3
        return x.sum()

    compiled = graphc.compile(lambda x, y: write(x, y))
    plain, other = packed(dtype), packed(dtype)
    for _ in range(3):
        wanted = write(plain["v"], np.ones(12, dtype))
        assert compiled(other["v"], np.ones(12, dtype)) == wanted
        assert plain.tobytes() == other.tobytes()


def test_two_fields_of_one_array():
    def add(x, y):
        x += y

    plain, other = packed("f4"), packed("f4")
    graphc.compile(lambda x, y: add(x, y))(other["v"], other["q"])
    add(plain["v"], plain["q"])
    assert plain.tobytes() == other.tobytes()


def test_several_axes_results_and_captured():
    whole = np.zeros((5, 4), dtype=[("a", "i1"), ("b", "f8")])
    whole["b"] = np.arange(20.0).reshape(5, 4)
    field = whole["b"]
    compiled = graphc.compile(lambda x: (x.T @ x, x[1:, ::2], x.strides, field.mean(0)))
    product, view, strides, mean = compiled(field)
    np.testing.assert_array_equal(product, field.T @ field)
    np.testing.assert_array_equal(mean, field.mean(0))
    np.testing.assert_array_equal(view, field[1:, ::2])
    assert np.shares_memory(view, whole)
    assert strides == field.strides
    out = packed("f8", 4)
    graphc.compile(lambda x, out: np.multiply(x, 2, out=out))(np.arange(4.0), out["v"])
    np.testing.assert_array_equal(out["v"], [0, 2, 4, 6])
    np.testing.assert_array_equal(out["q"], [0.25] * 4)


def test_gradient():
    field = packed("f8")["v"]
    gradient = graphc.compile(graphc.grad(lambda x: (x**2).sum()))(field)
    np.testing.assert_array_equal(gradient, 2 * field)
