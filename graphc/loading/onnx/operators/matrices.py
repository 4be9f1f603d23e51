"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator


@operator("MatMul")
def matmul(node: Node, x: Any, y: Any) -> Any:
    """The product of the last two axes, as NumPy has it."""
    return np.matmul(x, y)


@operator("Gemm", since=7)
def gemm(node: Node, a: Any, b: Any, c: Any = None) -> Any:
    """``alpha a b + beta c``, either matrix transposed."""
    a = a.T if node.get("transA", 0) else a
    b = b.T if node.get("transB", 0) else b
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    found = a @ b
    if alpha != 1:
        found = found * _scale(alpha, found)
    if c is None:
        return found
    return found + (c if beta == 1 else c * _scale(beta, found))


def _scale(factor: float, x: Any) -> Any:
    """A factor that does not change the dtype of `x`."""
    return factor if x.dtype.kind == "f" else np.asarray(factor).astype(x.dtype)


@operator("Einsum")
def einsum(node: Node, *operands: Any) -> Any:
    """A sum of products, by Einstein's convention."""
    return np.einsum(node.get("equation", "").replace(" ", ""), *operands)


@operator("Det")
def det(node: Node, x: Any) -> Any:
    """The determinant of the last two axes."""
    return np.linalg.det(x)
