"""A residual network learns handwritten digits: convolutions, batch norm, one native call a step.

He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015, in the form for small
images: conv1, bn1, ReLU, four layers of residual blocks, average pooling by 4, a linear layer.
`resnet18` has PyTorch's names and layouts, so that a state dict of the same network loads. The
example trains a narrow one on scikit-learn's digits, enlarged to 32×32, a fifth of them held out.

Run it: ``python examples/resnet.py`` (pictures go to ``out/``)
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import graphc
from graphc import nn, optim

EPOCHS = 6
BATCH = 32
RATE = 0.05
SHIFT = 3  # pixels


class Block(nn.Module):
    """Two convolutions, and the input added to what they give."""

    def __init__(self, inputs, outputs, stride):
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = nn.relu(self.bn1(self.conv1(x)))
        return nn.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """Images (batch, channels, 32, 32) to (batch, classes)."""

    def __init__(self, blocks=(2, 2, 2, 2), width=64, channels=3, classes=10):
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for number, count in enumerate(blocks):
            outputs = width * 2**number
            strides = [1 if number == 0 else 2] + [1] * (count - 1)
            layer = []
            for stride in strides:
                layer.append(Block(inputs, outputs, stride))
                inputs = outputs
            setattr(self, f"layer{number + 1}", nn.Sequential(*layer))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = nn.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = nn.avg_pool2d(x, 4)
        return self.fc(x.reshape(x.shape[0], -1))


def resnet18(channels=3, classes=10):
    return ResNet((2, 2, 2, 2), 64, channels, classes)


# --- data and training ----------------------------------------------------------------------------


def load(seed=0):
    """Training and held-out digits (n, 1, 32, 32) in [-1, 1], float32, and their labels."""
    digits = load_digits()
    images = np.kron(digits.images / 8 - 1, np.ones((1, 4, 4))).astype(np.float32)[:, None]
    order = np.random.default_rng(seed).permutation(len(images))
    held_out, rest = np.split(order, [len(images) // 5])
    return (
        (images[rest], digits.target[rest]),
        (images[held_out], digits.target[held_out]),
    )


class Shifted:
    """Mini-batches, drawn anew each epoch, each image moved by up to `SHIFT` pixels."""

    def __init__(self, images, labels, batch, seed=0):
        self.images, self.labels, self.batch = images, labels, batch
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return len(self.images) // self.batch

    def __iter__(self):
        order = self.rng.permutation(len(self.images))
        for k in range(len(self)):
            chosen = order[k * self.batch : (k + 1) * self.batch]
            shift = tuple(self.rng.integers(-SHIFT, SHIFT + 1, 2))
            yield np.roll(self.images[chosen], shift, axis=(2, 3)), self.labels[chosen]


def accuracy(logits, labels):
    return (logits.argmax(axis=1) == labels).mean()


def draw_mistakes(model, images, labels, target):
    """The held-out digits that the network is least sure of, with its answer."""
    model.eval()
    logits = graphc.compile(lambda model, x: nn.softmax(model(x)))(model, images)
    sure = logits[np.arange(len(labels)), labels]
    figure = Figure(figsize=(7.2, 2.0), layout="constrained")
    for axes, k in zip(figure.subplots(1, 8), np.argsort(sure), strict=False):
        axes.imshow(images[k, 0], cmap="gray_r")
        answer = logits[k].argmax()
        color = "#3D7A50" if answer == labels[k] else "#B4472E"
        axes.set_title(f"{labels[k]}: {answer} ({logits[k, answer]:.0%})", fontsize=8, color=color)
        axes.set_axis_off()
    figure.savefig(target, dpi=150)
    return target


def main(out="out", epochs=EPOCHS):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    graphc.random.seed(0)
    training, held_out = load()
    model = ResNet((1, 1, 1, 1), width=16, channels=1)
    steps = epochs * (len(training[0]) // BATCH)
    rate = optim.cosine(RATE, steps, warmup=steps // 10)
    opt = optim.SGD(model, rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    started = time.perf_counter()
    history = graphc.fit(
        model,
        nn.cross_entropy,
        opt,
        Shifted(*training, BATCH),
        epochs,
        validation=held_out,
        metrics={"accuracy": accuracy},
    )
    seconds = time.perf_counter() - started
    reached = history["validation_accuracy"][-1]
    pictures = [out / "resnet_history.png", out / "resnet_unsure.png"]
    history.plot(pictures[0], title="Digits, a residual network")
    draw_mistakes(model, *held_out, pictures[1])
    print(f"{steps} steps in {seconds:.1f} s; {history}")
    print(f"held-out accuracy: {reached:.2%}")
    print(f"pictures: {pictures[0]}, {pictures[1]}")
    return {"accuracy": reached, "history": history, "pictures": pictures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(parser.parse_args().out)
