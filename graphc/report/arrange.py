"""Layered layout of a directed graph: who stands where, and where the arrows run.

The method of Sugiyama, Tagawa and Toda (1981), in four steps: layers by the longest path, with
waypoints where an arrow crosses layers; order within a layer by barycentres, keeping the order with
the fewest crossings; x by weighted least squares under minimum distances, layer by layer, solved
exactly by pooling neighbours that collide; y by the height of each layer. Knows boxes and arrows
only, nothing of graphs of operations.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_SWEEPS = 24
_RELAXATIONS = 60
_STRAIGHT = 8.0  # how much harder an arrow between two waypoints pulls than one between two boxes


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow from box `source` to box `target`, at x offsets from their centres."""

    source: int
    target: int
    leave: float = 0.0
    enter: float = 0.0


@dataclass(frozen=True, slots=True)
class Spacing:
    """Distances in points: between boxes, between waypoints, and between layers."""

    boxes: float = 22.0
    lines: float = 9.0
    layers: float = 34.0


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Centres of the boxes, the points that each link runs through, and the size of the whole.

    The origin is at the top left and y grows downwards.
    """

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def arrange(
    sizes: Sequence[Point],
    links: Sequence[Link],
    *,
    top: Collection[int] = (),
    bottom: Collection[int] = (),
    spacing: Spacing | None = None,
) -> Arrangement:
    """Lay out boxes of `sizes` (width, height) so that `links` run downwards.

    Boxes in `top` stand in the first layer and those in `bottom` in the last. Links that close a
    cycle run upwards.

    >>> placed = arrange([(40, 20), (40, 20)], [Link(0, 1)])
    >>> [centre[0] for centre in placed.centres], placed.height
    ([20.0, 20.0], 74.0)
    """
    sheet = _Sheet(sizes, links, spacing or Spacing())
    sheet.assign_layers(top, bottom)
    sheet.add_waypoints()
    sheet.order()
    sheet.place()
    return sheet.result()


class _Sheet:
    """The layout in the making; vertices are the boxes, then the waypoints."""

    def __init__(self, sizes: Sequence[Point], links: Sequence[Link], spacing: Spacing) -> None:
        self.widths = [float(width) for width, _ in sizes]
        self.heights = [float(height) for _, height in sizes]
        self.count = len(sizes)
        self.links = list(links)
        self.spacing = spacing
        self.layer: list[int] = []
        self.rows: list[list[int]] = []
        self.edges: list[Link] = []
        self.chains: list[list[int]] = []
        self.x: list[float] = []

    # --- layers -----------------------------------------------------------------------------------

    def assign_layers(self, top: Collection[int], bottom: Collection[int]) -> None:
        after: list[set[int]] = [set() for _ in range(self.count)]
        for link in self.links:
            if link.source != link.target:
                after[link.source].add(link.target)
        order = _acyclic_order(after)
        place = {vertex: k for k, vertex in enumerate(order)}
        after = [{t for t in targets if place[t] > place[v]} for v, targets in enumerate(after)]
        before: list[set[int]] = [set() for _ in range(self.count)]
        for vertex, targets in enumerate(after):
            for target in targets:
                before[target].add(vertex)
        self.layer = [0] * self.count
        for vertex in order:
            self.layer[vertex] = max((self.layer[v] + 1 for v in before[vertex]), default=0)
        # A box with fewer arrows in than out stands right above the first that it feeds.
        for vertex in reversed(order):
            if vertex not in top and after[vertex] and len(before[vertex]) < len(after[vertex]):
                self.layer[vertex] = min(self.layer[v] for v in after[vertex]) - 1
        last = max(self.layer, default=0)
        if bottom and any(after[vertex] for vertex in range(self.count)):
            last = max(last, 1 + max(self.layer[v] for v in range(self.count) if v not in bottom))
        for vertex in bottom:
            self.layer[vertex] = last

    def add_waypoints(self) -> None:
        """Cut links that cross layers; links that leave one box at one place share their cuts."""
        shared: dict[tuple[int, float, int], int] = {}
        seen: set[Link] = set()
        for link in self.links:
            low, high = self.layer[link.source], self.layer[link.target]
            chain = [link.source]
            for layer in range(low + 1, high):
                key = (link.source, link.leave, layer)
                if key not in shared:
                    shared[key] = len(self.layer)
                    self.layer.append(layer)
                    self.widths.append(2.0)
                    self.heights.append(0.0)
                chain.append(shared[key])
            chain.append(link.target)
            self.chains.append(chain)
            if high <= low:
                continue
            for k, (one, two) in enumerate(itertools.pairwise(chain)):
                leave = link.leave if k == 0 else 0.0
                enter = link.enter if k == len(chain) - 2 else 0.0
                edge = Link(one, two, leave, enter)
                if edge not in seen:
                    seen.add(edge)
                    self.edges.append(edge)
        self.rows = [[] for _ in range(max(self.layer, default=-1) + 1)]
        for vertex, layer in enumerate(self.layer):
            self.rows[layer].append(vertex)

    # --- order within a layer ---------------------------------------------------------------------

    def order(self) -> None:
        above, below = self._neighbours()
        self._order_by_depth_first(below)
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(_SWEEPS):
            if fewest == 0:
                break
            downwards = sweep % 2 == 0
            rows = range(1, len(self.rows)) if downwards else range(len(self.rows) - 2, -1, -1)
            for number in rows:
                self._sort_row(number, above if downwards else below)
            self._swap_neighbours(above, below)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _neighbours(self) -> tuple[list[list[Link]], list[list[Link]]]:
        above: list[list[Link]] = [[] for _ in self.layer]
        below: list[list[Link]] = [[] for _ in self.layer]
        for edge in self.edges:
            above[edge.target].append(edge)
            below[edge.source].append(edge)
        return above, below

    def _order_by_depth_first(self, below: list[list[Link]]) -> None:
        """Start with what hangs together side by side, boxes in the order given."""
        seen: set[int] = set()
        rows: list[list[int]] = [[] for _ in self.rows]
        for root in range(len(self.layer)):
            stack = [root]
            while stack:
                vertex = stack.pop()
                if vertex in seen:
                    continue
                seen.add(vertex)
                rows[self.layer[vertex]].append(vertex)
                stack.extend(edge.target for edge in reversed(below[vertex]))
        self.rows = rows

    def _end(self, place: dict[int, int], vertex: int, offset: float) -> float:
        """Where an arrow meets the row, in places: offsets count as a fraction of the box."""
        return place[vertex] + 0.9 * offset / max(self.widths[vertex], 1.0)

    def _sort_row(self, number: int, neighbours: list[list[Link]]) -> None:
        row = self.rows[number]
        place = {
            v: k
            for near in (number - 1, number + 1)
            if 0 <= near < len(self.rows)
            for k, v in enumerate(self.rows[near])
        }
        keys: dict[int, float] = {}
        for k, vertex in enumerate(row):
            ends = [
                self._end(place, edge.source, edge.leave) - edge.enter / 1e4
                if edge.target == vertex
                else self._end(place, edge.target, edge.enter) - edge.leave / 1e4
                for edge in neighbours[vertex]
            ]
            keys[vertex] = sum(ends) / len(ends) if ends else _held_place(k, row, place)
        self.rows[number] = sorted(row, key=lambda vertex: keys[vertex])

    def _swap_neighbours(self, above: list[list[Link]], below: list[list[Link]]) -> None:
        """Exchange two that stand side by side wherever that takes crossings away."""
        for number, row in enumerate(self.rows):
            place: dict[int, int] = {}
            for near in (number - 1, number + 1):
                if 0 <= near < len(self.rows):
                    place.update({vertex: k for k, vertex in enumerate(self.rows[near])})
            upper = {v: [self._end(place, e.source, e.leave) for e in above[v]] for v in row}
            lower = {v: [self._end(place, e.target, e.enter) for e in below[v]] for v in row}
            for k in range(len(row) - 1):
                left, right = row[k], row[k + 1]
                now = _inversions(upper[left], upper[right]) + _inversions(
                    lower[left], lower[right]
                )
                then = _inversions(upper[right], upper[left]) + _inversions(
                    lower[right], lower[left]
                )
                if then < now:
                    row[k], row[k + 1] = right, left

    def _crossings(self) -> int:
        place = {vertex: k for row in self.rows for k, vertex in enumerate(row)}
        by_layer: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for edge in self.edges:
            by_layer[self.layer[edge.source]].append(
                (
                    self._end(place, edge.source, edge.leave),
                    self._end(place, edge.target, edge.enter),
                )
            )
        total = 0
        for ends in by_layer.values():
            passed: list[float] = []
            for _, end in sorted(ends):
                total += len(passed) - bisect_right(passed, end)
                insort(passed, end)
        return total

    # --- coordinates ------------------------------------------------------------------------------

    def place(self) -> None:
        self.x = [0.0] * len(self.layer)
        for row in self.rows:
            self._settle(row, dict.fromkeys(row, (0.0, 1.0)))
        above, below = self._neighbours()
        for sweep in range(_RELAXATIONS):
            downwards = sweep % 2 == 0
            both = sweep > _RELAXATIONS // 2
            for row in self.rows if downwards else reversed(self.rows):
                wishes = {}
                for vertex in row:
                    pulls = (
                        [self._pull(edge, vertex) for edge in above[vertex]]
                        if (downwards or both)
                        else []
                    )
                    if not downwards or both:
                        pulls += [self._pull(edge, vertex) for edge in below[vertex]]
                    weight = sum(pull for _, pull in pulls)
                    wish = sum(x * pull for x, pull in pulls) / weight if weight else self.x[vertex]
                    wishes[vertex] = (wish, weight or 0.05)
                self._settle(row, wishes)
        self._straighten()
        self._gather_loners({edge.source for edge in self.edges} | {e.target for e in self.edges})

    def _gather_loners(self, linked: Collection[int]) -> None:
        """Bring a first box without arrows back to the left edge of the rest."""
        left = min((self.x[v] - self.widths[v] / 2 for v in linked), default=0.0)
        for row in self.rows:
            if row[0] not in linked and len(row) > 1 and row[1] in linked:
                room = self.x[row[1]] - self._distance(row[0], row[1])
                self.x[row[0]] = min(left + self.widths[row[0]] / 2, room)

    def _straighten(self) -> None:
        """Put runs of waypoints on one vertical line, as long as their neighbours leave room."""
        seat = {vertex: (row, k) for row in self.rows for k, vertex in enumerate(row)}
        for chain in dict.fromkeys(tuple(chain[1:-1]) for chain in self.chains):
            run: list[int] = []
            low, high = -float("inf"), float("inf")
            for vertex in chain:
                row, k = seat[vertex]
                least, most = -float("inf"), float("inf")
                if k > 0:
                    least = self.x[row[k - 1]] + self._distance(row[k - 1], vertex)
                if k + 1 < len(row):
                    most = self.x[row[k + 1]] - self._distance(vertex, row[k + 1])
                if max(low, least) > min(high, most):
                    self._align(run, low, high)
                    run, low, high = [], -float("inf"), float("inf")
                run.append(vertex)
                low, high = max(low, least), min(high, most)
            self._align(run, low, high)

    def _align(self, run: Sequence[int], low: float, high: float) -> None:
        if run:
            middle = sorted(self.x[vertex] for vertex in run)[len(run) // 2]
            for vertex in run:
                self.x[vertex] = min(max(middle, low), high)

    def _pull(self, edge: Link, vertex: int) -> tuple[float, float]:
        """Where `edge` wants `vertex`, and how much."""
        waypoints = (edge.source >= self.count) + (edge.target >= self.count)
        weight = (1.0, 2.0, _STRAIGHT)[waypoints]
        if vertex == edge.target:
            return self.x[edge.source] + edge.leave - edge.enter, weight
        return self.x[edge.target] + edge.enter - edge.leave, weight

    def _settle(self, row: list[int], wishes: dict[int, tuple[float, float]]) -> None:
        """Move `row` as near to its wishes as the distances allow (weighted least squares)."""
        shift = 0.0
        pools: list[tuple[float, float, int]] = []  # weighted mean, weight, members
        shifts: list[float] = []
        for k, vertex in enumerate(row):
            if k:
                shift += self._distance(row[k - 1], vertex)
            shifts.append(shift)
            wish, weight = wishes[vertex]
            mean, members = wish - shift, 1
            while pools and pools[-1][0] > mean:
                other, heavy, more = pools.pop()
                mean = (mean * weight + other * heavy) / (weight + heavy)
                weight, members = weight + heavy, members + more
            pools.append((mean, weight, members))
        means = [mean for mean, _, members in pools for _ in range(members)]
        for vertex, mean, moved in zip(row, means, shifts, strict=True):
            self.x[vertex] = mean + moved

    def _distance(self, left: int, right: int) -> float:
        waypoints = (left >= self.count) + (right >= self.count)
        gap = (self.spacing.boxes, 0.75 * self.spacing.boxes, self.spacing.lines)[waypoints]
        return (self.widths[left] + self.widths[right]) / 2 + gap

    # --- the result -------------------------------------------------------------------------------

    def result(self) -> Arrangement:
        if not self.count:
            return Arrangement([], [], 0.0, 0.0)
        tops, heights = self._layer_bands()
        left = min(x - width / 2 for x, width in zip(self.x, self.widths, strict=True))
        right = max(x + width / 2 for x, width in zip(self.x, self.widths, strict=True))
        xs = [x - left for x in self.x]
        middle = self._middles(tops, heights)
        routes = []
        for link, chain in zip(self.links, self.chains, strict=True):
            start, end = link.source, link.target
            leave, enter = xs[start] + link.leave, xs[end] + link.enter
            band = self.layer[start]
            route = [(leave, middle[start] + self.heights[start] / 2)]
            route.append((leave, max(route[0][1], tops[band] + heights[band])))
            for vertex in chain[1:-1]:
                band = self.layer[vertex]
                route += [(xs[vertex], tops[band]), (xs[vertex], tops[band] + heights[band])]
            tip = (enter, middle[end] - self.heights[end] / 2)
            route += [(enter, min(tip[1], tops[self.layer[end]])), tip]
            routes.append([p for k, p in enumerate(route) if k == 0 or p != route[k - 1]])
        centres = list(zip(xs[: self.count], middle[: self.count], strict=True))
        return Arrangement(centres, routes, right - left, tops[-1] + heights[-1])

    def _middles(self, tops: Sequence[float], heights: Sequence[float]) -> list[float]:
        """The y of each box in its layer: near what it is linked to, if all that is on one side."""
        feeding = {link.source for link in self.links}
        fed = {link.target for link in self.links}
        middles = []
        for vertex, layer in enumerate(self.layer):
            slack = (heights[layer] - self.heights[vertex]) / 2
            side = (vertex in feeding) - (vertex in fed)
            middles.append(tops[layer] + heights[layer] / 2 + side * slack)
        return middles

    def _layer_bands(self) -> tuple[list[float], list[float]]:
        """The top and the height of each layer; steep where arrows travel far sideways."""
        heights = [max(self.heights[vertex] for vertex in row) for row in self.rows]
        travel = [0.0] * len(self.rows)
        for edge in self.edges:
            run = abs(self.x[edge.source] + edge.leave - self.x[edge.target] - edge.enter)
            travel[self.layer[edge.source]] = max(travel[self.layer[edge.source]], run)
        tops = [0.0]
        for height, run in zip(heights, travel, strict=True):
            tops.append(tops[-1] + height + self.spacing.layers + min(0.08 * run, 40.0))
        return tops[:-1], heights


def _acyclic_order(after: Sequence[Collection[int]]) -> list[int]:
    """Vertices such that links run forwards, but for those that close a cycle."""
    finished: list[int] = []
    state = [0] * len(after)  # 0 unseen, 1 open, 2 finished
    for root in range(len(after) - 1, -1, -1):
        stack = [(root, False)]
        while stack:
            vertex, leaving = stack.pop()
            if leaving:
                state[vertex] = 2
                finished.append(vertex)
            elif state[vertex] == 0:
                state[vertex] = 1
                stack.append((vertex, True))
                stack.extend(
                    (target, False) for target in sorted(after[vertex]) if not state[target]
                )
    return finished[::-1]


def _held_place(k: int, row: Sequence[int], place: dict[int, int]) -> float:
    """For a box without neighbours: the first stays first, others keep their share of the row."""
    if k == 0:
        return -1.0
    return k * max(1, len(place)) / max(1, len(row)) / 2


def _inversions(left: Sequence[float], right: Sequence[float]) -> int:
    return sum(one > two for one in left for two in right)
