"""From a diagram to a picture: the size of each box, the place of everything, and the brush.

Lengths are in points (1/72 inch); y grows downwards. Kernel frames are laid out by themselves,
inputs and outputs of a frame passing through fixed places on its border, and then as one box of
the whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from graphc.errors import UnsupportedError
from graphc.report.arrange import Arrangement, Link, Point, Spacing, arrange
from graphc.report.diagram import Arrow, Box, Diagram, Group

PALETTE = {  # kind: fill, border, what the legend says
    "input": ("#E3ECF7", "#7896BD", "input"),
    "constant": ("#F4F5F7", "#B4BBC5", "constant"),
    "pointwise": ("#FFFFFF", "#A9B2BF", "arithmetic"),
    "reduction": ("#FBEFD5", "#CBA552", "reduction"),
    "product": ("#EAE3F5", "#917CBB", "matrix product"),
    "movement": ("#EDF1F2", "#94A5AA", "moves data"),
    "template": ("#F7E6E3", "#BF8A80", "indexed or looped"),
    "output": ("#DFF0E3", "#6BA27B", "result"),
}
FRAMES = (
    ("#F4F8FD", "#B9CDE6"),
    ("#F4F9F2", "#BBD6B1"),
    ("#FDF8EE", "#E3CFA1"),
    ("#F8F4FC", "#D0BEE2"),
    ("#F1F9F9", "#AED4D5"),
    ("#FCF4F3", "#E3BFBA"),
)
INK, FAINT, LINE = "#22303C", "#6B7885", "#8794A3"
STYLES = {
    "type": FAINT,
    "note": "#45525E",
    "value": "#1D5FA6",
    "gradient": "#B4472E",
    "input": "#3F6695",
    "output": "#3D7A50",
}
TITLE_SIZE, LINE_SIZE, HEADING_SIZE, LEGEND_SIZE = 10.5, 8.2, 13.0, 8.2
_PADDING = (9.0, 6.0)
_FRAME_PADDING = 11.0
_MARGIN = 18.0
_LONGEST_SIDE = 6000  # pixels, unless text would be too small to read
_RESOLUTION = (60.0, 180.0)  # least and most, dots per inch


@dataclass(slots=True)
class Scene:
    """Everything placed: rectangles are left, top, width, height."""

    boxes: list[tuple[float, float, float, float]]
    frames: list[tuple[float, float, float, float]] = field(default_factory=list)
    titles: list[Point] = field(default_factory=list)
    paths: list[tuple[list[Point], bool]] = field(default_factory=list)  # points, has a head
    width: float = 0.0
    height: float = 0.0


def compose(diagram: Diagram) -> Scene:
    """Place every box, frame and arrow of `diagram`."""
    sizes = [_box_size(box) for box in diagram.boxes]
    if not diagram.groups:
        links = [_link(arrow, sizes) for arrow in diagram.arrows]
        placed = arrange(sizes, links)
        scene = Scene(_rectangles(placed.centres, sizes), width=placed.width, height=placed.height)
        scene.paths = [(route, True) for route in placed.routes]
        return scene
    return _Nested(diagram, sizes).scene()


def _rectangles(
    centres: Sequence[Point], sizes: Sequence[Point]
) -> list[tuple[float, float, float, float]]:
    return [
        (x - width / 2, y - height / 2, width, height)
        for (x, y), (width, height) in zip(centres, sizes, strict=True)
    ]


def _leave(arrow: Arrow, width: float) -> float:
    return ((arrow.output + 1) / (arrow.fan_out + 1) - 0.5) * width


def _enter(arrow: Arrow, width: float) -> float:
    spread = min(0.7 * width, 22.0 * arrow.fan_in)
    return ((arrow.operand + 0.5) / arrow.fan_in - 0.5) * spread


def _link(arrow: Arrow, sizes: Sequence[Point]) -> Link:
    return Link(
        arrow.source,
        arrow.target,
        _leave(arrow, sizes[arrow.source][0]),
        _enter(arrow, sizes[arrow.target][0]),
    )


# --- frames: a layout inside each, then one of the whole ------------------------------------------

Port = tuple[int, int]
"""A result that crosses the border of a frame: its box and which output."""


class _Frame:
    """The inside of one kernel."""

    def __init__(self, group: Group, arrows: Sequence[Arrow], sizes: Sequence[Point]) -> None:
        inside = set(group.boxes)
        coming = [a for a in arrows if a.target in inside and a.source not in inside]
        going = [a for a in arrows if a.source in inside and a.target not in inside]
        within = [a for a in arrows if a.target in inside and a.source in inside]
        self.entries: list[Port] = list(dict.fromkeys((a.source, a.output) for a in coming))
        self.exits: list[Port] = list(dict.fromkeys((a.source, a.output) for a in going))
        title = (text_width(group.title, LINE_SIZE, bold=True), 1.3 * LINE_SIZE)
        vertex = {box: 1 + len(self.entries) + k for k, box in enumerate(group.boxes)}
        entry = {port: 1 + k for k, port in enumerate(self.entries)}
        first_exit = 1 + len(self.entries) + len(group.boxes)
        vertices = [title, *[(2.0, title[1])] * len(self.entries)]
        vertices += [sizes[box] for box in group.boxes] + [(2.0, 0.0)] * len(self.exits)
        links = [
            Link(entry[a.source, a.output], vertex[a.target], 0.0, _enter(a, sizes[a.target][0]))
            for a in coming
        ]
        links += [
            Link(
                vertex[a.source],
                vertex[a.target],
                _leave(a, sizes[a.source][0]),
                _enter(a, sizes[a.target][0]),
            )
            for a in within
        ]
        heads = len(links)
        fan = {(a.source, a.output): a for a in going}
        links += [
            Link(vertex[box], first_exit + k, _leave(fan[box, output], sizes[box][0]), 0.0)
            for k, (box, output) in enumerate(self.exits)
        ]
        self.placed: Arrangement = arrange(
            vertices,
            links,
            top=range(first_exit - len(group.boxes)),
            bottom=range(first_exit, len(vertices)),
            spacing=Spacing(boxes=16.0, layers=24.0),
        )
        self.heads = heads
        self.vertex = vertex
        self.size = (
            self.placed.width + 2 * _FRAME_PADDING,
            self.placed.height + (1.4 if self.exits else 1.8) * _FRAME_PADDING,
        )

    def entry_offset(self, port: Port) -> float:
        """Where a result comes in, from the frame's centre."""
        centre = self.placed.centres[1 + self.entries.index(port)]
        return centre[0] - self.placed.width / 2

    def exit_offset(self, port: Port) -> float:
        """Where a result goes out, from the frame's centre."""
        first = len(self.placed.centres) - len(self.exits)
        return self.placed.centres[first + self.exits.index(port)][0] - self.placed.width / 2


