"""Drawings: nothing overlaps, arrows run downwards, and what is shown is what was computed."""

import builtins
import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.ir import close, fresh_input
from graphc.report import view
from graphc.report.arrange import Link, arrange
from graphc.report.diagram import describe
from graphc.report.paint import compose
from graphc.types import DTYPES, TensorType

FLOAT = DTYPES["float64"]


def product_of_difference():
    """f(x, y, z) = (x - y) * z"""
    x, y, z = (fresh_input(TensorType(FLOAT, ())) for _ in range(3))
    return close([x, y, z], [ops.multiply(ops.subtract(x, y), z)], names=["x", "y", "z"])


def normalised():
    """A graph with broadcasting, a constant, a reduction, a view and a written argument."""
    x = fresh_input(TensorType(FLOAT, (4, 3)))
    state = fresh_input(TensorType(FLOAT, (4, 3)))
    scaled = ops.multiply(x, ops.full_like(x, 0.5))
    powers = ops.exp(scaled)
    sums = ops.sum_(powers, (1,))
    shares = ops.divide(powers, ops.broadcast_to(ops.reshape(sums, (4, 1)), (4, 3)))
    total = ops.add(state, shares)
    return close(
        [x, state], [ops.sum_(total, (0, 1)), total], written=[None, 1], names=["x", "state"]
    )


def kernels_of(graph, *groups):
    """Kernels k0, k1, ... of the nodes with the given op names."""
    return [
        SimpleNamespace(name=f"k{k}", nodes=[n for n in graph.nodes if n.op.name in names])
        for k, names in enumerate(groups)
    ]


def titles(diagram):
    return [box.title for box in diagram.boxes]


# --- what is shown --------------------------------------------------------------------------------


def test_values_and_gradients_stand_on_the_boxes():
    graph = product_of_difference()
    values, gradients = view.evaluations(graph, [4.0, 1.0, 3.0])
    diagram = describe(graph, values=values, gradients=gradients, results=["f"])
    shown = {box.title: dict(box.lines) for box in diagram.boxes}
    assert shown["x"] == {"type": "float64[]", "value": "value 4", "gradient": "gradient 3"}
    assert shown["y"]["gradient"] == "gradient -3"
    assert shown["z"]["gradient"] == "gradient 3"
    assert shown["−"]["value"] == "value 3"
    assert shown["×"]["value"] == "value 9"
    assert shown["×"]["gradient"] == "gradient 1"
    assert titles(diagram)[-1] == "f"


def test_gradients_of_every_value_agree_with_finite_differences():
    graph = normalised()
    rng = np.random.default_rng(0)
    x, state = rng.standard_normal((2, 4, 3))
    _, gradients = view.evaluations(graph, [x, state])
    step = 1e-6

    def total(x):
        values, _ = view.evaluations(graph, [x, state])
        return sum(np.sum(values[output]) for output in graph.outputs)

    for index in np.ndindex(4, 3):
        nudge = np.zeros((4, 3))
        nudge[index] = step
        slope = (total(x + nudge) - total(x - nudge)) / (2 * step)
        assert gradients[graph.inputs[0]][index] == pytest.approx(slope, abs=1e-7)


def test_broadcasts_and_scalar_constants_are_left_out():
    diagram = describe(normalised())
    assert "broadcast_to" not in titles(diagram)
    assert "constant" not in titles(diagram)
    assert "× 0.5" in titles(diagram)
    assert "state ←" in titles(diagram)


def test_integer_values_have_no_gradient():
    n = fresh_input(TensorType(DTYPES["int64"], (3,)))
    x = fresh_input(TensorType(FLOAT, (3,)))
    graph = close([n, x], [ops.multiply(ops.cast(n, FLOAT), x)], names=["n", "x"])
    values, gradients = view.evaluations(graph, [np.array([1, 2, 3]), np.array([4.0, 5.0, 6.0])])
    assert graph.inputs[0] not in gradients
    np.testing.assert_array_equal(gradients[graph.inputs[1]], [1.0, 2.0, 3.0])
    assert values[graph.outputs[0]].tolist() == [4.0, 10.0, 18.0]


