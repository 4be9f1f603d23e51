"""Numbers as small integers times a scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.dtypes import numpy_dtype
from graphc.loading.onnx.operators.convolution import convolved
from graphc.loading.onnx.operators.windows import windows_of
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import lift


def _along(node: Node, array: Any, x: Any) -> Any:
    """A scale or zero point as it is broadcast with `x`: one, one for each slice, or for blocks."""
    axis = int(node.number("axis", 1))
    if array.ndim == 0 or (array.ndim == 1 and array.shape[0] == 1):
        return array.reshape(())
    axis = axis % x.ndim
    if array.ndim == 1:
        return array.reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    block = int(node.number("block_size", 0))
    if block < 1:
        raise node.refusal(f"a scale of {array.ndim} axes without block_size")
    repeated = np.repeat(array, block, axis=axis)
    part = [slice(None)] * x.ndim
    part[axis] = slice(0, x.shape[axis])
    return repeated[tuple(part)]


def quantised(x: Any, scale: Any, zero: Any, dtype: np.dtype) -> Any:
    """``round(x / scale) + zero``, to even, within what the dtype holds."""
    limits = np.iinfo(dtype)
    wide = np.rint(x / scale)
    if zero is not None:
        wide = wide + zero.astype(wide.dtype)
    return np.clip(wide, limits.min, limits.max).astype(dtype)


@operator("QuantizeLinear")
def quantize_linear(node: Node, x: Any, scale: Any, zero: Any = None) -> Any:
    """Into integers."""
    code = node.get("output_dtype", 0)
    dtype = zero.dtype if zero is not None else numpy_dtype(code or 2, node.label)
    factor = _along(node, scale, x)
    shift = None if zero is None else _along(node, zero, x)
    return quantised(x.astype(scale.dtype), factor, shift, np.dtype(dtype))


@operator("DequantizeLinear")
def dequantize_linear(node: Node, x: Any, scale: Any, zero: Any = None) -> Any:
    """Back into floats."""
    found = x.astype(scale.dtype)
    if zero is not None:
        found = found - _along(node, zero, x).astype(scale.dtype)
    return found * _along(node, scale, x)


def _shifted(x: Any, zero: Any, dtype: Any) -> Any:
    """``x - zero``, wide enough; a zero point for each row stands before the last axis."""
    wide = x.astype(dtype)
    if zero is None:
        return wide
    zero = zero.astype(dtype)
    return wide - (zero if zero.ndim == 0 else zero.reshape((*zero.shape, 1)[-x.ndim :]))


@operator("MatMulInteger")
def matmul_integer(node: Node, a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    """A product of integers, in int32."""
    a = _shifted(a, a_zero, np.int32)
    b = b.astype(np.int32)
    return a @ (b if b_zero is None else b - b_zero.astype(np.int32))


@operator("QLinearMatMul")
def qlinear_matmul(node: Node, *operands: Any) -> Any:
    """A product of two quantised matrices, quantised again."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = operands
    total = _shifted(a, a_zero, np.int32) @ (b.astype(np.int32) - b_zero.astype(np.int32))
    rows = a_scale if a_scale.ndim == 0 else a_scale.reshape((*a_scale.shape, 1)[-a.ndim :])
    found = total.astype(y_scale.dtype) * (rows * b_scale)
    return quantised(found, y_scale, y_zero, np.dtype(y_zero.dtype))


@operator("ConvInteger")
def conv_integer(node: Node, x: Any, weight: Any, x_zero: Any = None, w_zero: Any = None) -> Any:
    """A convolution of integers: in float64, which holds every such sum exactly."""
    return _integer_sums(node, x, weight, x_zero, w_zero).astype(np.int32)


def _integer_sums(node: Node, x: Any, weight: Any, x_zero: Any, w_zero: Any) -> Any:
    image, kernel = x.astype(np.float64), weight.astype(np.float64)
    if x_zero is not None:
        image = image - x_zero.astype(np.float64).reshape(())
    if w_zero is not None:
        shift = w_zero.astype(np.float64)
        kernel = kernel - (shift if shift.ndim == 0 else shift.reshape((-1,) + (1,) * (x.ndim - 1)))
    windows = windows_of(node, tuple(x.shape[2:]), tuple(int(s) for s in weight.shape[2:]))
    return convolved(node, image, kernel, None, windows, int(node.number("group", 1)))


@operator("QLinearConv")
def qlinear_conv(node: Node, *operands: Any) -> Any:
    """A convolution of quantised images and weights, quantised again."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = operands[:8]
    total = _integer_sums(node, x, w, x_zero, w_zero)
    lead = (1, -1) + (1,) * (x.ndim - 2)
    if len(operands) > 8 and operands[8] is not None:
        total = total + operands[8].astype(np.float64).reshape(lead)
    factor = lift(x_scale).astype(np.float64) * w_scale.astype(np.float64)
    factor = factor if factor.ndim == 0 or factor.size == 1 else factor.reshape(lead)
    return quantised(total * factor, y_scale.astype(np.float64), y_zero, np.dtype(y_zero.dtype))
