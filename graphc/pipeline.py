"""The passes, top to bottom, from a traced graph to a native step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.ir import Graph
from graphc.options import Options
from graphc.simplify.algebra import simplify
from graphc.simplify.turn import turn_inputs
from graphc.stages import show
from graphc.threads import load_rooms
from graphc.verify import verify

GRAPH_PASSES: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (("simplify", simplify),)
"""Graph -> Graph, in order. The adjoint is not among them: `grad` builds it while tracing."""


def prepare(graph: Graph, stages: dict[str, float]) -> Graph:
    """Run the graph passes; `stages` gains the seconds of each.

    With ``GRAPHC_VERIFY=1`` (as in the tests) the verifier runs after each pass.
    """
    checked = os.environ.get("GRAPHC_VERIFY", "") == "1"
    if checked:
        verify(graph, "trace")
    for name, transform in GRAPH_PASSES:
        started = time.perf_counter()
        graph = transform(graph)
        stages[name] = time.perf_counter() - started
        if checked:
            verify(graph, name)
    return graph


def planned_bytes(graph: Graph, layouts: Sequence[str], sizes: Mapping[str, int]) -> int:
    """The bytes of scratch memory that `graph` needs, found without compiling it."""
    build = load_rooms("graphc.build")
    needed: int = build.planned_bytes(prepare(graph, {}), tuple(layouts), sizes)
    return needed


def made_in_place(graph: Graph, layouts: Sequence[str]) -> list[int]:
    """The outputs that are made where the input lies that they replace: no copy is needed."""
    build = load_rooms("graphc.build")
    found: list[int] = build.made_in_place(prepare(graph, {}), tuple(layouts))
    return found


def compile_graph(
    graph: Graph,
    layouts: Sequence[str],
    name: str,
    options: Options,
    stages: dict[str, float],
) -> Any:
    """A native step for `graph`: a `graphc.build.Executable`.

    The rooms below (fuse, lower, memory, codegen, runtime) are loaded on first need, so that
    ``import graphc`` stays light. With ``GRAPHC_DEBUG=2`` what each stage made is written to
    standard error.
    """
    turned = [number for number, layout in enumerate(layouts) if layout == "F"]
    show(f"{name}: traced", graph)
    simplified = prepare(turn_inputs(graph, turned), stages)
    show(f"{name}: simplified", simplified)
    build = load_rooms("graphc.build")
    return build.build(
        simplified,
        tuple(layouts),
        name=name,
        stages=stages,
        options=options,
    )