def test_a_view_inside_a_kernel_is_drawn_inside_it():
    graph = normalised()
    kernels = kernels_of(graph, {"multiply", "exp", "sum", "divide"}, {"add"})
    diagram = describe(graph, kernels=kernels)
    inside = [diagram.boxes[k].title for k in diagram.groups[0].boxes]
    assert "reshape" in inside


def test_whole_kernels_name_what_they_read_and_write():
    graph = normalised()
    kernels = kernels_of(graph, {"multiply", "exp", "sum", "divide"}, {"add"})
    diagram = describe(graph, kernels=kernels, whole_kernels=True)
    boxes = {box.title: box.lines for box in diagram.boxes}
    assert ("input", "reads x") in boxes["k0"]
    assert ("output", "updates state") in boxes["k1"]
    assert "state" not in boxes
    numbers = {box.title: k for k, box in enumerate(diagram.boxes)}
    assert (numbers["k0"], numbers["k1"]) in {(a.source, a.target) for a in diagram.arrows}


# --- where it stands ------------------------------------------------------------------------------


def overlaps(one, two):
    (x, y, width, height), (u, v, wide, high) = one, two
    return x < u + wide and u < x + width and y < v + high and v < y + height


def inside(outer, inner):
    (x, y, width, height), (u, v, wide, high) = outer, inner
    return x <= u and y <= v and u + wide <= x + width and v + high <= y + height


