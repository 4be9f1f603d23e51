"""``optimize="full"``: which way to compute a product is quickest here, measured and remembered.

A product of known sizes can be generated or be left to BLAS. Each shape is timed once on this
processor with all its cores, and the choice is kept in the disk cache, from where a later process
takes it; it does not depend on the option ``threads``, as no result does. Without
``optimize="full"`` the rules of `graphc.lower.product` decide.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphc import cache
from graphc.fuse.values import Fused, leading_axis
from graphc.indexing import storage
from graphc.ir import Graph, Node, Value, close, fresh_input
from graphc.lower import product
from graphc.objects import environment
from graphc.ops.matrices.products import matmul, matrix_transpose
from graphc.types import TensorType

MARGIN = 0.9
"""BLAS must take less than this part of the time: what follows a generated product joins it."""

SECONDS = 0.03
"""Time for each candidate."""

Build = Callable[[Graph, bool], Any]
"""``build(graph, library)``: an executable of a graph of one product, by BLAS or generated."""

_known: dict[str, bool] = {}


def library_products(fused: Fused, build: Build, cores: int, keep: bool) -> dict[Node, bool]:
    """Whether BLAS computes each product of `fused` faster; those of unknown sizes are left out.

    Args:
        cores: how many this process may use.
        keep: look in the disk cache, and keep there what is measured.
    """
    return {
        node: _faster_by_library(node, build, cores, keep)
        for node in fused.units
        if isinstance(node, Node)
        and node.op.name == "matmul"
        and product.can_generate(node)
        and _is_static(node)
    }


@functools.cache
def _way() -> str:
    """What decides the times beside the generator: the blocking of products, and BLAS's build."""
    return cache.digest(Path(product.__file__).read_bytes(), np.__version__)


def _is_static(node: Node) -> bool:
    shapes = [value.shape for value in node.inputs]
    return all(isinstance(size, int) and size > 0 for shape in shapes for size in shape)


def _transposed(value: Value) -> bool:
    """Whether the columns of a matrix operand are contiguous, not its rows."""
    found = storage(value)
    leading = leading_axis(value.shape[-2:], found[1][-2:]) if found is not None else None
    return leading is not None and leading[0]


def _faster_by_library(node: Node, build: Build, cores: int, keep: bool) -> bool:
    shapes = [list(value.shape) for value in node.inputs]
    flags = [_transposed(value) for value in node.inputs]
    described = json.dumps([node.out().dtype.name, shapes, flags, cores])
    key = cache.digest(environment(), _way(), "product", described)
    if key not in _known:
        kept = cache.get("choices", key) if keep else None
        if kept is None:
            times = _times(node, flags, build)
            kept = json.dumps({"product": described, "seconds": times}).encode()
            if keep:
                cache.put("choices", key, kept)
        seconds = json.loads(kept)["seconds"]
        _known[key] = seconds["library"] < MARGIN * seconds["generated"]
    return _known[key]


def _times(node: Node, transposed: list[bool], build: Build) -> dict[str, float]:
    """Seconds of the product, alone, by each way."""
    dtype = node.out().dtype
    inputs, operands, arrays = [], [], []
    random = np.random.default_rng(0)
    for value, flag in zip(node.inputs, transposed, strict=True):
        shape = tuple(int(size) for size in value.shape)
        stored = (*shape[:-2], shape[-1], shape[-2]) if flag else shape
        inputs.append(fresh_input(TensorType(dtype, stored)))
        operands.append(matrix_transpose(inputs[-1]) if flag else inputs[-1])
        arrays.append(random.standard_normal(stored).astype(dtype))
    graph = close(inputs, [matmul(*operands)])
    found = {"generated": build(graph, False), "library": build(graph, True)}
    times = dict.fromkeys(found, float("inf"))
    for _ in range(3):
        for way, executable in found.items():
            stop = time.perf_counter() + SECONDS / 3
            while True:
                started = time.perf_counter()
                executable.run(arrays)
                ended = time.perf_counter()
                times[way] = min(times[way], ended - started)
                if ended > stop:
                    break
    return times
