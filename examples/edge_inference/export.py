"""A classifier as one static binary: weights, code and C library in a file that runs anywhere.

A small convolutional network learns the digits with `graphc.fit`; its inference is exported for the
oldest x86 processors that have AVX2, with the weights embedded, and linked statically with
``classify.c``, which reads a picture (PGM, 28×28) and prints what it is. No Python, no framework,
no file beside the binary.

Run it: ``python examples/edge_inference/export.py``, then the commands that it prints.
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np

import graphc
from graphc import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from mlp_digits import load

HERE = Path(__file__).parent
BUILD = ("cc", "-O2", "-static", "classify.c", "digits.o", "-lm", "-o", "classify")


class Network(nn.Module):
    """Two convolutions, each with batch norm, ReLU and pooling, and a linear layer."""

    def __init__(self):
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.linear = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x):
        x = nn.max_pool2d(nn.relu(self.norm1(self.conv1(x))), 2)
        x = nn.max_pool2d(nn.relu(self.norm2(self.conv2(x))), 2)
        return self.linear(x.reshape(x.shape[0], -1))


def write_picture(path, image):
    """A picture (784,) in [0, 1] as a binary PGM."""
    grey = np.round(255 * image).astype(np.uint8)
    path.write_bytes(b"P5 28 28 255\n" + grey.tobytes())


def main(out="out", epochs=6):
    folder = Path(out) / "edge_inference"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    (images, labels), (held_out, held_out_labels) = load(rng)
    graphc.random.seed(0)
    model = Network()
    optimizer = graphc.optim.Adam(model, lr=2e-3)
    data = (images.reshape(-1, 1, 28, 28), labels)
    graphc.fit(model, nn.cross_entropy, optimizer, data, epochs)
    model.eval()

    def probabilities(image):
        return nn.softmax(model(image.reshape(1, 1, 28, 28)))[0]

    image = graphc.spec((784,), np.float32)
    options = {"name": "digits", "cpu": "x86-64-v3", "embed": True}
    graphc.export(probabilities, image, path=folder, **options)
    shutil.copy(HERE / "classify.c", folder)
    found = np.argmax(model(held_out.reshape(-1, 1, 28, 28)), axis=1)
    accuracy = float(np.mean(found == held_out_labels))
    pictures, expected = [], []
    for digit in range(10):
        image = held_out[int(np.flatnonzero(held_out_labels == digit)[0])]
        pictures.append(folder / f"digit_{digit}.pgm")
        write_picture(pictures[-1], image)
        expected.append(probabilities(image))
    print(f"accuracy: {100 * accuracy:.1f} %")
    print(f"build: cd {folder} && {' '.join(BUILD)}")
    print("run: ./classify digit_3.pgm")
    return {"folder": folder, "accuracy": accuracy, "pictures": pictures, "expected": expected}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the binary")
    main(parser.parse_args().out)
