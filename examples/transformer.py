"""A small transformer learns to write, character by character: it reads graphc's own source.

Two blocks of causal self-attention and a perceptron, each behind a layer norm with the input added
(Radford et al., "Language models are unsupervised multitask learners", 2019). A training step, and
each character that is written, is one native call. A tenth of the text is held out.

Run it: ``python examples/transformer.py`` (pictures go to ``out/``)
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.progress import track

import graphc
from graphc import nn, optim

CONTEXT = 96
WIDTH = 128
HEADS = 4
BLOCKS = 2
BATCH = 16
STEPS = 1400
RATE = 3e-3


class Block(nn.Module):
    """(batch, time, width) to the same; a character sees those before it alone."""

    def __init__(self, width, heads):
        self.norm1 = nn.LayerNorm(width)
        self.attention = nn.MultiHeadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width)
        self.wider = nn.Linear(width, 4 * width)
        self.narrower = nn.Linear(4 * width, width)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, is_causal=True, need_weights=False)[0]
        return x + self.narrower(nn.gelu(self.wider(self.norm2(x))))


class Transformer(nn.Module):
    """Characters (batch, time) to the logits of the one after each (batch, time, characters)."""

    def __init__(self, characters, context=CONTEXT, width=WIDTH, heads=HEADS, blocks=BLOCKS):
        self.characters = nn.Embedding(characters, width)
        self.positions = nn.init.normal((context, width), std=0.1)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)

    def forward(self, x):
        y = self.characters(x) + self.positions[: x.shape[1]]
        return self.head(self.norm(self.blocks(y)))


def loss_of(model, text):
    """Cross-entropy, in nats, of each character (batch, time + 1) after those before it."""
    logits = model(text[:, :-1])
    return nn.cross_entropy(logits.reshape(-1, logits.shape[-1]), text[:, 1:].reshape(-1))


@graphc.compile
def train_step(model, opt, text):
    loss, grads = graphc.value_and_grad(loss_of)(model, text)
    opt.step(model, optim.clip_by_global_norm(grads, 1.0))
    return loss


@graphc.compile
def next_character(model, key, text, length):
    """A character drawn after the first `length` of `text`, at a temperature of 0.7."""
    logits = model(text[None])[0, length - 1]
    return graphc.random.categorical(key, logits / 0.7)


measure = graphc.compile(loss_of)


# --- the text -------------------------------------------------------------------------------------


def load():
    """graphc's source as one text, the characters in it, and its numbers by these."""
    folder = Path(graphc.__file__).parent
    files = sorted(folder.rglob("*.py"))
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in files)
    text = text.encode("ascii", "ignore").decode()
    characters = "".join(sorted(set(text)))
    numbers = {c: k for k, c in enumerate(characters)}
    return characters, np.array([numbers[c] for c in text])


def passages(rng, text, count=BATCH):
    starts = rng.integers(0, len(text) - CONTEXT - 1, count)
    return text[starts[:, None] + np.arange(CONTEXT + 1)]


def write(model, characters, start, length, seed=0):
    """`start`, and what the model makes of it."""
    text = [characters.index(c) for c in start]
    window = np.zeros(CONTEXT, np.int64)
    for key in graphc.random.split(graphc.random.key(seed), length):
        seen = text[-CONTEXT:]
        window[: len(seen)] = seen
        text.append(int(next_character(model, key, window, len(seen))))
    return "".join(characters[k] for k in text)


# --- pictures -------------------------------------------------------------------------------------


def draw_losses(losses, held_out, target):
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    bits = np.array(losses) / np.log(2)
    axes.plot(1 + np.arange(len(bits)), bits, color="#C9D6E6", linewidth=0.7, label="each step")
    steps, values = zip(*held_out, strict=True)
    axes.plot(steps, np.array(values) / np.log(2), "o-", color="#3F6695", label="held out")
    axes.set(xlabel="step", ylabel="bits a character", title="A transformer reads graphc's source")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#EEF0F3")
    axes.set_axisbelow(True)
    figure.savefig(target, dpi=150)
    return target


def draw_attention(model, characters, text, target, shown=32):
    """What each character of a passage looks at, by each head of the first block."""

    @graphc.compile
    def weights(model, x):
        block = model.blocks[0]
        y = model.characters(x) + model.positions[: x.shape[1]]
        y = block.norm1(y)
        later = ~np.tri(shown, dtype=bool)
        return block.attention(y, y, y, attn_mask=later, average_attn_weights=False)[1]

    found = weights(model, text[None, :shown])[0]
    labels = [characters[k].replace("\n", "¶").replace(" ", "·") for k in text[:shown]]
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    for head, axes in enumerate(figure.subplots(1, len(found))):
        axes.imshow(found[head], cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(shown), labels, fontsize=5, family="monospace")
        axes.set_yticks(range(shown), labels, fontsize=5, family="monospace")
        axes.tick_params(length=0)
        axes.set_title(f"head {head}", fontsize=9)
    figure.savefig(target, dpi=150)
    return target


def main(out="out", steps=STEPS, length=400):
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    graphc.random.seed(0)
    rng = np.random.default_rng(0)
    characters, text = load()
    training, unseen = np.split(text, [len(text) * 9 // 10])
    model = Transformer(len(characters))
    opt = optim.AdamW(model, optim.cosine(RATE, steps, warmup=steps // 20, final=RATE / 20))
    quiz = [passages(np.random.default_rng(k), unseen) for k in range(8)]

    started = time.perf_counter()
    losses, held_out = [], []
    for k in track(range(1, steps + 1), description="training"):
        losses.append(float(train_step(model, opt, passages(rng, training))))
        if k % max(steps // 10, 1) == 0 or k == 1:
            held_out.append((k, float(np.mean([measure(model, part) for part in quiz]))))
    seconds = time.perf_counter() - started

    sample = write(model, characters, "def ", length)
    pictures = [
        draw_losses(losses, held_out, out / "transformer_loss.png"),
        draw_attention(model, characters, unseen[:CONTEXT], out / "transformer_attention.png"),
    ]
    bits = held_out[-1][1] / np.log(2)
    print(f"{len(text)} characters, {len(characters)} different; {steps} steps in {seconds:.1f} s")
    print(f"held out: {held_out[0][1] / np.log(2):.2f} -> {bits:.2f} bits a character")
    print(f"it writes:\n\n{sample}\n")
    print(f"pictures: {pictures[0]}, {pictures[1]}")
    return {"bits": bits, "sample": sample, "seconds": seconds, "pictures": pictures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(parser.parse_args().out)
