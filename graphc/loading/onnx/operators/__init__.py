"""One small function for each ONNX operator, in files by family; all in one table."""

from graphc.loading.onnx.operators import (
    activations,
    attending,
    control,
    convolution,
    counting,
    elementwise,
    generating,
    indexing,
    matrices,
    normalisation,
    pooling,
    quantised,
    recurrent,
    reductions,
    regions,
    resizing,
    shaping,
    spectral,
    windows,
)
from graphc.loading.onnx.registry import OPERATORS

__all__ = ["OPERATORS"]
