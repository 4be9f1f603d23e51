"""NumPy's functions on traced arrays, composed of ops: importing this room makes them known."""

from graphc.functions import (
    contraction,
    creation,
    fourier,
    joining,
    linear_algebra,
    matrices,
    methods,
    norms,
    products,
    queries,
    rearranging,
    reductions,
    refused,
    selection,
    shaping,
    statistics,
)
from graphc.trace import indexing, iterables
