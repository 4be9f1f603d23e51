"""NumPy's functions on traced arrays, composed of ops: importing this room makes them known."""

from graphc.functions import (
    contraction,
    creation,
    joining,
    methods,
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
