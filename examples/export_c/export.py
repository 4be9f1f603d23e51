"""A network that trains in C alone: its training step is exported as a C library.

Writes a folder with two libraries, ``train`` (forward, backward and update in one call) and
``classify``, the digits and the first weights as raw files, and ``train.c``, which reads them,
trains, and prints each epoch's loss and the held-out accuracy: no Python, no framework. The network
is that of ``examples/mlp_digits.py``, and the same steps are run here: the losses must agree.

Run it: ``python examples/export_c/export.py``, then the command that it prints.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

import numpy as np

import graphc

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlp_digits import BATCH, classify, initial_parameters, load, train_step

HERE = Path(__file__).parent
EPOCHS = 20
OBJECTS = ("train/train.o", "classify/classify.o")
BUILD = ("cc", "-O2", "-Itrain", "-Iclassify", "train.c", *OBJECTS, "-lm", "-o", "digits")


def write_library(folder, params, velocity):
    """The two libraries; the batch of `classify` is named, so it takes any number of images."""
    images = graphc.spec((BATCH, 784), np.float32)
    labels = graphc.spec((BATCH,), np.int64)
    graphc.export(train_step, params, velocity, images, labels, path=folder / "train", name="train")
    any_images = graphc.spec(("images", 784), np.float32)
    graphc.export(classify, params, any_images, path=folder / "classify", name="classify")


def write_data(folder, params, training, held_out):
    """Raw files: images float32, labels int64; the weights one after another, float32."""
    for name, (images, labels) in (("training", training), ("held_out", held_out)):
        (folder / f"{name}_images.bin").write_bytes(images.tobytes())
        (folder / f"{name}_labels.bin").write_bytes(labels.astype(np.int64).tobytes())
    (folder / "weights.bin").write_bytes(b"".join(params[name].tobytes() for name in params))


def train_here(params, velocity, images, labels):
    """The mean loss of each epoch, as `train.c` computes it, and the best time of a step."""
    losses, best = [], np.inf
    for _ in range(EPOCHS):
        total, steps = 0.0, 0
        for start in range(0, len(images) - BATCH + 1, BATCH):
            chosen = slice(start, start + BATCH)
            began = time.perf_counter()
            total += float(train_step(params, velocity, images[chosen], labels[chosen]))
            best = min(best, time.perf_counter() - began)
            steps += 1
        losses.append(total / steps)
    return losses, best * 1e6


def main(out="out"):
    folder = Path(out) / "export_c"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    training, held_out = load(rng)
    params = initial_parameters(rng)
    velocity = {name: np.zeros_like(array) for name, array in params.items()}
    write_library(folder, params, velocity)
    write_data(folder, params, training, held_out)
    shutil.copy(HERE / "train.c", folder)
    losses, best = train_here(params, velocity, training[0], training[1].astype(np.int64))
    accuracy = float(np.mean(classify(params, held_out[0]) == held_out[1]))
    print(f"here: loss {losses[0]:.6f} -> {losses[-1]:.6f}, accuracy {100 * accuracy:.1f} %")
    print(f"here: {best:.0f} µs a step, at best")
    print(f"in C: cd {folder} && {' '.join(BUILD)} && ./digits")
    return {"folder": folder, "losses": losses, "accuracy": accuracy, "microseconds": best}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the library")
    main(parser.parse_args().out)
