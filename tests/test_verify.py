"""The verifier refuses each kind of broken graph, and names what is wrong."""

import pytest

from graphc import ops
from graphc.errors import VerificationError
from graphc.ir import Graph, Node, Op, close, fresh_input, make, parameter
from graphc.types import DTYPES, TOKEN, TensorType
from graphc.verify import verify

F32, F64 = DTYPES["float32"], DTYPES["float64"]
VECTOR = TensorType(F64, (3,))


def forged(op, inputs, types, attrs=(), regions=()):
    """A node that did not go through `make`."""
    node = Node.__new__(Node)
    node.op, node.inputs, node.attrs, node.regions, node.types = op, inputs, attrs, regions, types
    return node


def test_a_good_graph_is_given_back():
    x = fresh_input(VECTOR)
    graph = close([x], [ops.sin(x)])
    assert verify(graph) is graph


def test_types_are_derived_again():
    x = parameter(0, VECTOR)
    node = forged(ops.OPS["sin"], (x,), (TensorType(F32, (3,)),))
    with pytest.raises(VerificationError, match=r"after fuse.*sin"):
        verify(Graph((x,), (node.out(),)), "fuse")


def test_inputs_are_the_parameters_in_order():
    x, y = parameter(0, VECTOR), parameter(1, VECTOR)
    with pytest.raises(VerificationError, match="not parameter 0"):
        verify(Graph((y, x), (x,)))
    with pytest.raises(VerificationError, match="not an input of the graph"):
        verify(Graph((x,), (ops.add(x, y),)))


def test_an_open_input_is_refused():
    x = fresh_input(VECTOR)
    with pytest.raises(VerificationError, match="open input"):
        verify(Graph((), (ops.sin(x),)))
    with pytest.raises(ValueError, match="not an input"):
        close([], [ops.sin(x)])


def test_an_effect_takes_and_gives_a_token():
    x = parameter(0, VECTOR)
    silent = Op("silent", lambda types, attrs, regions: (VECTOR,), lambda d, n, a: a, effect=True)
    with pytest.raises(VerificationError, match="takes no token"):
        verify(Graph((x,), (make(silent, (x,)).out(),)))
    with pytest.raises(VerificationError, match="gives no token"):
        verify(Graph((x,), (make(silent, (x, ops.token())).out(),)))
    loud = ops.debug_print("{}", [x], ops.token())
    assert loud.type == TOKEN
    verify(Graph((x,), (loud,)))


def test_a_write_keeps_its_inputs_type():
    x = parameter(0, VECTOR)
    verify(Graph((x,), (ops.sin(x),), (0,)))
    with pytest.raises(VerificationError, match="written to an input of type"):
        verify(Graph((x,), (ops.sum_(x, (0,)),), (0,)))
    with pytest.raises(VerificationError, match="written twice"):
        verify(Graph((x,), (ops.sin(x), ops.cos(x)), (0, 0)))
    with pytest.raises(VerificationError, match="`written`"):
        verify(Graph((x,), (ops.sin(x),), (0, None)))


def test_regions_are_verified():
    x = parameter(0, VECTOR)
    bad = Graph((x,), (forged(ops.OPS["sin"], (x,), (TensorType(F64, (3,)),)).out(),))
    node = forged(ops.OPS["cos"], (x,), (TensorType(F32, (3,)),))
    bad = Graph((x,), (ops.add(bad.outputs[0], bad.outputs[0]),))
    verify(bad)
    broken = Graph((x,), (node.out(),))
    loop = forged(
        ops.OPS["scan"],
        (x,),
        (VECTOR,),
        (("length", 2), ("n_carry", 1), ("n_xs", 0), ("reverse", False)),
        (broken,),
    )
    with pytest.raises((VerificationError, ValueError), match=r"carry 0|cos"):
        verify(Graph((x,), (loop.out(),)))