@st.composite
def layouts(draw):
    count = draw(st.integers(1, 14))
    size = st.tuples(st.integers(10, 90), st.integers(10, 60))
    sizes = draw(st.lists(size, min_size=count, max_size=count))
    vertex = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(vertex, vertex), max_size=24, unique=True))
    return sizes, [Link(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]


@settings(max_examples=60, deadline=None)
@given(layouts())
def test_boxes_never_overlap_and_links_run_down_past_all_others(drawn):
    sizes, links = drawn
    placed = arrange(sizes, links)
    boxes = [
        (x - width / 2, y - height / 2, width, height)
        for (x, y), (width, height) in zip(placed.centres, sizes, strict=True)
    ]
    for one, two in itertools.combinations(boxes, 2):
        assert not overlaps(one, two)
    for box in boxes:
        assert inside((-1e-6, -1e-6, placed.width + 2e-6, placed.height + 2e-6), box)
    for link, route in zip(links, placed.routes, strict=True):
        heights = [y for _, y in route]
        assert heights == sorted(heights)
        vertical = [(x0, y0, y1) for (x0, y0), (x1, y1) in itertools.pairwise(route) if x0 == x1]
        for number, (x, y, width, height) in enumerate(boxes):
            if number not in (link.source, link.target):
                for line, top, bottom in vertical:
                    through = x < line < x + width
                    assert not (through and top < y + height - 1e-6 and y + 1e-6 < bottom)


def test_crossed_links_are_uncrossed():
    placed = arrange([(20, 10)] * 4, [Link(0, 3), Link(1, 2)])
    left_source, right_source = placed.centres[0][0], placed.centres[1][0]
    assert (left_source < right_source) == (placed.centres[3][0] < placed.centres[2][0])


def test_a_cycle_is_laid_out():
    placed = arrange([(20, 10)] * 3, [Link(0, 1), Link(1, 2), Link(2, 0)])
    assert len({y for _, y in placed.centres}) == 3


def test_nothing_is_laid_out_as_nothing():
    assert arrange([], []).width == 0


def test_frames_hold_their_boxes_and_no_others():
    graph = normalised()
    diagram = describe(graph, kernels=kernels_of(graph, {"multiply", "exp"}, {"sum", "divide"}))
    scene = compose(diagram)
    assert len(scene.frames) == 2
    for one, two in itertools.combinations(scene.boxes, 2):
        assert not overlaps(one, two)
    for group, frame in zip(diagram.groups, scene.frames, strict=True):
        for number, box in enumerate(scene.boxes):
            assert inside(frame, box) if number in group.boxes else not overlaps(frame, box)


# --- files ----------------------------------------------------------------------------------------


def test_a_png_is_written(tmp_path):
    graph = product_of_difference()
    values, gradients = view.evaluations(graph, [4.0, 1.0, 3.0])
    path = view.draw(graph, tmp_path / "new" / "f.png", values=values, gradients=gradients)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = (int.from_bytes(data[k : k + 4], "big") for k in (16, 20))
    assert 300 < width < 2000
    assert 300 < height < 3000


def test_an_svg_is_written(tmp_path):
    graph = normalised()
    path = view.draw(graph, tmp_path / "f.svg", kernels=kernels_of(graph, {"exp"}), title="shares")
    assert "</svg>" in path.read_text()


def test_large_graphs_are_drawn_with_a_box_a_kernel(tmp_path):
    x = fresh_input(TensorType(FLOAT, (3,)))
    value = x
    for _ in range(60):
        value = ops.sin(ops.exp(value))
    graph = close([x], [value], names=["x"])
    nodes = graph.nodes
    kernels = [
        SimpleNamespace(name=f"k{k}", nodes=nodes[1 + 40 * k : 41 + 40 * k]) for k in range(3)
    ]
    small = view.draw(graph, tmp_path / "small.png", kernels=kernels)
    large = view.draw(graph, tmp_path / "large.png", kernels=kernels, most_nodes=1000)
    heights = [int.from_bytes(path.read_bytes()[20:24], "big") for path in (small, large)]
    assert 3 * heights[0] < heights[1]


def test_a_graph_too_large_for_a_picture_is_refused_but_written_as_dot(tmp_path):
    x = fresh_input(TensorType(FLOAT, (3,)))
    value = x
    for _ in range(20_000):
        value = ops.negative(value)
    graph = close([x], [ops.exp(value)], names=["x"])
    with pytest.raises(UnsupportedError, match="20003 boxes"):
        view.draw(graph, tmp_path / "f.png")
    assert view.dot(graph).count(" -> ") == 20_002


def test_without_matplotlib_the_error_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    graph = product_of_difference()
    monkeypatch.setattr(builtins, "__import__", refuse)
    view.dot(graph)
    with pytest.raises(UnsupportedError, match="pip install matplotlib"):
        view.draw(graph, tmp_path / "f.png", title=str(tmp_path))
    assert not (tmp_path / "f.png").exists()


def test_dot_has_a_node_for_each_box_and_escapes_markup():
    x, y = (fresh_input(TensorType(FLOAT, (2,))) for _ in range(2))
    graph = close([x, y], [ops.less(x, y)], names=["a<b", 'c"&'])
    text = view.dot(graph, title='less "than"')
    assert "a&lt;b" in text
    assert 'c"&amp;' in text
    assert "<b>&lt;</b>" in text
    assert r"less \"than\"" in text
    assert set(re.findall(r"^ *(n\d+) \[", text, re.M)) == {"n0", "n1", "n2", "n3"}
    assert set(re.findall(r"(n\d+) -> (n\d+);", text)) == {("n0", "n2"), ("n1", "n2"), ("n2", "n3")}
    assert text.count("{") == text.count("}")


def test_dot_draws_kernels_as_clusters():
    graph = normalised()
    text = view.dot(graph, kernels=kernels_of(graph, {"multiply", "exp"}, {"add"}))
    clusters = re.findall(r"subgraph cluster_\d \{(.*?)\n  \}", text, re.S)
    assert len(clusters) == 2
    assert 'label="k0"' in clusters[0]
    assert clusters[0].count("[label=<") == 2
