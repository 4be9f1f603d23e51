"""Drawings of graphs: as DOT text, and as pictures that need no other program.

`dot` writes the language of Graphviz; `draw` lays out and paints the same diagram by itself, with
Matplotlib. Colours say what an operation is: an input, arithmetic, a reduction, a matrix product,
data that only moves, a result. Frames are kernels: what one frame holds runs as one loop nest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphc.errors import UnsupportedError
from graphc.ir import Graph, Value
from graphc.report.diagram import Box, Kernels, describe
from graphc.report.diagram import evaluations as evaluations
from graphc.report.paint import FRAMES, PALETTE, STYLES, Painter, compose

MOST_NODES = 80
"""With more nodes than this, `draw` shows kernels as boxes that list their operations."""
MOST_BOXES = 400
"""More than this make no legible picture: `draw` refuses."""


def draw(
    graph: Graph,
    path: str | os.PathLike[str],
    *,
    values: Mapping[Value, Any] | None = None,
    gradients: Mapping[Value, Any] | None = None,
    kernels: Kernels = (),
    results: Sequence[str] = (),
    title: str = "",
    most_nodes: int = MOST_NODES,
) -> Path:
    """Paint `graph` to `path`, a ``.png``, ``.svg`` or ``.pdf`` file, and return the path.

    Args:
        graph: what to draw.
        path: where to; missing folders are made.
        values: arrays to write on the boxes, as `evaluations` gives them.
        gradients: likewise, gradients.
        kernels: what was fused; each is a frame around its nodes.
        results: names for the outputs that are not writes to arguments.
        title: a heading.
        most_nodes: a graph of more nodes is drawn with one box a kernel, where there are kernels.

    Raises:
        UnsupportedError: Matplotlib is not installed, or there are more boxes than `MOST_BOXES`.
        ValueError: Matplotlib does not write the format that the suffix names.
    """
    target = Path(path)
    diagram = describe(graph, values=values, gradients=gradients, kernels=kernels, results=results)
    if kernels and len(diagram.boxes) > most_nodes:
        diagram = describe(graph, kernels=kernels, results=results, whole_kernels=True)
    if len(diagram.boxes) > MOST_BOXES:
        raise UnsupportedError(
            f"{len(diagram.boxes)} boxes make no legible picture (at most {MOST_BOXES})",
            hint="Pass the kernels, or write DOT text with view.dot(graph).",
        )
    picture = Painter(diagram, compose(diagram), title)
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.save(str(target))
    return target


def dot(
    graph: Graph,
    values: Mapping[Value, Any] | None = None,
    gradients: Mapping[Value, Any] | None = None,
    *,
    kernels: Kernels = (),
    results: Sequence[str] = (),
    title: str = "",
) -> str:
    """`graph` in the language of Graphviz, kernels as clusters; arguments as for `draw`.

    >>> from graphc import ops
    >>> from graphc.ir import close, fresh_input
    >>> from graphc.types import DTYPES, TensorType
    >>> x = fresh_input(TensorType(DTYPES["float64"], ()))
    >>> text = dot(close([x], [ops.sin(x)], names=["x"]))
    >>> [line.strip() for line in text.splitlines() if "->" in line]
    ['n0 -> n1;', 'n1 -> n2;']
    """
    diagram = describe(graph, values=values, gradients=gradients, kernels=kernels, results=results)
    lines = ["digraph graphc {"]
    if title:
        lines.append(f"  label={_quoted(title)}; labelloc=t;")
    lines += [
        '  rankdir=TB; bgcolor="white"; fontname="Helvetica";',
        '  node [shape=box, style="filled,rounded", fontname="Helvetica", fontsize=10];',
        '  edge [color="#8794A3", arrowsize=0.6];',
    ]
    framed = {box for group in diagram.groups for box in group.boxes}
    for k, group in enumerate(diagram.groups):
        fill, border = FRAMES[k % len(FRAMES)]
        lines.append(f"  subgraph cluster_{k} {{")
        lines.append(f'    label={_quoted(group.title)}; style="filled,rounded"; fontsize=9;')
        lines.append(f'    fillcolor="{fill}"; color="{border}";')
        lines += [f"    {_dot_node(number, diagram.boxes[number])}" for number in group.boxes]
        lines.append("  }")
    for number, box in enumerate(diagram.boxes):
        if number not in framed:
            lines.append(f"  {_dot_node(number, box)}")
    lines += [f"  n{arrow.source} -> n{arrow.target};" for arrow in diagram.arrows]
    lines.append("}")
    return "\n".join(lines) + "\n"


def _dot_node(number: int, box: Box) -> str:
    fill, border, _ = PALETTE[box.kind]
    rows = [f"<b>{_escaped(box.title)}</b>"]
    rows += [
        f'<font point-size="8" color="{STYLES[style]}">{_escaped(text)}</font>'
        for style, text in box.lines
    ]
    label = "<br/>".join(rows)
    return f'n{number} [label=<{label}>, fillcolor="{fill}", color="{border}"];'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
