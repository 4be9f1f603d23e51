"""A network solves a differential equation: Burgers' equation, with second derivatives in the loss.

``u_t + u u_x = ν u_xx`` on -1 < x < 1, with ``u(x, 0) = -sin(πx)`` and ``u(±1, t) = 0``: a wave
that steepens into a front (Raissi, Perdikaris and Karniadakis, "Physics-informed neural networks",
2019). The network never sees a solution. Its loss is how far it is from satisfying the equation at
random points: derivatives of the network by its inputs, which a training step differentiates again
by the parameters, all of it one native call. The exact solution, by the Cole-Hopf transformation,
tells how good it became.

Run it: ``python examples/pinn.py`` (pictures go to ``out/``)
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.progress import track

import graphc
from graphc import nn, optim

VISCOSITY = 0.02
POINTS = 1024
STEPS = 6000
RATE = 5e-3
HIDDEN = 32


class Network(nn.Module):
    """u at points x and t (n,); the start and the ends are right whatever the parameters are."""

    def __init__(self, hidden=HIDDEN):
        self.layers = nn.Sequential(
            nn.Linear(2, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, hidden),
            nn.Tanh(),
            nn.Linear(hidden, 1),
        )

    def forward(self, x, t):
        inner = self.layers(np.stack([x, 2 * t - 1], axis=-1))[:, 0]
        return -np.sin(np.pi * x) + t * (1 - x**2) * inner


def residual(model, x, t):
    """``u_t + u u_x - ν u_xx`` at points x and t (n,)."""
    # A point's value is of that point alone, so the sum's gradient is the derivative at each.
    u_x = graphc.grad(lambda x: np.sum(model(x, t)))
    u = model(x, t)
    u_t = graphc.grad(lambda t: np.sum(model(x, t)))(t)
    first, u_xx = graphc.jvp(u_x, (x,), (np.ones_like(x),))
    return u_t + u * first - VISCOSITY * u_xx


@graphc.compile
def train_step(model, opt, x, t):
    loss, grads = graphc.value_and_grad(lambda m: np.mean(residual(m, x, t) ** 2))(model)
    opt.step(model, grads)
    return loss


def exact(x, t, nodes=200):
    """The solution, from the Cole-Hopf transformation by Gauss-Hermite quadrature."""
    z, weights = np.polynomial.hermite.hermgauss(nodes)
    spread = np.sqrt(4 * VISCOSITY * np.maximum(t, 1e-12))[..., None]
    place = x[..., None] - spread * z
    density = weights * np.exp(-np.cos(np.pi * place) / (2 * np.pi * VISCOSITY))
    return -np.sum(np.sin(np.pi * place) * density, axis=-1) / np.sum(density, axis=-1)


def draw(losses, x, t, found, truth, target):
    figure = Figure(figsize=(10, 6), layout="constrained")
    (first, second), (third, fourth) = figure.subplots(2, 2)
    extent = (0, 1, -1, 1)
    picture = first.imshow(found.T, origin="lower", extent=extent, aspect="auto", cmap="RdBu_r")
    first.set(title="u(x, t) of the network", xlabel="t", ylabel="x")
    figure.colorbar(picture, ax=first)
    apart = np.abs(found - truth).T
    picture = second.imshow(apart, origin="lower", extent=extent, aspect="auto", cmap="Greys")
    second.set(title="distance from the exact solution", xlabel="t", ylabel="x")
    figure.colorbar(picture, ax=second)
    colors = ("#9AA5B1", "#3D7A50", "#3F6695", "#B4472E")
    for k, color in zip((0, 25, 50, 100), colors, strict=True):
        third.plot(x[k], found[k], color=color, label=f"t = {t[k, 0]:.2f}")
        third.plot(x[k], truth[k], color="black", linestyle=":", linewidth=1)
    third.set(title="at four times; dotted: exact", xlabel="x", ylabel="u")
    third.legend(frameon=False, fontsize=8)
    fourth.semilogy(losses, color="#C9D6E6", linewidth=0.6)
    window = max(len(losses) // 100, 1)
    means = np.convolve(losses, np.ones(window) / window, "valid")
    fourth.semilogy(np.arange(len(means)) + window / 2, means, color="#3F6695")
    fourth.set(title="mean squared residual", xlabel="step")
    for axes in (third, fourth):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#EEF0F3")
    figure.savefig(target, dpi=150)
    return target


def main(out="out", steps=STEPS):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    graphc.random.seed(0)
    rng = np.random.default_rng(0)
    model = Network()
    opt = optim.Adam(model, optim.cosine(RATE, steps, warmup=steps // 20))
    started = time.perf_counter()
    losses = []
    for _ in track(range(steps), description="training"):
        x = rng.uniform(-1, 1, POINTS).astype(np.float32)
        x[::2] = np.tanh(x[::2]) ** 3  # half of them near the front
        t = rng.uniform(0, 1, POINTS).astype(np.float32)
        losses.append(float(train_step(model, opt, x, t)))
    seconds = time.perf_counter() - started

    t, x = np.meshgrid(np.linspace(0, 1, 101), np.linspace(-1, 1, 201), indexing="ij")
    solve = graphc.compile(lambda model, x, t: model(x, t))
    points = (x.ravel().astype(np.float32), t.ravel().astype(np.float32))
    found = solve(model, *points).reshape(x.shape)
    truth = exact(x, t)
    error = float(np.sqrt(np.mean((found - truth) ** 2) / np.mean(truth**2)))
    picture = draw(losses, x, t, found, truth, out / "pinn.png")
    print(f"{steps} steps in {seconds:.1f} s ({seconds / steps * 1e3:.2f} ms each)")
    print(f"residual {losses[0]:.3f} -> {np.mean(losses[-100:]):.1e}; error {error:.2%} of u")
    print(f"picture: {picture}")
    return {"error": error, "losses": losses, "pictures": [picture]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(parser.parse_args().out)
