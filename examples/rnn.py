"""A recurrent network forecasts a chaotic series: a gated unit, unrolled through time and learnt.

The Mackey-Glass equation, ``x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x``, makes a series that
never repeats (Mackey and Glass, 1977). A GRU learns to tell the next value from those before; then
it goes on alone, each forecast its next input. All steps of a sequence, forward and backward, are
loops of one native call, as is a forecast of any length: ``graphc.scan``.

Run it: ``python examples/rnn.py`` (pictures go to ``out/``)
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import graphc
from graphc import nn, optim

DELAY = 17
LENGTH = 100  # steps of a training sequence
BATCH = 32
EPOCHS = 30
HIDDEN = 48
RATE = 5e-3
SEEN, AHEAD = 200, 120  # steps read before a forecast, and foretold


class Forecaster(nn.Module):
    """(batch, time, 1) to the change from each value to the next, and the unit's last state."""

    def __init__(self, hidden=HIDDEN):
        self.unit = nn.GRU(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.head(self.unit(x)[0])

    def ahead(self, x, steps):
        """The `steps` values after `x` (batch, time, 1), each forecast the next one's input."""
        outputs, state = self.unit(x)
        last = x[:, -1:] + self.head(outputs[:, -1:])

        def turn(carry, _):
            state, value = carry
            outputs, state = self.unit(value, state)
            return (state, value + self.head(outputs)), value[:, 0, 0]

        _, values = graphc.scan(turn, (state, last), None, length=steps)
        return values.T


# --- the series -----------------------------------------------------------------------------------


@graphc.compile
def mackey_glass(start, steps):
    """One value a unit of time: ten of Euler's steps each, from a constant past."""
    x = np.empty(steps * 10)
    x[: DELAY * 10] = start
    for k in range(DELAY * 10, steps * 10):
        past = x[k - DELAY * 10]
        x[k] = x[k - 1] + 0.1 * (0.2 * past / (1 + past**10) - 0.1 * x[k - 1])
    return x[::10]


def load(steps=6000):
    """The series without its start, of mean 0 and variance 1: training part and the rest."""
    series = mackey_glass(1.2, steps + 500)[500:]
    series = ((series - series.mean()) / series.std()).astype(np.float32)
    return np.split(series, [steps * 5 // 6])


def sequences(series, length=LENGTH, every=9):
    """Overlapping inputs (n, length, 1), and how much each value changes to the next."""
    starts = np.arange(0, len(series) - length - 1, every)
    parts = series[starts[:, None] + np.arange(length + 1)][:, :, None]
    return parts[:, :-1], np.diff(parts, axis=1)


def draw(truth, forecast, errors, target):
    """Four forecasts, each with what came, and how the error grows."""
    figure = Figure(figsize=(9, 6.4), layout="constrained")
    grid = figure.add_gridspec(3, 2)
    time_ahead = np.arange(1, AHEAD + 1)
    for place in range(4):
        axes = figure.add_subplot(grid[place // 2, place % 2])
        seen = truth[place, SEEN - 60 : SEEN]
        axes.plot(np.arange(-59, 1), seen, color="#9AA5B1")
        axes.plot(time_ahead, truth[place, SEEN:], color="#9AA5B1", label="series")
        axes.plot(time_ahead, forecast[place], color="#B4472E", label="forecast")
        axes.axvline(0, color="#C9D6E6", linestyle=":")
        axes.spines[["top", "right"]].set_visible(False)
        if place == 0:
            axes.legend(frameon=False, fontsize=8)
    axes = figure.add_subplot(grid[2, :])
    axes.semilogy(time_ahead, errors, color="#3F6695")
    axes.set(xlabel="steps ahead", ylabel="error / deviation", title="Root mean square error")
    axes.grid(color="#EEF0F3")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=150)
    return target


def main(out="out", epochs=EPOCHS):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    graphc.random.seed(0)
    training, unseen = load()
    x, y = sequences(training)
    model = Forecaster()
    steps = epochs * -(-len(x) // BATCH)
    opt = optim.Adam(model, optim.cosine(RATE, steps, warmup=steps // 20))
    started = time.perf_counter()
    history = graphc.fit(
        model,
        nn.mse_loss,
        opt,
        (x, y),
        epochs,
        validation=sequences(unseen),
        batch_size=BATCH,
    )
    seconds = time.perf_counter() - started

    starts = np.arange(0, len(unseen) - SEEN - AHEAD, 20)
    truth = unseen[starts[:, None] + np.arange(SEEN + AHEAD)]
    foretell = graphc.compile(Forecaster.ahead)
    forecast = foretell(model, truth[:, :SEEN, None], AHEAD)
    errors = np.sqrt(np.mean((forecast - truth[:, SEEN:]) ** 2, axis=0))
    pictures = [out / "rnn_history.png", out / "rnn_forecast.png"]
    history.plot(pictures[0], title="Mackey-Glass, one step ahead")
    draw(truth[:: len(truth) // 4], forecast[:: len(truth) // 4], errors, pictures[1])
    print(f"{steps} steps in {seconds:.1f} s; {history}")
    print(f"error / deviation: {errors[0]:.4f} one step ahead, {errors[49]:.3f} fifty ahead")
    print(f"pictures: {pictures[0]}, {pictures[1]}")
    return {"errors": errors, "history": history, "pictures": pictures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(parser.parse_args().out)
