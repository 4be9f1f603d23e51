"""Matrix products, attention and convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.exporting.onnx.rules.arrays import padded, sliced
from graphc.exporting.onnx.rules.reductions import extreme
from graphc.exporting.onnx.tensors import BOOL, INT32, PRODUCTS, Tensor, where, wider
from graphc.exporting.onnx.views import View
from graphc.exporting.onnx.walker import Rule, Walker, refusal
from graphc.ir import Node
from graphc.ops.convolution.convolve import output_size
from graphc.types import Shape, Size

# --- matrices -------------------------------------------------------------------------------------


def _matmul(walker: Walker, node: Node) -> Tensor:
    a, b = walker.values(node)
    wide = INT32 if a.dtype == BOOL else wider(a.dtype, PRODUCTS)
    return a.cast(wide).op("MatMul", b.cast(wide)).cast(a.dtype)


def _swapped(x: Tensor, rank: int) -> Tensor:
    return x.op("Transpose", perm=[*range(rank - 2), rank - 1, rank - 2])


def _scores(walker: Walker, node: Node, masked: bool) -> Tensor:
    """``scale * q @ k.T + mask``, -inf for the keys after each query's place if causal."""
    q, k, _, scale, *rest = walker.values(node)
    shape = node.inputs[0].shape
    scores = q.op("MatMul", _swapped(k, len(shape))) * scale
    if masked:
        scores = scores + rest[0]
    if node["causal"]:
        rows, columns = shape[-2], node.inputs[1].shape[-2]
        column = walker.reshaped(walker.numbers(rows), (rows, 1))
        scores = where(column >= walker.numbers(columns), scores, -np.inf)
    return scores


def _attention(walker: Walker, node: Node) -> list[Tensor]:
    """As the op's evaluator: a query that no key is left for gives zeros, and +inf."""
    last = (node.inputs[0].ndim - 1,)
    scores = _scores(walker, node, len(node.inputs) == 5)
    largest = extreme(walker, scores, last, "ReduceMax", keep=True)
    largest = where(largest.equals(-np.inf), 0, largest)
    powers = (scores - largest).op("Exp")
    total = walker.builder.reduced("ReduceSum", powers, last, keep=True)
    none = total.equals(0)
    weights = powers / where(none, 1, total)
    lse = where(none, np.inf, largest + total.op("Log"))
    squeezed = lse.op("Squeeze", walker.builder.integers(last))
    return [weights.op("MatMul", walker.value(node.inputs[2])), squeezed]


def _attention_gradients(walker: Walker, node: Node) -> list[Tensor]:
    q, k, v, scale = (walker.value(value) for value in node.inputs[:4])
    lse, delta, g = (walker.value(value) for value in node.inputs[-3:])
    rank = node.inputs[0].ndim
    builder = walker.builder
    scores = _scores(walker, node, len(node.inputs) == 8)
    weights = (scores - builder.unsqueezed(lse, [rank - 1])).op("Exp")
    by_weights = g.op("MatMul", _swapped(v, rank))
    by_scores = weights * (by_weights - builder.unsqueezed(delta, [rank - 1])) * scale
    return [
        by_scores.op("MatMul", k),
        _swapped(by_scores, rank).op("MatMul", q),
        _swapped(weights, rank).op("MatMul", g),
    ]


# --- convolutions: graphc's groups are an axis of their own, ONNX's are among the channels -------


def _images(walker: Walker, node: Node, order: tuple[int, ...], which: int) -> tuple[Tensor, Shape]:
    """An operand with its axes in `order`, the second and third of them as one."""
    value = node.inputs[which]
    tensor, view = walker.view(value)
    turned = view.transposed(order)
    first, groups, channels, *pixels = turned.shape
    shape = (first, groups * channels, *pixels)
    return walker.arranged(tensor, turned.reshaped(shape)), shape


def _kernels(walker: Walker, node: Node, which: int) -> tuple[Tensor, Shape]:
    """An operand (groups, out, ...) as (groups * out, ...)."""
    value = node.inputs[which]
    tensor, view = walker.view(value)
    groups, out, *rest = value.shape
    shape = (groups * out, *rest)
    return walker.arranged(tensor, view.reshaped(shape)), shape


def _padding(
    walker: Walker, x: Tensor, low: Shape, high: Shape, shape: Shape
) -> tuple[Tensor, list[int]]:
    """The images of `shape`, and the attribute ``pads``, which is of known sizes of 0 or more."""
    pads = [size for size in (*low, *high) if isinstance(size, int)]
    if len(pads) < 4:
        return padded(walker, x, (0, 0, *low), (0, 0, *high)), [0, 0, 0, 0]
    begin = (0, 0, *(max(-size, 0) for size in pads[:2]))
    cut = (0, 0, *(max(-size, 0) for size in pads[2:]))
    size = tuple(n - a - b for n, a, b in zip(shape, begin, cut, strict=True))
    return sliced(walker, x, begin, size, (1,) * 4, shape), [max(size, 0) for size in pads]


def _convolved(
    walker: Walker,
    node: Node,
    images: tuple[Tensor, Shape],
    kernels: tuple[Tensor, Shape],
    stride: Shape,
    dilation: Shape,
) -> Tensor:
    groups: Size = node.inputs[0].shape[1]
    x, pads = _padding(walker, images[0], node["low"], node["high"], images[1])
    attrs: dict[str, Any] = {"strides": list(stride), "dilations": list(dilation), "pads": pads}
    kernel = kernels[1][2:]
    if all(isinstance(size, int) for size in kernel):
        attrs["kernel_shape"] = list(kernel)
    if not isinstance(groups, int):
        raise refusal(node, "ONNX's Conv has a known number of groups")
    return x.op("Conv", kernels[0], group=groups, **attrs)


def _convolve(walker: Walker, node: Node) -> Tensor:
    images, kernels = _images(walker, node, (0, 1, 2, 3, 4), 0), _kernels(walker, node, 1)
    y = _convolved(walker, node, images, kernels, node["stride"], node["dilation"])
    groups, out, batch, *places = node.out().shape
    view = View((batch, groups * out, *places)).reshaped((batch, groups, out, *places))
    return walker.set_view(node.out(), y, view.transposed((1, 2, 0, 3, 4)))


def _convolve_weights(walker: Walker, node: Node) -> Tensor:
    """A convolution of the images, channels as examples, by the cotangents as kernels.

    Where the windows do not reach the image's end there are places more than the kernel has.
    """
    images, kernels = _images(walker, node, (2, 1, 0, 3, 4), 0), _kernels(walker, node, 1)
    y = _convolved(walker, node, images, kernels, node["dilation"], node["stride"])
    groups, out, channels, *kernel = node.out().shape
    wanted = (channels, groups * out, *kernel)
    places = [
        output_size(*sizes)
        for sizes in zip(
            images[1][2:],
            kernels[1][2:],
            node["dilation"],
            node["low"],
            node["high"],
            node["stride"],
            strict=True,
        )
    ]
    y = sliced(walker, y, (0,) * 4, wanted, (1,) * 4, (*wanted[:2], *places))
    view = View(wanted).reshaped((channels, groups, out, *kernel))
    return walker.set_view(node.out(), y, view.transposed((1, 2, 0, 3, 4)))


RULES: Mapping[str, Rule] = {
    "matmul": _matmul,
    "attention": _attention,
    "attention_gradients": _attention_gradients,
    "convolve": _convolve,
    "convolve_weights": _convolve_weights,
}
