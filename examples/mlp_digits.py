"""The main job: a network learns handwritten digits, each training step one native call.

784-128-64-10: ReLU after the first hidden layer, sigmoid after the second, linear logits, softmax
cross-entropy. The digits are scikit-learn's 1797 images of 8×8, each enlarged threefold and padded
to 28×28; a fifth is held out. Mini-batches of 64, each shifted by up to two pixels at random; SGD
with momentum, written in plain NumPy inside the compiled step.

At the end the compiled step is timed against the same step in NumPy with its gradient written by
hand, and the loss curve and the fused graph are drawn.

Run it: ``python examples/mlp_digits.py`` (pictures go to ``out/``)
"""

import argparse
import itertools
import statistics
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.progress import track
from sklearn.datasets import load_digits

import graphc
from graphc.report import view

RATE = 0.05
MOMENTUM = 0.9
BATCH = 64
EPOCHS = 80
SHIFT = 2  # pixels
SIZES = (784, 128, 64, 10)


# --- the network, in plain NumPy ------------------------------------------------------------------


def network(params, x):
    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    hidden = 1 / (1 + np.exp(-(hidden @ params["W2"] + params["b2"])))
    return hidden @ params["W3"] + params["b3"]


def cross_entropy(params, x, labels):
    logits = network(params, x)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return np.mean(log_sums - logits[np.arange(len(labels)), labels])


@graphc.compile
def train_step(params, velocity, x, labels):
    """Forward, backward and update: `params` and `velocity` are written in place."""
    loss, grads = graphc.value_and_grad(cross_entropy)(params, x, labels)
    for name in params:
        velocity[name] *= MOMENTUM
        velocity[name] -= RATE * grads[name]
        params[name] += velocity[name]
    return loss


@graphc.compile
def classify(params, x):
    return network(params, x).argmax(axis=1)


# --- data and training ----------------------------------------------------------------------------


