"""The smallest thing that learns: y = w · x through (1, 2), (2, 4), (3, 6), one weight.

Starts at w = 1 and goes through the three samples one by one, 100 times, with squared loss and
rate 0.01; w ends at 2. Draws the loss against w with the way that w took.

Run it: ``python examples/scalar_regression.py`` (the picture goes to ``out/``)
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import graphc

SAMPLES = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]
EPOCHS = 100
RATE = 0.01


def loss(w, x, y):
    return (w * x - y) ** 2


@graphc.compile
def descend(w, x, y):
    """One step on one sample, written into the 0-d array `w`; returns the loss before it."""
    value, gradient = graphc.value_and_grad(loss)(w, x, y)
    w[...] -= RATE * gradient
    return value


@graphc.compile
def mean_loss(w):
    """The loss over all samples, for every weight in the array `w` at once."""
    return sum(loss(w, x, y) for x, y in SAMPLES) / len(SAMPLES)


def main(out="out"):
    w = np.array(1.0)
    path, losses = [float(w)], []
    for _ in range(EPOCHS):
        losses.append(sum(descend(w, x, y) for x, y in SAMPLES))
        path.append(float(w))

    picture = draw(np.array(path), Path(out) / "scalar_regression.png")
    for epoch in (0, 1, 2, 5, 10, 20, EPOCHS - 1):
        print(f"epoch {epoch + 1:>3}   loss {losses[epoch]:<12.6g} w {path[epoch + 1]:.10g}")
    print(f"w after {EPOCHS} epochs: {path[-1]:.10g}")
    print(f"picture: {picture}")
    return {"w": float(w), "path": path, "losses": losses, "picture": picture}


def draw(path, target):
    weights = np.linspace(0.6, 3.4, 281)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(weights, mean_loss(weights), color="#7896BD", linewidth=2)
    axes.plot(path, mean_loss(path), "o-", color="#B4472E", markersize=5, linewidth=1)
    axes.annotate(
        "start, w = 1",
        (path[0], mean_loss(path[:1])[0]),
        (10, 6),
        textcoords="offset points",
        color="#B4472E",
    )
    axes.annotate(
        f"after {EPOCHS} epochs, w = {path[-1]:.4g}",
        (path[-1], 0.0),
        (0, 64),
        textcoords="offset points",
        ha="center",
        color="#B4472E",
        arrowprops={"arrowstyle": "-", "color": "#B4472E", "linewidth": 0.8},
    )
    axes.set(xlabel="w", ylabel="mean squared loss", title="Loss against w, and the way down")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E6E9ED")
    axes.set_axisbelow(True)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=150)
    return target


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the picture")
    main(parser.parse_args().out)
