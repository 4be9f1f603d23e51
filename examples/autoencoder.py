"""An autoencoder draws a map of handwritten digits: two numbers an image, and back again.

A variational one (Kingma and Welling, "Auto-encoding variational Bayes", 2014): the encoder gives a
mean and a variance of the two numbers, they are drawn at random inside the compiled step, and the
loss is how badly the image comes back plus how far the two are from a normal distribution. No label
is shown to it; the digits part by themselves.

Run it: ``python examples/autoencoder.py`` (pictures go to ``out/``)
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import graphc
from graphc import nn, optim

EPOCHS = 200
BATCH = 64
RATE = 3e-3
WEIGHT = 0.3  # of the distance from the normal distribution
COLORS = ("#3F6695", "#B4472E", "#3D7A50", "#8A5A9E", "#A67C1A")
COLORS += ("#4FA3A5", "#D98CB3", "#7F7F7F", "#9ACD32", "#1F2A44")


class Autoencoder(nn.Module):
    """Images (batch, 64) of values in 0 ... 1 to two numbers each, and back to logits."""

    def __init__(self, hidden=128):
        self.encoder = nn.Sequential(
            nn.Linear(64, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU()
        )
        self.mean = nn.Linear(hidden, 2)
        self.log_variance = nn.Linear(hidden, 2)
        self.decoder = nn.Sequential(
            nn.Linear(2, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, 64),
        )

    def encode(self, x):
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)

    def forward(self, x):
        mean, log_variance = self.encode(x)
        z = mean
        if self.training:
            noise = graphc.random.normal(graphc.random.next_key(), mean.shape, x.dtype)
            z = mean + np.exp(log_variance / 2) * noise
        return self.decoder(z), mean, log_variance


def loss_of(found, x):
    """Nats an image: how badly it comes back, and how far its numbers are from normal ones."""
    logits, mean, log_variance = found
    wrong = nn.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    far = np.sum(np.exp(log_variance) + mean**2 - 1 - log_variance) / 2
    return (wrong + WEIGHT * far) / len(x)


def load(seed=0):
    """Training and held-out digits (n, 64) in 0 ... 1, float32, and their labels."""
    digits = load_digits()
    images = (digits.images.reshape(-1, 64) / 16).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(images))
    held_out, rest = np.split(order, [len(images) // 5])
    return (images[rest], digits.target[rest]), (images[held_out], digits.target[held_out])


# --- pictures -------------------------------------------------------------------------------------


def draw_map(places, labels, target):
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.subplots()
    for digit, color in enumerate(COLORS):
        chosen = places[labels == digit]
        axes.scatter(*chosen.T, s=9, color=color, alpha=0.7, linewidths=0, label=str(digit))
    axes.legend(frameon=False, ncols=10, loc="upper center", fontsize=8, handletextpad=0)
    axes.set(title="Each digit by its two numbers; it was never told which is which")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=150)
    return target


def draw_plane(model, target, count=16):
    """What the decoder makes of a grid of places."""
    line = np.linspace(-2.5, 2.5, count, dtype=np.float32)
    grid = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
    decode = graphc.compile(lambda model, z: nn.sigmoid(model.decoder(z)))
    tiles = decode(model, grid).reshape(count, count, 8, 8)
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(tiles.swapaxes(1, 2).reshape(count * 8, -1), cmap="gray_r", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title("The plane, decoded")
    figure.savefig(target, dpi=150)
    return target


def main(out="out", epochs=EPOCHS):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    graphc.random.seed(0)
    training, held_out = load()
    model = Autoencoder()
    steps = epochs * -(-len(training[0]) // BATCH)
    opt = optim.AdamW(model, optim.cosine(RATE, steps, warmup=steps // 20))
    started = time.perf_counter()
    history = graphc.fit(
        model,
        loss_of,
        opt,
        (training[0], training[0]),
        epochs,
        validation=(held_out[0], held_out[0]),
        batch_size=BATCH,
    )
    seconds = time.perf_counter() - started

    encode = graphc.compile(lambda model, x: model.encode(x)[0])
    places, others = encode(model, training[0]), encode(model, held_out[0])
    neighbours = KNeighborsClassifier(15).fit(places, training[1])
    agreement = neighbours.score(others, held_out[1])
    pictures = [out / "autoencoder_history.png", out / "autoencoder_map.png"]
    pictures.append(out / "autoencoder_plane.png")
    history.plot(pictures[0], title="Digits, a variational autoencoder")
    draw_map(places, training[1], pictures[1])
    draw_plane(model, pictures[2])
    print(f"{steps} steps in {seconds:.1f} s; {history}")
    print(f"held-out digits that lie among their own kind: {agreement:.1%}")
    print(f"pictures: {', '.join(map(str, pictures))}")
    return {"agreement": agreement, "history": history, "pictures": pictures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(parser.parse_args().out)
