"""One small function for each ONNX operator, in files by family; all in one table."""

from graphc.loading.onnx.operators import (
    activations,
    elementwise,
    matrices,
    reductions,
)
from graphc.loading.onnx.registry import OPERATORS

__all__ = ["OPERATORS"]
