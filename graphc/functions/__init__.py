"""NumPy's functions on traced arrays, composed of ops: importing this room makes them known."""

from graphc.functions import (
    contraction,
    correlation,
    creation,
    cumulative,
    differences,
    histograms,
    joining,
    methods,
    missing,
    ordering,
    products,
    quantiles,
    queries,
    rearranging,
    reductions,
    refused,
    selection,
    shaping,
    statistics,
    ufunc_methods,
)
from graphc.trace import indexing
