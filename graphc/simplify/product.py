"""Rules for matrix products that are none: of one row, of one column, and outer products.

A product of one row reads each element of the matrix once: a loop over the matrix as it lies is as
fast as BLAS, and what comes before and after joins it. An outer product is a broadcast multiply,
which joins the update of the parameters that it is the gradient of.
"""

from __future__ import annotations

from graphc import ops
from graphc.ir import Node, Value
from graphc.rewrite import Rules


def _is_matrix_transpose(value: Value) -> bool:
    if value.node.op.name != "transpose":
        return False
    last = value.ndim - 1
    return bool(value.node["axes"] == (*range(last - 1), last, last - 1))


def _row_product(row: Value, matrix: Value) -> Value:
    """``row @ matrix`` of (*batch, k) and (*batch, k, n): the sum along the matrix as it lies."""
    batch = matrix.shape[:-2]
    inner, count = matrix.shape[-2:]
    axis = matrix.ndim - 2
    lengths = (*batch, inner, 1)
    if _is_matrix_transpose(matrix):
        matrix, axis, lengths = matrix.node.inputs[0], axis + 1, (*batch, 1, inner)
    spread = ops.broadcast_to(ops.reshape(row, lengths), matrix.shape)
    result = ops.sum_(ops.multiply(spread, matrix), (axis,))
    assert result.shape == (*batch, count)
    return result


def _matmul(node: Node) -> Value | None:
    a, b = node.inputs
    if a.dtype.kind != "f":
        return None
    batch, rows, inner, columns = a.shape[:-2], a.shape[-2], a.shape[-1], b.shape[-1]
    shape = (*batch, rows, columns)
    if inner == 1:
        return ops.multiply(ops.broadcast_to(a, shape), ops.broadcast_to(b, shape))
    if rows == 1:
        return ops.reshape(_row_product(ops.reshape(a, (*batch, inner)), b), shape)
    if columns == 1:
        transposed = a.node.inputs[0] if _is_matrix_transpose(a) else ops.matrix_transpose(a)
        return ops.reshape(_row_product(ops.reshape(b, (*batch, inner)), transposed), shape)
    return None


PRODUCT_RULES = Rules((("matmul", _matmul),))
