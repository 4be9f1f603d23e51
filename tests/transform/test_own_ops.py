"""Ops of one's own: what is raised for builders and expressions that are not what they must be."""

import numpy as np
import pytest

import graphc
from graphc.errors import DomainError, TraceError
from graphc.ir import Op, make
from graphc.loops import Element
from graphc.ops import OPS, register
from graphc.ops.elementwise.pointwise import pointwise
from graphc.ops.elementwise.scalar import apply

X = np.array([1.0, 2.0])
NAME = "op_of_test_own_ops"


@pytest.fixture(autouse=True)
def forget():
    """The tests register one name again and again."""
    yield
    OPS.pop(NAME, None)


@pytest.mark.parametrize(
    "build",
    [
        np.sin,
        lambda x: np.sum(x),
        lambda x: 2 * x,
        lambda x: np.float64(2) * x,
        lambda x: x @ x,
        lambda x: -x,
        lambda x: x > 0,
        lambda x: x[0],
    ],
)
@pytest.mark.parametrize("elementwise", [True, False])
def test_a_builder_computes_with_values_of_the_graph(build, elementwise):
    with pytest.raises(TypeError, match="no Python operators and no NumPy functions") as caught:
        graphc.operation(build, elementwise=elementwise)(X)
    assert "graphc.ops" in caught.value.hint
    assert caught.value.location.file == __file__


def elementwise(expression):
    build = pointwise(NAME, lambda x: x, arity=1, kinds="f", expression=expression)
    return graphc.operation(build, elementwise=True)


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        (lambda x: 3.0, f"the expression of {NAME} gives 3.0", "number"),
        (lambda x: x * x, "a scalar expression takes no Python operators", 'apply("multiply", x'),
        (np.sin, "a scalar expression takes no Python operators", 'apply("multiply", x, y)'),
        (lambda x: apply("add", x, 1.0), "not 1.0", "number(1.0, x)"),
        (lambda x: apply("multiplied", x, x), "no scalar function 'multiplied'", "'multiply'"),
        (lambda x: apply("plus", x, x), "no scalar function 'plus'", "SCALAR_FUNCTIONS"),
    ],
)
def test_an_expression_that_is_none(expression, message, hint):
    op = elementwise(expression)
    with pytest.raises(graphc.GraphcError) as caught:
        op(X)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.location.file == __file__


def test_an_expression_among_others_names_its_line():
    op = elementwise(lambda x: 3.0)
    with pytest.raises(TraceError) as caught:
        graphc.compile(lambda x: (np.sin(op(x)) * x).sum())(X)
    assert "op(x)" in caught.value.location.text


def test_an_op_of_any_position():
    record = register(
        Op(
            NAME,
            infer=lambda types, attrs, regions: types,
            evaluate=lambda driver, node, arrays: (arrays[0],),
            lower=Element(lambda node, index, read: 3.0),
        )
    )
    with pytest.raises(TraceError, match=r"gives 3\.0"):
        graphc.operation(lambda x: make(record, (x,)).out())(X)


def test_pointwise_without_what_it_needs():
    with pytest.raises(TypeError, match="needs arity="):
        pointwise(NAME, lambda x: x, expression=lambda x: x)
    with pytest.raises(DomainError, match="no scalar function"):
        pointwise(NAME, lambda x: x, arity=1)
