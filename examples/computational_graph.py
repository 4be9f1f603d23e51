"""f(x, y, z) = (x − y) · z as a graph: values flow down it, gradients flow back up.

Draws the graph with both on it, at x = 4, y = 1, z = 3, and takes one step of gradient descent,
which brings x from 4 to 3.7.

Run it: ``python examples/computational_graph.py`` (the picture goes to ``out/``)
"""

import argparse
from pathlib import Path

import graphc
from graphc.report import view


@graphc.compile
def f(x, y, z):
    return (x - y) * z


def main(out="out"):
    point = {"x": 4.0, "y": 1.0, "z": 3.0}
    rate = 0.1

    value, gradients = graphc.value_and_grad(f, argnums=(0, 1, 2))(*point.values())
    stepped = {
        name: coordinate - rate * gradient
        for (name, coordinate), gradient in zip(point.items(), gradients, strict=True)
    }

    graph = f.lower(*point.values()).graph
    values_on_it, gradients_on_it = view.evaluations(graph, list(point.values()))
    picture = view.draw(
        graph,
        Path(out) / "computational_graph.png",
        values=values_on_it,
        gradients=gradients_on_it,
        results=["f"],
        title="f = (x − y) · z",
    )

    print(f"f(4, 1, 3) = {value:g}")
    for (name, coordinate), gradient in zip(point.items(), gradients, strict=True):
        print(f"df/d{name} = {gradient:>4g}     {name}: {coordinate:g} -> {stepped[name]:.6g}")
    print(f"after one step f = {f(*stepped.values()):g}")
    print(f"picture: {picture}")
    return {"value": value, "gradients": gradients, "stepped": stepped, "picture": picture}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the picture")
    main(parser.parse_args().out)