class _Nested:
    """The layout of a diagram with frames."""

    def __init__(self, diagram: Diagram, sizes: Sequence[Point]) -> None:
        self.diagram = diagram
        self.sizes = sizes
        self.frames = [_Frame(group, diagram.arrows, sizes) for group in diagram.groups]
        self.frame_of = {box: k for k, group in enumerate(diagram.groups) for box in group.boxes}

    def scene(self) -> Scene:
        free = [k for k in range(len(self.diagram.boxes)) if k not in self.frame_of]
        vertex = {box: k for k, box in enumerate(free)}
        vertex |= {box: len(free) + k for box, k in self.frame_of.items()}
        outer_sizes = [self.sizes[box] for box in free] + [frame.size for frame in self.frames]
        links: dict[Link, bool] = {}  # whether it ends in a head
        for arrow in self.diagram.arrows:
            source, target = self.frame_of.get(arrow.source), self.frame_of.get(arrow.target)
            if source is not None and source == target:
                continue
            port = (arrow.source, arrow.output)
            if source is None:
                leave = _leave(arrow, self.sizes[arrow.source][0])
            else:
                leave = self.frames[source].exit_offset(port)
            if target is None:
                enter = _enter(arrow, self.sizes[arrow.target][0])
            else:
                enter = self.frames[target].entry_offset(port)
            links[Link(vertex[arrow.source], vertex[arrow.target], leave, enter)] = target is None
        placed = arrange(outer_sizes, list(links))
        scene = Scene([(0.0, 0.0, 0.0, 0.0)] * len(self.sizes))
        scene.width, scene.height = placed.width, placed.height
        scene.paths = list(zip(placed.routes, links.values(), strict=True))
        rectangles = _rectangles(placed.centres, outer_sizes)
        for box, rectangle in zip(free, rectangles, strict=False):
            scene.boxes[box] = rectangle
        for frame, rectangle in zip(self.frames, rectangles[len(free) :], strict=True):
            self._fill(scene, frame, rectangle)
        return scene

    def _fill(
        self, scene: Scene, frame: _Frame, rectangle: tuple[float, float, float, float]
    ) -> None:
        left, top, _, height = rectangle
        dx, dy = left + _FRAME_PADDING, top + 0.7 * _FRAME_PADDING
        centres = [(x + dx, y + dy) for x, y in frame.placed.centres]
        scene.frames.append(rectangle)
        scene.titles.append(centres[0])
        for box, vertex in frame.vertex.items():
            (x, y), (w, h) = centres[vertex], self.sizes[box]
            scene.boxes[box] = (x - w / 2, y - h / 2, w, h)
        for k, route in enumerate(frame.placed.routes):
            points = [(x + dx, y + dy) for x, y in route]
            if points[0][1] < dy + 2 * LINE_SIZE and k < frame.heads:
                points.insert(0, (points[0][0], top))
            if k >= frame.heads:
                points.append((points[-1][0], top + height))
            scene.paths.append((points, k < frame.heads))


