"""Graphs that several tests compile."""

import itertools

from graphc import ops
from graphc.adjoint import gradients
from graphc.ir import close, fresh_input
from graphc.types import DTYPES, TensorType


def tensor(dtype, *shape):
    return fresh_input(TensorType(DTYPES[dtype], shape))


def softmax(x):
    axes = (x.ndim - 1,)
    shifted = ops.subtract(x, ops.keep_axes(ops.max_(x, axes), axes, x.shape))
    weights = ops.exp(shifted)
    return ops.divide(weights, ops.keep_axes(ops.sum_(weights, axes), axes, x.shape))


def training_step(batch=4, widths=(6, 5, 3), rate=0.1):
    """A two-layer network's step: loss, gradients, parameters written in place."""
    parameters = []
    for before, after in itertools.pairwise(widths):
        parameters += [tensor("float32", before, after), tensor("float32", after)]
    x, y = tensor("float32", batch, widths[0]), tensor("int64", batch)
    hidden = x
    for layer in range(len(widths) - 1):
        weights, bias = parameters[2 * layer : 2 * layer + 2]
        product = ops.matmul(hidden, weights)
        hidden = ops.add(product, ops.broadcast_to(bias, product.shape))
        if layer == 0:
            hidden = ops.maximum(hidden, ops.full_like(hidden, 0))
    axes = (1,)
    shifted = ops.subtract(hidden, ops.keep_axes(ops.max_(hidden, axes), axes, hidden.shape))
    total = ops.sum_(ops.exp(shifted), axes)
    scores = ops.subtract(shifted, ops.keep_axes(ops.log(total), axes, hidden.shape))
    picked = ops.sum_(ops.gather(scores, [ops.iota(batch), y], (0, 1)), (0,))
    loss = ops.divide(ops.negative(picked), ops.full_like(picked, batch))
    found = gradients([loss], [ops.full_like(loss, 1)], parameters)
    outputs, written = [loss], [None]
    for k, (parameter, gradient) in enumerate(zip(parameters, found, strict=True)):
        scaled = ops.multiply(gradient, ops.full_like(gradient, rate))
        outputs.append(ops.subtract(parameter, scaled))
        written.append(k)
    names = ["W1", "b1", "W2", "b2", "x", "y"]
    return close([*parameters, x, y], outputs, written=written, names=names)