def load(rng):
    """Training and held-out images (n, 784) in [0, 1] as float32, with their labels."""
    digits = load_digits()
    images = np.kron(digits.images / 16, np.ones((1, 3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784).astype(np.float32)
    order = rng.permutation(len(images))
    held_out = len(images) // 5
    return (
        (images[order[held_out:]], digits.target[order[held_out:]]),
        (images[order[:held_out]], digits.target[order[:held_out]]),
    )


def initial_parameters(rng):
    params = {}
    for k, (inputs, outputs) in enumerate(itertools.pairwise(SIZES), start=1):
        gain = 2 if k == 1 else 1  # ReLU halves the variance
        weights = rng.standard_normal((inputs, outputs)) * np.sqrt(gain / inputs)
        params[f"W{k}"] = weights.astype(np.float32)
        params[f"b{k}"] = np.zeros(outputs, np.float32)
    return params


def batches(rng, images, labels):
    """Shuffled mini-batches, each shifted sideways and up or down by up to `SHIFT` pixels."""
    order = rng.permutation(len(images))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        shift = tuple(rng.integers(-SHIFT, SHIFT + 1, 2))
        shifted = np.roll(images[chosen].reshape(-1, 28, 28), shift, axis=(1, 2))
        yield shifted.reshape(-1, 784), labels[chosen]


def train(rng, params, velocity, training, held_out):
    losses, accuracies = [], []
    for _ in track(range(EPOCHS), description="training"):
        losses.append(
            [float(train_step(params, velocity, x, y)) for x, y in batches(rng, *training)]
        )
        accuracies.append(float(np.mean(classify(params, held_out[0]) == held_out[1])))
    return losses, accuracies


# --- the same step by hand, for comparison --------------------------------------------------------


def numpy_step(params, velocity, x, labels):
    """`train_step` as one writes it without a gradient compiler."""
    rows = np.arange(len(labels))
    before = x @ params["W1"] + params["b1"]
    first = np.maximum(before, 0)
    second = 1 / (1 + np.exp(-(first @ params["W2"] + params["b2"])))
    logits = second @ params["W3"] + params["b3"]
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(sums[:, 0]) - logits[rows, labels])

    delta = exponentials / sums
    delta[rows, labels] -= 1
    delta /= np.float32(len(labels))
    grads = {"W3": second.T @ delta, "b3": delta.sum(axis=0)}
    delta = (delta @ params["W3"].T) * second * (1 - second)
    grads |= {"W2": first.T @ delta, "b2": delta.sum(axis=0)}
    delta = (delta @ params["W2"].T) * (before > 0)
    grads |= {"W1": x.T @ delta, "b1": delta.sum(axis=0)}
    for name, gradient in grads.items():
        velocity[name] *= MOMENTUM
        velocity[name] -= RATE * gradient
        params[name] += velocity[name]
    return loss


def copied(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def microseconds(steps, params, velocity, x, labels, rounds=100, calls=5):
    """The best and median time of a call of each step; they take turns, on copies of the state."""
    states = [(copied(params), copied(velocity)) for _ in steps]
    times = [[] for _ in steps]
    for _ in range(rounds):
        for step, state, taken in zip(steps, states, times, strict=True):
            started = time.perf_counter()
            for _ in range(calls):
                step(*state, x, labels)
            taken.append((time.perf_counter() - started) / calls * 1e6)
    return [(min(taken), statistics.median(taken)) for taken in times]


def agreement(params, velocity, x, labels):
    """The largest difference between the two steps' parameters, as a share of the largest."""
    one, two = copied(params), copied(params)
    train_step(one, copied(velocity), x, labels)
    numpy_step(two, copied(velocity), x, labels)
    return max(np.abs(one[name] - two[name]).max() / np.abs(two[name]).max() for name in params)


# --- pictures -------------------------------------------------------------------------------------


def draw_losses(losses, accuracies, target):
    """Loss of each step and epoch above, held-out accuracy after each epoch below."""
    ends = len(losses[0]) * (1 + np.arange(len(losses)))
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    upper.plot(np.concatenate(losses), color="#C9D6E6", linewidth=0.7, label="each step")
    means = [np.mean(epoch) for epoch in losses]
    upper.plot(ends, means, color="#3F6695", linewidth=2, label="mean of each epoch")
    upper.set(yscale="log", ylabel="cross-entropy", title="Digits, 784-128-64-10")
    upper.legend(frameon=False)
    lower.plot(ends, 100 * np.array(accuracies), color="#3D7A50", linewidth=2)
    lower.axhline(97, color="#B4472E", linewidth=1, linestyle=":", label="wanted: 97 %")
    lower.legend(frameon=False, loc="lower right")
    lower.set(ylim=(88, 100.4), xlabel="step", ylabel="held-out accuracy, %")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#EEF0F3")
        axes.set_axisbelow(True)
    figure.savefig(target, dpi=150)
    return target


def main(out="out"):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    training, held_out = load(rng)
    params = initial_parameters(rng)
    velocity = {name: np.zeros_like(array) for name, array in params.items()}
    x, labels = training[0][:BATCH], training[1][:BATCH]
    apart = agreement(params, velocity, x, labels)

    started = time.perf_counter()
    losses, accuracies = train(rng, params, velocity, training, held_out)
    seconds = time.perf_counter() - started

    compiled, by_hand = microseconds([train_step, numpy_step], params, velocity, x, labels)
    report = train_step.explain(params, velocity, x, labels)
    lowered = train_step.lower(params, velocity, x, labels)
    kernels = lowered.kernels
    curve = draw_losses(losses, accuracies, out / "mlp_digits_loss.png")
    graph = view.draw(
        lowered.graph,
        out / "mlp_digits_graph.png",
        kernels=kernels,
        results=["loss"],
        title="One training step: forward, backward and update, as fused kernels",
    )

    steps = sum(len(epoch) for epoch in losses)
    print(f"{steps} steps in {seconds:.1f} s; loss {losses[0][0]:.3f} -> {losses[-1][-1]:.4f}")
    print(f"first step against NumPy by hand: parameters differ by at most {apart:.1e}")
    print(f"accuracy: {100 * accuracies[-1]:.1f} %")
    for label, ours, theirs in zip(("best", "median"), compiled, by_hand, strict=True):
        print(
            f"step, {label}: {ours:.0f} µs compiled, {theirs:.0f} µs in NumPy: {theirs / ours:.2f}×"
        )
    print(f"kernels per step: {len(kernels)}")
    print(f"pictures: {curve}, {graph}")
    return {
        "accuracy": accuracies[-1],
        "losses": losses,
        "apart": apart,
        "compiled": compiled,
        "by_hand": by_hand,
        "kernels": len(kernels),
        "report": report,
        "pictures": [curve, graph],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(parser.parse_args().out)