# --- measuring ------------------------------------------------------------------------------------


def _matplotlib() -> Any:
    try:
        import matplotlib  # noqa: PLC0415
        import matplotlib.figure  # noqa: PLC0415
        import matplotlib.patches  # noqa: PLC0415
        import matplotlib.path  # noqa: PLC0415
        import matplotlib.textpath  # noqa: PLC0415
    except ImportError as error:
        raise UnsupportedError(
            "drawing a graph needs Matplotlib, which is not installed",
            hint="Install it with: pip install matplotlib; or write DOT text with view.dot(graph).",
        ) from error
    return matplotlib


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of `text` in points."""
    library = _matplotlib()
    font = library.font_manager.FontProperties(family="DejaVu Sans", weight="bold" if bold else 400)
    width, _, _ = library.textpath.text_to_path.get_text_width_height_descent(text, font, False)
    points: float = font.get_size_in_points()
    return float(width) * size / points


def _box_size(box: Box) -> Point:
    width = text_width(box.title, TITLE_SIZE, bold=True)
    width = max([width, *(text_width(text, LINE_SIZE) for _, text in box.lines)])
    height = 1.2 * TITLE_SIZE + 1.35 * LINE_SIZE * len(box.lines)
    return max(width + 2 * _PADDING[0], 34.0), height + 2 * _PADDING[1]


# --- painting -------------------------------------------------------------------------------------


class Painter:
    """Paints one scene on a Matplotlib figure of its own, off screen."""

    def __init__(self, diagram: Diagram, scene: Scene, title: str) -> None:
        self.library = _matplotlib()
        self.diagram = diagram
        self.scene = scene
        self.legend = self._legend_entries()
        legend_width = sum(width for *_, width in self.legend)
        heading = text_width(title, HEADING_SIZE, bold=True) if title else 0.0
        inner = max(scene.width, heading, min(legend_width, max(scene.width, 420.0)))
        self.left = _MARGIN + (inner - scene.width) / 2
        self.top = _MARGIN + (2.2 * HEADING_SIZE if title else 0.0)
        rows = self._legend_rows(inner)
        self.width = inner + 2 * _MARGIN
        self.height = self.top + scene.height + 18.0 + 15.0 * len(rows) + _MARGIN
        self.figure = self.library.figure.Figure(figsize=(self.width / 72, self.height / 72))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, self.width)
        self.axes.set_ylim(self.height, 0)
        self.axes.set_axis_off()
        if title:
            self._text(
                _MARGIN, _MARGIN + 0.6 * HEADING_SIZE, title, HEADING_SIZE, INK, True, "left"
            )
        self._paint_frames()
        for points, head in scene.paths:
            self._paint_path([(x + self.left, y + self.top) for x, y in points], head)
        for box, rectangle in zip(diagram.boxes, scene.boxes, strict=True):
            self._paint_box(box, rectangle)
        self._paint_legend(rows)

    def save(self, path: str) -> None:
        """Write the picture; the suffix of `path` says in which format."""
        inches = max(self.width, self.height) / 72
        least, most = _RESOLUTION
        dpi = max(least, min(most, _LONGEST_SIDE / inches))
        self.figure.savefig(path, dpi=dpi, facecolor="white")

    def _text(
        self, x: float, y: float, text: str, size: float, colour: str, bold: bool, align: str
    ) -> None:
        self.axes.text(
            x,
            y,
            text,
            fontsize=size,
            color=colour,
            ha=align,
            va="center",
            zorder=5,
            family="DejaVu Sans",
            weight="bold" if bold else "normal",
            parse_math=False,
        )

    def _rounded(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        border: str,
        *,
        radius: float,
        line: float,
        order: float,
    ) -> None:
        self.axes.add_patch(
            self.library.patches.FancyBboxPatch(
                (x + radius, y + radius),
                width - 2 * radius,
                height - 2 * radius,
                boxstyle=f"round,pad={radius},rounding_size={radius}",
                facecolor=fill,
                edgecolor=border,
                linewidth=line,
                zorder=order,
            )
        )

    def _paint_frames(self) -> None:
        for k, group in enumerate(self.diagram.groups):
            x, y, width, height = self.scene.frames[k]
            fill, border = FRAMES[k % len(FRAMES)]
            self._rounded(
                x + self.left,
                y + self.top,
                width,
                height,
                fill,
                border,
                radius=7.0,
                line=1.1,
                order=1.0,
            )
            tx, ty = self.scene.titles[k]
            self._text(tx + self.left, ty + self.top, group.title, LINE_SIZE, FAINT, True, "center")

    def _paint_path(self, points: list[Point], head: bool) -> None:
        path = self.library.path.Path
        tip = points[-1]
        if head:
            points = [*points[:-1], (tip[0], tip[1] - 4.0)]
        vertices, codes = [points[0]], [path.MOVETO]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            bend = 0.55 * (y1 - y0)
            vertices += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
            codes += [path.CURVE4] * 3
        patch = self.library.patches.PathPatch
        self.axes.add_patch(
            patch(
                path(vertices, codes),
                facecolor="none",
                edgecolor=LINE,
                linewidth=1.0,
                zorder=2,
                capstyle="round",
            )
        )
        if head:
            corners = [tip, (tip[0] - 2.9, tip[1] - 6.0), (tip[0] + 2.9, tip[1] - 6.0), tip]
            self.axes.add_patch(patch(path(corners), facecolor=LINE, edgecolor="none", zorder=2.5))

    def _paint_box(self, box: Box, rectangle: tuple[float, float, float, float]) -> None:
        x, y, width, height = rectangle
        x, y = x + self.left, y + self.top
        fill, border, _ = PALETTE[box.kind]
        radius = min(height / 2 - 0.1, 11.0) if box.kind in ("input", "output") else 4.0
        self._rounded(x, y, width, height, fill, border, radius=radius, line=1.0, order=3.0)
        centre = x + width / 2
        y += _PADDING[1] + 0.6 * TITLE_SIZE
        self._text(centre, y, box.title, TITLE_SIZE, INK, True, "center")
        y += 0.6 * TITLE_SIZE + 0.675 * LINE_SIZE
        for style, text in box.lines:
            self._text(centre, y, text, LINE_SIZE, STYLES[style], False, "center")
            y += 1.35 * LINE_SIZE

    # --- legend -----------------------------------------------------------------------------------

    def _legend_entries(self) -> list[tuple[str, str, str, float]]:
        kinds = {box.kind for box in self.diagram.boxes}
        entries = [look for kind, look in PALETTE.items() if kind in kinds]
        if self.diagram.groups:
            entries.append((*FRAMES[0], "one kernel"))
        return [(*look, text_width(look[2], LEGEND_SIZE) + 30.0) for look in entries]

    def _legend_rows(self, inner: float) -> list[list[tuple[str, str, str, float]]]:
        rows: list[list[tuple[str, str, str, float]]] = [[]]
        for entry in self.legend:
            if rows[-1] and sum(width for *_, width in rows[-1]) + entry[3] > inner:
                rows.append([])
            rows[-1].append(entry)
        return rows

    def _paint_legend(self, rows: list[list[tuple[str, str, str, float]]]) -> None:
        y = self.top + self.scene.height + 24.0
        for row in rows:
            x = _MARGIN
            for fill, border, label, width in row:
                self._rounded(x, y - 4.5, 13.0, 9.0, fill, border, radius=2.5, line=0.9, order=3.0)
                self._text(x + 17.0, y, label, LEGEND_SIZE, FAINT, False, "left")
                x += width
            y += 15.0
