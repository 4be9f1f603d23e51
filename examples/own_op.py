"""Two ops of one's own, defined outside the package: softsign, and the sum of every window.

An op is one record: its types, its meaning in NumPy, its derivative, and how an element of it is
computed. Registered, it is compiled and fused, differentiated in both modes, mapped and checked
like any other.

Run it: ``python examples/own_op.py``
"""

import numpy as np

import graphc
from graphc import ops
from graphc.ir import Op, make
from graphc.loops import Element
from graphc.ops.elementwise.pointwise import pointwise
from graphc.ops.elementwise.scalar import apply, number

# --- elementwise: NumPy's meaning, the derivative, the expression of one element ------------------


def softsign_expression(x):
    return apply("divide", x, apply("add", number(1, x), apply("absolute", x)))


def softsign_vjp(x, out, g):
    """``1 / (1 + |x|)**2``, times the cotangent; a zero cotangent wins over NaN."""
    inverse = ops.reciprocal(ops.add(ops.full_like(x, 1), ops.absolute(x)))
    return (ops.masked_multiply(g, ops.square(inverse)),)


softsign = graphc.operation(
    pointwise(
        "softsign_of_example",
        lambda x: x / (1 + np.abs(x)),
        arity=1,
        kinds="f",
        vjp=softsign_vjp,
        expression=softsign_expression,
    ),
    elementwise=True,
)

# --- any other op: the whole record ---------------------------------------------------------------


def pair_sums_type(types, attrs, regions):
    (x,) = types
    return (x.with_shape((x.shape[0] - 1,)),)


def pair_sums_vjp(driver, node, cotangents):
    """Each element is in two sums: the cotangent, shifted both ways."""
    (g,) = cotangents
    size = node.inputs[0].shape
    return (ops.add(ops.embed(g, size, (0,), (1,)), ops.embed(g, size, (1,), (1,))),)


def pair_sums_batch(driver, node, operands, size):
    """For many examples: the same, of slices along the second axis."""
    ((x, _),) = operands
    shape = (size, x.shape[1] - 1)
    left, right = (ops.slice_(x, (0, start), shape, (1, 1)) for start in (0, 1))
    return ((ops.add(left, right), True),)


def pair_sums_element(node, index, read):
    return apply("add", read(0, index), read(0, (index[0] + 1,)))


PAIR_SUMS = ops.register(
    Op(
        "pair_sums_of_example",
        infer=pair_sums_type,
        evaluate=lambda driver, node, arrays: (arrays[0][:-1] + arrays[0][1:],),
        vjp=pair_sums_vjp,
        batch=pair_sums_batch,
        lower=Element(pair_sums_element),
    )
)
pair_sums = graphc.operation(lambda x: make(PAIR_SUMS, (x,)).out())


@graphc.compile
def loss(x):
    return (softsign(pair_sums(x)) ** 2).sum()


def main():
    """Use both, compiled, and check their derivatives; returns what was computed."""
    x = np.array([0.5, -2.0, 1.0, 3.0])
    value, gradient = graphc.value_and_grad(loss)(x)
    rows = graphc.vmap(pair_sums)(np.arange(6.0).reshape(2, 3))
    graphc.testing.check_grads(loss, (x,), order=2)
    kernels = loss.explain(x).kernels
    print("softsign(2) =", softsign(2.0))
    print("pair sums   =", pair_sums(x))
    print(f"loss {value:.4f}, gradient {np.round(gradient, 4)}")
    print("mapped over rows:", rows.tolist())
    print("kernels of the loss:", len(kernels))
    print("both modes agree with differences, to second order")
    return value, gradient, rows, len(kernels)


if __name__ == "__main__":
    main()
